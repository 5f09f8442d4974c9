import { type AuthOptions, createAuth, createUserDirectory } from "@portcullis/auth";
import { ConfigurationError, createMemoryStore } from "@portcullis/core";
import { describe, expect, it } from "vitest";

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

describe("what createAuth is given", () => {
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

  it("says to the compiler whether there are second factors", async () => {
    // No `?.`: this line is the test.
    const status = await createAuth({ ...base, mfa: { keys: "a-sealing-key-0123456789-abcdefghijklmnop" } }).mfa.status("nobody");
    expect(status).toMatchObject({ kind: "denied", problem: { status: 404 } });
    expect(createAuth(base).mfa).toBeUndefined();
  });
});
