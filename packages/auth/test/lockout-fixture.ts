import { createMemoryStore } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { type AuthOptions, createUserDirectory, type LoginResult } from "@portcullis/auth";
import { asynchronous, createFixtureWithAda, EMAIL } from "./auth-fixture.js";

export const WRONG = "wrong horse battery";
export const LOCKOUT = { threshold: 3, windowMs: 60_000, durationMs: 300_000 };
export const HOUR_MS = 3_600_000;

export type Fixture = Awaited<ReturnType<typeof createFixtureWithAda>>;

/** Ada on a store that answers at once or by promises. */
export async function createOn(manner: string, options: Partial<AuthOptions> = {}): Promise<Fixture> {
  const clock = createManualClock();
  const memory = createMemoryStore({ clock });
  const store = manner === "synchronous" ? memory : asynchronous(memory);
  const users = createUserDirectory({ store });
  const fixture = await createFixtureWithAda({ clock, store, users, lockout: LOCKOUT, passwords: { queueLength: 300 }, ...options });
  return { ...fixture, clock, store, users };
}

export function attempt(fixture: Fixture, password = WRONG, client: { ip?: string; device?: string } = {}): Promise<LoginResult> {
  return fixture.auth.login({ email: EMAIL, password }, client);
}

export function counted(codes: readonly (number | string)[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}
