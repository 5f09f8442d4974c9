// A name that nobody reads would leave open what it was to close.
import { ConfigurationError, problems } from "@portcullis/core";
import { authenticate, authenticateSystem, authRoutes, createAccountMail, createSocketTickets } from "@portcullis/auth";
import { createOAuth, oidc } from "@portcullis/auth/oauth";
import { afterEach, describe, expect, it } from "vitest";
import { createFixture, requestOf } from "./auth-fixture.js";
import { MFA_KEY } from "./mfa-fixture.js";

const { auth } = createFixture({ cookies: {} });
const letter = (): void => {};
const base = {
  auth,
  providers: { acme: oidc({ issuer: "https://login.acme.example", clientId: "portcullis" }) },
  baseUrl: "https://api.example.com",
  redirects: { allow: ["/login"], default: "/login" },
  delivery: "code",
  onUnknown: "refuse",
} as const;

describe("an option that is misspelt is refused and named", () => {
  it.each<readonly [string, () => unknown]>([
    ["session", () => createFixture({ session: { max: 1 } } as object)],
    ["maxSessions", () => createFixture({ sessions: { maxSessions: 1 } } as object)],
    ["treshold", () => createFixture({ lockout: { treshold: 3 } } as object)],
    ["minimumLength", () => createFixture({ passwords: { minimumLength: 20 } } as object)],
    ["staleness", () => createFixture({ revocation: { staleness: 0 } } as object)],
    ["pepper", () => createFixture({ apiKeys: { pepper: "x" } } as object)],
    ["requiredRole", () => createFixture({ mfa: { keys: MFA_KEY, requiredRole: ["staff"] } } as object)],
    ["treshold", () => createFixture({ mfa: { keys: MFA_KEY, lockout: { treshold: 3 } } } as object)],
    ["trustedOrigin", () => createFixture({ cookies: { trustedOrigin: [] } } as object)],
    ["sessions", () => createFixture({ cookies: { names: { sessions: "sid" } } } as object)],
    ["require", () => authenticate(auth, { required: true, require: "mfa" } as { required: boolean })],
    ["audiences", () => authenticateSystem(auth, { audience: "api", audiences: [] } as { audience: string })],
    ["registrations", () => authRoutes(auth, { registrations: {} } as object)],
    ["origin", () => createSocketTickets({ auth, origins: [], origin: "x" } as { auth: typeof auth; origins: [] })],
    [
      "letterPerHour",
      () => createAccountMail({ auth, deliver: { passwordReset: letter, emailVerification: letter }, letterPerHour: 1 } as never),
    ],
    ["autolink", () => createOAuth({ ...base, autolink: "never" } as typeof base)],
  ])("%s", (name, make) => {
    expect(make).toThrow(ConfigurationError);
    expect(make).toThrow(`"${name}"`);
  });
});

describe("an option that the prototype of all objects has", () => {
  afterEach(() => {
    for (const name of ["csrf", "mfa", "mustChangePassword"]) delete (Object.prototype as Record<string, unknown>)[name];
  });

  it("opens no guard", async () => {
    Object.assign(Object.prototype, { csrf: "skip", mfa: "allow", mustChangePassword: "allow" });
    const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member", mustChangePassword: true });
    const guard = authenticate(auth, { required: true });
    const verdict = await guard.check(requestOf({ authorization: `Bearer ${accessToken}` }));
    expect(verdict).toMatchObject({ kind: "deny", problem: { code: problems.passwordChangeRequired().code } });
  });
});
