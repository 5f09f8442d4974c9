import { z } from "zod";
import { delivery } from "./route-schemas.js";

const mfaToken = z.string().min(1).max(8192).meta({ description: "What a login that wants a second factor answered with." });
const password = z.string().min(1).max(4096).meta({ description: "The current one, where no other proof is recent." });
const epochMs = z.number().int();

export const enrollBody = z.strictObject({ mfa_token: mfaToken.optional(), password: password.optional() }).optional();
export const verifyBody = z.strictObject({
  mfa_token: mfaToken.optional(),
  // Room for the spaces and hyphens that people copy along.
  code: z.string().min(1).max(64).meta({ description: "Six digits, or a backup code.", example: "123456" }),
  delivery: delivery.describe("Where a login wants the tokens, default body. A session gets its next ones where the last were."),
});
/** What tells a pending login from a session; the rest of the body is the route's. */
export const pendingBody = z.object({ mfa_token: mfaToken });
export const disableBody = z.strictObject({ password: password.optional() }).optional();

export const enrolmentResponse = z.object({
  secret: z.string().meta({ description: "Base32, for typing it into an authenticator. Shown this once." }),
  otpauth_uri: z.string().meta({ description: "For a QR code." }),
  backup_codes: z.array(z.string()).meta({ description: "Each good once, from the first code on. Shown this once." }),
  expires_at: epochMs.meta({ description: "The first code must be sent before." }),
});
export const backupCodesResponse = z.object({ backup_codes: z.array(z.string()) });
export const mfaStatusResponse = z.object({
  enrolled: z.boolean(),
  required: z.boolean().meta({ description: "Whether the caller's roles need a second factor." }),
  enrolled_at: epochMs.nullable(),
  verified_at: epochMs.nullable().meta({ description: "When this session last proved it." }),
  backup_codes_left: z.number().int(),
});
export const disabledResponse = z.object({ message: z.string(), sessions_ended: z.number().int() });
