// What the tests of refresh do again and again.
import { createHmac } from "node:crypto";
import { createFixture, type createFixtureWithAda, EMAIL, PASSWORD, SECRET, valueOf } from "./auth-fixture.js";

type Fixture = Awaited<ReturnType<typeof createFixtureWithAda>>;

/** Unless a test sets another. */
export const GRACE_MS = 10_000;

/** The tokens of one more login of Ada's. */
export async function login(fixture: Fixture) {
  return valueOf(await fixture.auth.login({ email: EMAIL, password: PASSWORD })).tokens;
}

/** What a token says. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, unknown>;
}

/** The token with other claims, signed as whoever has the secret would. */
export function forged(token: string, claims: Record<string, unknown>, secret = SECRET): string {
  const input = `${token.split(".")[0]}.${Buffer.from(JSON.stringify({ ...claimsOf(token), ...claims })).toString("base64url")}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/** Another process on the same store. */
export function beside(fixture: Fixture, options: Parameters<typeof createFixture>[0] = {}) {
  return createFixture({ store: fixture.store, users: fixture.users, clock: fixture.clock, ...options }).auth;
}
