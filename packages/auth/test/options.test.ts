import { type AuthOptions, createAuth, createUserDirectory } from "@portcullis/auth";
import { createOAuth, github } from "@portcullis/auth/oauth";
import { ConfigurationError, createMemoryStore } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { createFixture } from "./auth-fixture.js";

const message = (make: () => unknown): string => {
  try {
    make();
  } catch (error) {
    if (error instanceof ConfigurationError && error.code === "invalid_option") return error.message;
    throw error;
  }
  return "accepted";
};
const base = {
  users: createUserDirectory({ store: createMemoryStore() }),
  secrets: "a-signing-secret-0123456789-abcdefghijkl",
  apiKeyPeppers: "a-key-pepper-0123456789-abcdefghijklmnop",
} satisfies AuthOptions;
const KEYS = "a-sealing-key-0123456789-abcdefghijklmnop";

describe("what createAuth is given", () => {
  // JavaScript has no compiler that would say so, and the protection would silently stay as it is by default.
  it.each([
    ["createAuth", { cookie: {} }, "cookie"],
    ["sessions", { sessions: { accessTtl: 60_000 } }, "accessTtl"],
    ["revocation", { revocation: { staleness: 0 } }, "staleness"],
    ["lockout", { lockout: { treshold: 3 } }, "treshold"],
    ["passwords", { passwords: { breached: () => true } }, "breached"],
    ["apiKeys", { apiKeys: { env: "test" } }, "env"],
    ["cookies", { cookies: { trustedOrigin: [] } }, "trustedOrigin"],
    ["cookies.names", { cookies: { names: { sid: "sid" } } }, "sid"],
    ["mfa", { mfa: { keys: KEYS, roles: ["admin"] } }, "roles"],
    ["mfa.lockout", { mfa: { keys: KEYS, lockout: { limit: 3 } } }, "limit"],
  ])("is refused where %s has a name that nobody reads", (where, wrong, name) => {
    expect(message(() => createAuth({ ...base, ...wrong } as AuthOptions))).toContain(`${where} has no option "${name}"; it takes `);
  });

  it("is refused where something is no store, clock or function, before the first login finds out", () => {
    const given = (wrong: Record<string, unknown>): string => message(() => createAuth({ ...base, ...wrong }));
    for (const store of ["memory", {}, null]) expect(given({ store })).toContain('Option "store" is');
    expect(given({ store: { ...createMemoryStore(), apiKeys: undefined } })).toContain("it lacks apiKeys");
    for (const clock of [{}, () => 0, null]) expect(given({ clock })).toContain('Option "clock" is');
    for (const name of ["onEvent", "random"]) expect(given({ [name]: {} })).toContain(`Option "${name}" is`);
    for (const metrics of [{}, null]) expect(given({ metrics })).toContain('Option "metrics" is');
    for (const options of [undefined, {}])
      expect(message(() => createUserDirectory(options as never))).toContain('Option "store" is missing');
    expect(given({ secrets: undefined })).toContain("openssl rand -base64 48");
  });

  it("is refused by createOAuth as well", () => {
    const wrong = {
      auth: createFixture().auth,
      providers: { github: github({ clientId: "id", clientSecret: "secret" }) },
      baseUrl: "https://api.example.com",
      redirects: { allow: ["https://app.example.com/in"], default: "https://app.example.com/in" },
      delivery: "code",
      onUnknown: "refuse",
    } as const;
    expect(message(() => createOAuth(wrong))).toBe("accepted");
    expect(message(() => createOAuth({ ...wrong, autolink: "never" } as typeof wrong))).toContain('createOAuth has no option "autolink"');
  });
});
