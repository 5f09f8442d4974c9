import { correlationId, createApp, toFetchHandler } from "@portcullis/core";
import { type Auth, authenticate, type AuthOptions, authRoutes, type Enrolment, type Login, type Mfa } from "@portcullis/auth";
import { Secret, TOTP } from "otpauth";
import { type AuthFixture, codeOf, createFixture, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";

export const MFA_KEY = "mfa-sealing-key-0123456789-abcdefghijkl";
export const OLD_MFA_KEY = "old-sealing-key-0123456789-abcdefghijkl";

/** The code of another implementation, as an authenticator app would show it. @param nowMs Of the phone's clock. */
export function codeAt(secret: string, nowMs: number): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: nowMs });
}

/** A wrong code: six digits of no step around now. */
export function wrongCodeAt(secret: string, nowMs: number): string {
  const right = [-30_000, 0, 30_000].map((away) => codeAt(secret, nowMs + away));
  return ["000000", "111111", "222222", "333333"].find((code) => !right.includes(code)) ?? "";
}

export interface MfaFixture extends AuthFixture {
  readonly mfa: Mfa;
  readonly userId: string;
  /** Proves the password. @returns the token of the pending login. */
  readonly pending: () => Promise<string>;
  /** Enrols by a pending login and lets the code's step pass. */
  readonly enrolled: () => Promise<{ readonly enrolment: Enrolment; readonly login: Login }>;
  /** Logs in with both factors, and lets the code's step pass. */
  readonly loggedIn: (secret: string) => Promise<Login>;
  readonly tokenOf: (login: Login) => Promise<Parameters<Mfa["disable"]>[0]>;
}

/** A fixture with one account. @param roles Default: an administrator. */
export async function createMfaFixture(
  options: Partial<AuthOptions> = {},
  roles: readonly string[] = ["admin", "member"],
): Promise<MfaFixture> {
  const fixture = createFixture({ mfa: { keys: MFA_KEY }, ...options });
  const { auth, clock } = fixture;
  const mfa = mfaOf(auth);
  const account = valueOf(await auth.createAccount({ email: EMAIL, password: PASSWORD, roles, orgId: "org-1" }));
  const pending = async (): Promise<string> => {
    const login = await auth.login({ email: EMAIL, password: PASSWORD });
    if (login.kind !== "mfa_required") throw new Error(`not asked for a second factor: ${codeOf(login)}`);
    return login.challenge.token;
  };
  const nextStep = (): void => clock.advance(30_000);
  return {
    ...fixture,
    mfa,
    userId: account.id,
    pending,
    async enrolled() {
      const pendingToken = await pending();
      const enrolment = valueOf(await mfa.enroll({ pendingToken }));
      const login = valueOf(await mfa.verify({ pendingToken }, codeAt(enrolment.secret, clock.now())));
      nextStep();
      return { enrolment, login };
    },
    async loggedIn(secret: string) {
      const login = valueOf(await mfa.verify({ pendingToken: await pending() }, codeAt(secret, clock.now())));
      nextStep();
      return login;
    },
    tokenOf: async (login: Login) => valueOf(await auth.verifyAccessToken(login.tokens.accessToken)),
  };
}

export function mfaOf(auth: Auth): Mfa {
  if (auth.mfa === undefined) throw new Error("made without mfa");
  return auth.mfa;
}

type Json = Record<string, unknown>;

/** The routes of an auth, with one more of the application's own behind them. */
export function createMfaServer(auth: Auth) {
  const faults: unknown[] = [];
  const bodies: string[] = [];
  const handler = toFetchHandler(
    createApp({
      guards: [correlationId(), authenticate(auth, { required: false, mustChangePassword: "allow", mfa: "allow" })],
      routes: [...authRoutes(auth)],
      onFault: (fault) => faults.push(fault),
    }),
  );
  async function call(method: string, path: string, body?: unknown, credential?: string) {
    const response = await handler(
      new Request(`http://localhost/auth${path}`, {
        method,
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    bodies.push(text);
    return {
      status: response.status,
      cacheControl: response.headers.get("cache-control"),
      body: (text === "" ? {} : JSON.parse(text)) as Json,
    };
  }
  return { call, faults, bodies };
}
