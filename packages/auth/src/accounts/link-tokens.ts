import { createHash } from "node:crypto";
import type { Tickets } from "@portcullis/core";

/** What a link proves: that its holder reads the letters to this address. */
export interface LinkClaim {
  /** As `normaliseEmail` gives it. */
  readonly email: string;
  /** Whose address it was when the letter was sent; `undefined` where there is no account yet. */
  readonly holder?: { readonly userId: string; readonly passwordVersion: number };
}

/** The tokens in links: 256 random bits, stored as a hash, good once. */
export interface LinkTokens {
  /** @throws {Error} The token exists: the source of randomness repeats itself. */
  create(claim: LinkClaim, ttlMs: number): Promise<string>;
  /** What the token says, used up by nobody. */
  peek(token: string): Promise<LinkClaim | undefined>;
  /** What the token says, to one caller only. */
  take(token: string): Promise<LinkClaim | undefined>;
}

const TOKEN_BYTES = 32;
const FORM = /^[A-Za-z0-9_-]{43}$/;

/** @param purpose What the token is good for, and nothing else. */
export function createLinkTokens(tickets: Tickets, random: (bytes: number) => Uint8Array, purpose: string): LinkTokens {
  // The store, its backups and whoever reads them know no token.
  const keyOf = (token: string): string => `auth:link:${purpose}:${createHash("sha256").update(token).digest("base64url")}`;
  const read = (value: string | undefined): LinkClaim | undefined =>
    value === undefined ? undefined : (JSON.parse(value) as LinkClaim); /* only this file writes them */

  return Object.freeze({
    async create(claim: LinkClaim, ttlMs: number): Promise<string> {
      const token = Buffer.from(random(TOKEN_BYTES)).toString("base64url");
      if (!(await tickets.put(keyOf(token), JSON.stringify(claim), ttlMs))) throw new Error("The token of a link was made before.");
      return token;
    },
    peek: async (token: string) => (FORM.test(token) ? read(await tickets.peek(keyOf(token))) : undefined),
    take: async (token: string) => (FORM.test(token) ? read(await tickets.take(keyOf(token))) : undefined),
  });
}
