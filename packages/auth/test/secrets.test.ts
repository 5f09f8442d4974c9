import { generateKeyPairSync } from "node:crypto";
import { ConfigurationError, createMemoryStore } from "@portcullis/core";
import { createAuth, createUserDirectory } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { createFixture, OLD_SECRET, PEPPER, SECRET, valueOf } from "./auth-fixture.js";

const build = (options: object): unknown => createFixture(options);

describe("AUTH-J3 key material is refused in place of a secret", () => {
  const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const der = publicKey.export({ type: "spki", format: "der" }).toString("base64");
  const jwk = JSON.stringify(publicKey.export({ format: "jwk" }));
  it.each([
    ["PEM", pem],
    ["PEM behind a byte order mark", `\uFEFF${pem}`],
    ["PEM behind white space", ` \n\t${pem}`],
    ["PEM behind other bytes", `\u0000junk${pem}`],
    ["DER in base64", der],
    ["DER behind white space", ` ${der}`],
    ["JWK", jwk],
    ["SSH key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDl3ZTRhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5"],
    ["certificate", "-----BEGIN CERTIFICATE-----MIIBszCCAVmgAwIBAgIUabcdefghij"],
  ])("%s", (_name, secrets) => {
    expect(() => build({ secrets })).toThrow(ConfigurationError);
    expect(() => build({ secrets: [secrets] })).toThrow(/PEM, JWK/);
  });
});

describe("AUTH-J4 weak secrets are refused at construction", () => {
  it.each([
    ["empty", ""],
    ["no entry", []],
    ["31 characters", "0123456789abcdefghijklmnopqrstu"],
    ["white space between commas", `${SECRET},   ,${OLD_SECRET}`],
    ["a trailing comma", `${SECRET},`],
    ["7 different characters", "abcdefg".repeat(6)],
    ["the same twice", `${SECRET},${SECRET}`],
    ["the same key with a zero byte, which HMAC pads away", [SECRET, `${SECRET}\0`]],
    ["white space around", `${SECRET}, ${OLD_SECRET}`],
    ["nine of them", Array.from({ length: 9 }, (_, index) => `${SECRET}${index}`)],
    ["missing", undefined],
    ["a number", 42],
    ["a list of numbers", [42]],
  ])("%s", (_name, secrets) => {
    expect(() => build({ secrets })).toThrow(ConfigurationError);
    expect(() => build({ apiKeyPeppers: secrets })).toThrow(ConfigurationError);
  });

  it("accepts exactly 32 characters with 8 different ones", () => {
    expect(() => build({ secrets: "abcdefgh".repeat(4) })).not.toThrow();
  });

  it("never shows a secret in the message", () => {
    for (const secrets of [`${SECRET},${SECRET}`, "hunter2-hunter2", `${SECRET},`]) {
      try {
        build({ secrets });
        expect.unreachable();
      } catch (error) {
        expect(String(error)).not.toContain("hunter2");
        expect(String(error)).not.toContain(SECRET);
      }
    }
  });

  it("a pepper that is also a secret is refused", () => {
    expect(() => build({ secrets: `${SECRET},${PEPPER}`, apiKeyPeppers: PEPPER })).toThrow(/apiKeyPeppers/);
  });
});

describe("rotation of secrets", () => {
  it("the first signs, all verify, a dropped one does not", async () => {
    const store = createMemoryStore();
    const users = createUserDirectory({ store });
    const before = createAuth({ store, users, secrets: OLD_SECRET, apiKeyPeppers: PEPPER });
    const { accessToken } = await before.createTokenPair({ userId: "ada", role: "member" });
    const during = createAuth({ store, users, secrets: `${SECRET},${OLD_SECRET}`, apiKeyPeppers: PEPPER });
    expect(valueOf(await during.verifyAccessToken(accessToken)).principal.id).toBe("ada");
    const fresh = await during.createTokenPair({ userId: "ada", role: "member" });
    const after = createAuth({ store, users, secrets: SECRET, apiKeyPeppers: PEPPER });
    expect(valueOf(await after.verifyAccessToken(fresh.accessToken)).principal.id).toBe("ada");
    expect((await after.verifyAccessToken(accessToken)).kind).toBe("denied");
  });
});

describe("options are checked at construction", () => {
  it.each([
    [{ sessions: { accessTtlMs: 999 } }, "sessions.accessTtlMs"],
    [{ sessions: { accessTtlMs: 3_600_000, refreshTtlMs: 3_599_999 } }, "sessions.refreshTtlMs"],
    [{ sessions: { max: -1 } }, "sessions.max"],
    [{ tokenCacheEntries: 0.5 }, "tokenCacheEntries"],
    [{ issuer: "" }, "issuer"],
    [{ lockout: { threshold: 0 } }, "lockout.threshold"],
    [{ lockout: { windowMs: Number.NaN } }, "lockout.windowMs"],
    [{ lockout: { durationMs: "1h" } }, "lockout.durationMs"],
    [{ passwords: { memoryKiB: 19_455 } }, "passwords.memoryKiB"],
    [{ passwords: { iterations: 1 } }, "passwords.iterations"],
    [{ passwords: { minLength: 7 } }, "passwords.minLength"],
    [{ passwords: { maxBytes: 63 } }, "passwords.maxBytes"],
    [{ passwords: { concurrency: 0 } }, "passwords.concurrency"],
    [{ passwords: { queueLength: -1 } }, "passwords.queueLength"],
    [{ apiKeys: { prefix: "a_b" } }, "apiKeys.prefix"],
    [{ apiKeys: { environment: "" } }, "apiKeys.environment"],
    [{ users: undefined }, "users"],
  ])("%j", (options, name) => {
    expect(() => build(options)).toThrow(new RegExp(`"${name.replace(".", "\\.")}"`));
  });

  it("no options at all", () => {
    // @ts-expect-error: JavaScript callers can
    expect(() => createAuth(undefined)).toThrow(ConfigurationError);
  });
});
