import { generateKeyPairSync, randomBytes } from "node:crypto";
import { ConfigurationError, createMemoryStore } from "@portcullis/core";
import { createAuth, createUserDirectory } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { createSecretRing } from "../src/jwt/secret-ring.js";
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

describe("AUTH-J3 whatever kind of key it is and however it got into the variable", () => {
  const pairs = {
    rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }),
    p256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
    p384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
    ed25519: generateKeyPairSync("ed25519"),
    x25519: generateKeyPairSync("x25519"),
  };
  const forms: [string, string | Buffer][] = Object.entries(pairs).flatMap(([kind, { publicKey, privateKey }]) => [
    [`${kind} public PEM`, publicKey.export({ type: "spki", format: "pem" })],
    [`${kind} private PEM`, privateKey.export({ type: "pkcs8", format: "pem" })],
    [`${kind} public DER`, publicKey.export({ type: "spki", format: "der" })],
    [`${kind} private DER`, privateKey.export({ type: "pkcs8", format: "der" })],
    [`${kind} public JWK`, JSON.stringify(publicKey.export({ format: "jwk" }))],
    [`${kind} private JWK`, JSON.stringify(privateKey.export({ format: "jwk" }), undefined, 2)],
  ]);
  forms.push(
    ["rsa PKCS#1 public PEM", pairs.rsa.publicKey.export({ type: "pkcs1", format: "pem" })],
    ["rsa PKCS#1 public DER", pairs.rsa.publicKey.export({ type: "pkcs1", format: "der" })],
    ["rsa PKCS#1 private DER", pairs.rsa.privateKey.export({ type: "pkcs1", format: "der" })],
    ["ec SEC1 DER", pairs.p256.privateKey.export({ type: "sec1", format: "der" })],
    ["JWK Set", JSON.stringify({ keys: [pairs.p256.publicKey.export({ format: "jwk" })] })],
    ["JWK with escapes", JSON.stringify(pairs.p256.publicKey.export({ format: "jwk" })).replace("kty", "\\u006bty")],
    ["certificate", "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUabcdefghij\n-----END CERTIFICATE-----"],
    ["SSH2", "---- BEGIN SSH2 PUBLIC KEY ----\nAAAAB3NzaC1yc2EAAAADAQABAAABgQC7\n---- END SSH2 PUBLIC KEY ----"],
    ["SSH in base64 only", "AAAAC3NzaC1lZDI1NTE5AAAAIDl3ZTRhYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5"],
  );
  const writings: [string, (form: string | Buffer) => string | undefined][] = [
    ["as text", (form) => (typeof form === "string" ? form : undefined)],
    ["as bytes in Latin-1", (form) => (typeof form === "string" ? undefined : form.toString("latin1"))],
    ["as bytes in UTF-8", (form) => (typeof form === "string" ? undefined : form.toString("utf8"))],
    ["in base64", (form) => Buffer.from(form as string).toString("base64")],
    ["in base64url", (form) => Buffer.from(form as string).toString("base64url")],
    ["in hexadecimal", (form) => (typeof form === "string" ? undefined : form.toString("hex"))],
    [
      "in UTF-16 read as Latin-1",
      (form) => (typeof form === "string" ? Buffer.from(`\uFEFF${form}`, "utf16le").toString("latin1") : undefined),
    ],
    [
      "in UTF-16 read as UTF-8",
      (form) => (typeof form === "string" ? Buffer.from(`\uFEFF${form}`, "utf16le").toString("utf8") : undefined),
    ],
    ["on one line", (form) => (typeof form === "string" ? form.replaceAll("\n", "\\n") : undefined)],
  ];
  const leading = ["", " ", "\n", "\r\n\t", "\uFEFF", "\u00EF\u00BB\u00BF", "\0", "\v\f", "\u00A0", "\u2028", "\uFEFF \uFEFF"];

  it.each(forms)("%s", (_name, form) => {
    for (const [writing, write] of writings) {
      const written = write(form);
      if (written === undefined) continue;
      for (const before of leading) {
        const given = before + written;
        expect(() => createSecretRing("secrets", [given]), `${writing} after ${JSON.stringify(before)}`).toThrow(ConfigurationError);
        expect(() => createSecretRing("secrets", given), `${writing} after ${JSON.stringify(before)}`).toThrow(ConfigurationError);
      }
    }
  });

  it("behind any single byte, where it is PEM, JWK or SSH", () => {
    for (const form of ["rsa public PEM", "ed25519 private PEM", "p256 public JWK", "SSH in base64 only"]) {
      const text = String(forms.find(([name]) => name === form)?.[1]);
      for (let byte = 0; byte < 256; byte += 1) {
        expect(() => createSecretRing("secrets", [String.fromCharCode(byte) + text])).toThrow(/PEM, JWK|well-formed/);
      }
    }
  });

  it("what random secrets look like is accepted", () => {
    for (let round = 0; round < 2000; round += 1) {
      const bytes = randomBytes(48);
      for (const encoding of ["base64", "base64url", "hex"] as const) {
        // The first bytes of DER, by chance: once in 400,000, and the message says to make another.
        const secret = bytes.toString(encoding);
        if (!secret.startsWith("M")) expect(() => createSecretRing("secrets", [secret])).not.toThrow();
      }
    }
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
    ["the same beyond a block, and its hash as text would be another", ["x".repeat(60) + SECRET, "x".repeat(60) + SECRET]],
    ["what is not well-formed text", [`${SECRET}\uD800`]],
    ["what was read in the wrong encoding", [`${SECRET}\uFFFD`]],
    ["a tab after it", [`${SECRET}\t`]],
    ["a byte order mark before it", [`\uFEFF${SECRET}`]],
    ["white space only", " ".repeat(40)],
    ["a comma only", ","],
    ["zero bytes only", ["\0".repeat(40)]],
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
