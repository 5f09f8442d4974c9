import { z } from "zod";

const provider = z.string().min(1).max(32);
const redirect = z.string().min(1).max(4096).optional();
const state = z.string().min(1).max(1024).optional().meta({ description: "Comes back unchanged with the outcome." });
const S256 = /^[A-Za-z0-9_-]{43}$/; // RFC 7636 §4.2: 32 bytes

export const providerParams = z.object({ provider });
export const startQuery = z.object({
  redirect,
  state,
  code_challenge: z.string().regex(S256).optional(),
  code_challenge_method: z.literal("S256").optional(),
});
export const linkBody = z.strictObject({ provider, redirect, state });
export const unlinkQuery = z.object({ provider });
export const tokenBody = z.strictObject({
  code: z.string().min(1).max(128),
  // RFC 7636 §4.1
  code_verifier: z.string().regex(/^[A-Za-z0-9\-._~]{43,128}$/),
});

export const providersResponse = z.object({ providers: z.array(z.object({ id: z.string(), name: z.string() })) });
export const linkResponse = z.object({ authorization_url: z.string() });
export const identitiesResponse = z.object({
  identities: z.array(z.object({ id: z.string(), provider: z.string(), linked_at: z.number().int() })),
});
