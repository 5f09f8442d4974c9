import {
  createFacts,
  createMemoryStore,
  type GuardRequest,
  type MemoryStore,
  type Metrics,
  type Ports,
  StoreUnavailable,
} from "@portcullis/core";
import { afterEach } from "vitest";
import { createManualClock, type ManualClock } from "@portcullis/testkit";
import {
  type Auth,
  type AuthEvent,
  type AuthOptions,
  type AuthResult,
  type Login,
  type LoginResult,
  createAuth,
  createUserDirectory,
  type StoredUserDirectory,
} from "@portcullis/auth";
import { internalsOf } from "../src/auth-internals.js";

export const SECRET = "first-secret-0123456789-abcdefghijklmnop";
export const OLD_SECRET = "older-secret-0123456789-abcdefghijklmnop";
export const PEPPER = "a-pepper-for-keys-0123456789-abcdefghijk";
export const EMAIL = "ada@example.com";
export const PASSWORD = "correct horse battery";

/** Everything that a test of auth looks at. */
export interface AuthFixture {
  readonly auth: Auth;
  readonly store: MemoryStore;
  readonly users: StoredUserDirectory;
  readonly clock: ManualClock;
  readonly events: AuthEvent[];
  /** `name{label values}` of every counter increment, in order. */
  readonly counted: string[];
}

const opened: Auth[] = [];

// Each has threads of its own, which a test file with a hundred of them would otherwise keep.
afterEach(async () => {
  await Promise.all(opened.splice(0).map(async (auth) => internalsOf("auth", auth).hasher.close()));
});

export function createFixture(options: Partial<AuthOptions> = {}): AuthFixture {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const users = createUserDirectory({ store });
  const events: AuthEvent[] = [];
  const counted: string[] = [];
  const metrics: Metrics = {
    counter: ({ name }) => ({ add: (labels = {}) => void counted.push(`${name}{${Object.values(labels).join()}}`) }),
    gauge: () => ({ set: () => {} }),
    histogram: () => ({ observe: () => {} }),
  };
  const auth = createAuth({
    store,
    users,
    secrets: SECRET,
    apiKeyPeppers: PEPPER,
    clock,
    metrics,
    onEvent: (event) => events.push(event),
    ...options,
  });
  opened.push(auth);
  return { auth, store, users, clock, events, counted };
}

/** A fixture with one account, made without hashing more than needed. */
export async function createFixtureWithAda(options: Partial<AuthOptions> = {}): Promise<AuthFixture & { readonly userId: string }> {
  const fixture = createFixture(options);
  const account = valueOf(
    await fixture.auth.createAccount({ email: EMAIL, password: PASSWORD, roles: ["admin", "member"], orgId: "org-1" }),
  );
  return { ...fixture, userId: account.id };
}

export function valueOf(result: LoginResult): Login;
export function valueOf<T>(result: AuthResult<T>): T;
export function valueOf(result: LoginResult | AuthResult<unknown>): unknown {
  if (result.kind !== "ok") throw new Error(result.kind === "denied" ? `denied: ${result.problem.code}` : result.kind);
  return result.value;
}

/** The code of a denial; `ok` for success. */
export function codeOf(result: LoginResult | AuthResult<unknown>): number | "ok" | "mfa_required" {
  return result.kind === "denied" ? result.problem.code : result.kind;
}

export function requestOf(fields: Record<string, string> = {}, counts: Record<string, number> = {}): GuardRequest {
  const headers = new Map(Object.entries(fields));
  return {
    method: "GET",
    target: "/",
    route: undefined,
    ip: undefined,
    facts: createFacts(),
    clientCertificate: undefined,
    header: (name) => headers.get(name),
    headerCount: (name) => (headers.has(name) ? (counts[name] ?? 1) : 0),
    removeHeader: (name) => void headers.delete(name.toLowerCase()),
    param: () => undefined,
    rawBody: async () => new Uint8Array(),
  };
}

type Method = (...args: unknown[]) => unknown;

/** A port with every method wrapped. */
export function wrapPort<Port extends object>(port: Port, wrap: (method: Method, name: string) => Method): Port {
  const methods = Object.entries(port).map(([name, method]) => [name, wrap(method as Method, name)]);
  return Object.fromEntries(methods) as Port; // the same names, and what each wrapped method answers
}

/** The store with one port whose every method fails, by throwing at once or by a promise. */
export function withDeadPort(store: MemoryStore, port: keyof Ports, manner: "throws" | "rejects"): MemoryStore {
  const dead = wrapPort(store[port], (_method, name) => () => {
    const error = new StoreUnavailable(`${port}.${name}`);
    if (manner === "throws") throw error;
    return Promise.reject(error);
  });
  return { ...store, [port]: dead };
}

/** The same store behind a network: every answer is a promise. */
export function asynchronous(store: MemoryStore): MemoryStore {
  const late = <Port extends object>(port: Port): Port =>
    wrapPort(
      port,
      (method) =>
        async (...args) =>
          method(...args),
    );
  const { tickets, counters, subjects, sessions, apiKeys, records } = store;
  return {
    ...store,
    tickets: late(tickets),
    counters: late(counters),
    subjects: late(subjects),
    sessions: late(sessions),
    apiKeys: late(apiKeys),
    records: late(records),
  };
}
