import { readFileSync } from "node:fs";
import { createMemoryStore } from "@portcullis/core";
import type { AuditEventInput } from "@portcullis/audit";
import { describe, expect, it } from "vitest";
import { ADA, auditOver, createEditableLog, gather, NAME, textOf } from "./fixture.js";
import { vectorFolder } from "./vector-folder.js";

const EVENT = { category: "data", action: "data.read", outcome: "success", actor: ADA } as const satisfies AuditEventInput;

async function stored(
  input: Partial<AuditEventInput>,
  redact: { readonly keys?: readonly string[]; readonly allow?: readonly string[] } = {},
) {
  const log = createEditableLog();
  const audit = auditOver(log, { redact });
  await audit.append({ ...EVENT, ...input });
  const text = textOf(log.books.get(NAME)?.entries[0]);
  const { entries } = await audit.query();
  return { text, event: entries[0]?.event, verdict: (await audit.verify()).verdict };
}

describe("AUD-21 what is stored holds no secret", () => {
  // Thirty places a secret can hide in; each is a canary that must not be found.
  const canary = (n: number): string => `canary${String(n).padStart(2, "0")}Xq7`;
  const places: readonly ((secret: string) => Partial<AuditEventInput>)[] = [
    (secret) => ({ details: { password: secret } }),
    (secret) => ({ details: { user: { credentials: { deep: [{ newPassword: secret }] } } } }),
    (secret) => ({ details: { list: [{ api_key: secret }] } }),
    (secret) => ({ details: { "X-Api-Key": secret } }),
    (secret) => ({ details: { headers: { Authorization: `Bearer ${secret}` } } }),
    (secret) => ({ details: { headers: new Headers({ cookie: `a=b; sid=${secret}` }) } }),
    (secret) => ({ details: { headers: [["set-cookie", `sid=${secret}; HttpOnly`]] } }),
    (secret) => ({ details: { CLIENT_SECRET: secret } }),
    (secret) => ({ details: { refreshToken: secret } }),
    (secret) => ({ details: { "access-token": [secret] } }),
    (secret) => ({ details: { target: `/login?user=ada&password=${secret}&x=1` } }),
    (secret) => ({ details: { target: `/cb?access%5Ftoken=${secret}` } }),
    (secret) => ({ details: { url: new URL(`https://ada:${secret}@example.com/`) } }),
    (secret) => ({ details: { body: JSON.stringify({ a: { secret } }) } }),
    (secret) => ({ details: { body: JSON.stringify({ inner: JSON.stringify({ token: secret }) }) } }),
    (secret) => ({ details: { body: `{"password":"${secret}", cut` } }),
    (secret) => ({ details: new Map([["password", secret]]) }),
    (secret) => ({ details: { set: new Set([{ passphrase: secret }]) } }),
    (secret) => ({ details: Object.assign(new Error(`login failed: password=${secret}`), { token: secret }) }),
    (secret) => ({ details: new Error("outer", { cause: new Error(`Authorization: Basic ${secret}`) }) }),
    (secret) => ({
      details: new (class Login {
        readonly password = secret;
      })(),
    }),
    (secret) => ({ details: new URLSearchParams({ token: secret }) }),
    (secret) => ({ details: { jwt: `x eyJhbGciOiJIUzI1NiJ9.${secret}.${secret}` } }),
    (secret) => ({ details: { key: `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----` } }),
    (secret) => ({ reason: `the token: ${secret} was refused` }),
    (secret) => ({ reason: `sent Bearer ${secret}` }),
    (secret) => ({ userAgent: `curl/8 (api-key=${secret})` }),
    (secret) => ({ target: { type: "url", id: `/reset?token=${secret}` } }),
    (secret) => ({ details: { ["password=" + secret]: 1 } }),
    (secret) => ({ details: { "Proxy-Authorization": secret, otp: secret, pin: Number(secret.slice(6, 8)) } }),
  ];

  it.each(places.map((place, index) => [index, place] as const))("canary %i", async (index, place) => {
    const secret = canary(index);
    const { text, event, verdict } = await stored(place(secret));
    expect(text).not.toContain(secret);
    expect(text).toContain("[redacted]");
    expect(event?.redacted?.length ?? text.includes("[redacted]=")).toBeTruthy();
    expect(verdict).toBe("intact");
  });

  it("AUD-21 nor do an export, a page or an error", async () => {
    const audit = auditOver(createMemoryStore().log);
    for (const [index, place] of places.entries()) await audit.append({ ...EVENT, ...place(canary(index)) });
    const outputs = [
      await gather(audit.exportJson()),
      await gather(audit.exportNdjson()),
      await gather(audit.exportCsv()),
      JSON.stringify(await audit.query({}, { limit: 1000 })),
    ];
    for (const text of outputs) expect(text).not.toMatch(/canary\d\d/);
  });

  it("lists where it redacted", async () => {
    const { event } = await stored({ reason: "password=x", details: { a: [{ token: "t" }], "b/c": { cookie: "x" }, ok: "fine" } });
    expect(event?.redacted).toEqual(["/reason", "/details/a/0/token", "/details/b~1c/cookie"]);
    expect(event?.details).toEqual({ a: [{ token: "[redacted]" }], "b/c": { cookie: "[redacted]" }, ok: "fine" });
  });

  it("keeps what an audit trail is for", async () => {
    const details = {
      apiKeyId: "k1",
      tokenVersion: 3,
      hasPassword: true,
      token: null,
      note: "basic knowledge: the author key=value",
      url: "/a?b=c&d=e",
      tokens: 12,
    };
    const { event } = await stored({ details, reason: "password was wrong" });
    expect(event).toMatchObject({ details, reason: "password was wrong" });
    expect(event?.redacted).toBeUndefined();
  });

  it("knows further names, and keeps those it is told to", async () => {
    const details = { tax_number: "1", taxNumber: "2", taxNumberKind: "3", tokenHint: "4" };
    const { event } = await stored({ details }, { keys: ["taxNumber"], allow: ["token-hint"] });
    expect(event?.details).toEqual({ tax_number: "[redacted]", taxNumber: "[redacted]", taxNumberKind: "3", tokenHint: "4" });
  });
});

describe("AUD-22 hostile details become a bounded event", () => {
  const cycle: Record<string, unknown> = { name: "cycle" };
  cycle.self = cycle;
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  let deep: unknown = "bottom";
  for (let depth = 0; depth < 1000; depth += 1) deep = { deep };
  const throwing = Object.defineProperty({ ok: 1 }, "bad", {
    enumerable: true,
    get: () => {
      throw new Error("no");
    },
  });

  it.each([
    ["a cycle", cycle, "[circular]"],
    ["a getter that throws", throwing, "[unreadable]"],
    ["a revoked proxy", { proxy }, "[proxy]"],
    ["toJSON that lies", { toJSON: () => "nothing happened", amount: 7 }, '"amount":7'],
    ["ten million characters", "x".repeat(1e7), "…"],
    ["a hundred thousand keys", Object.fromEntries(Array.from({ length: 1e5 }, (_, n) => [`k${n}`, n])), '"k0":0'],
    ["a long list", Array.from({ length: 1e5 }, () => "x"), '"x"'],
    ["a thousand levels", deep, "[truncated]"],
    ["long names", { ["n".repeat(1e6)]: 1 }, "nnn"],
    ["functions and symbols", { f: () => 1, s: Symbol("s") }, "[function]"],
    ["numbers that JSON has not", { n: Number.NaN, i: -Infinity, z: -0, b: 2n ** 70n }, '"n":"NaN"'],
    ["bytes", { b: Buffer.alloc(9), a: new ArrayBuffer(3), d: new Date(Number.NaN) }, "[9 bytes]"],
    ["maps by object", new Map([[{}, 1]]), "[object]"],
    ["__proto__", JSON.parse('{"__proto__":{"x":1}}'), '"__proto__":{"x":1}'],
    ["a symbol for an iterator", { [Symbol.iterator]: 1, x: 2 }, '"x":2'],
    ["a map that breaks while it is read", brokenMap(), "[unreadable]"],
    ["lone surrogates", { s: "\ud800" }, "\\ud800"],
  ])("%s", async (_what, details, expected) => {
    const { text, event, verdict } = await stored({ details });
    expect(text).toContain(expected);
    expect(text.length).toBeLessThan(200_000);
    expect(event).toBeDefined();
    expect(verdict).toBe("intact");
  });

  it("says where it cut", async () => {
    expect((await stored({ details: { a: { long: "x".repeat(10_000) } } })).event?.truncated).toEqual(["/details/a/long"]);
    expect((await stored({ reason: "x".repeat(10_000), userAgent: "x".repeat(10_000) })).event?.truncated).toEqual([
      "/reason",
      "/userAgent",
    ]);
  });

  it("a secret at the cut is not cut open", async () => {
    const { text } = await stored({ details: `${"x ".repeat(2040)}password=${"s3cret".repeat(2000)}` });
    expect(text).not.toContain("s3cret");
  });

  it("takes no more than a moment for text made to slow patterns down", async () => {
    const texts = [
      "=".repeat(1e5),
      `${"a".repeat(64)}=`.repeat(1000),
      '"'.repeat(1e5),
      "://".repeat(3e4),
      `eyJ${"a.".repeat(5e4)}`,
      "-----BEGIN PRIVATE KEY-----".repeat(3000),
      "a:".repeat(5e4),
      `Bearer ${" ".repeat(1e5)}`,
    ];
    const startedAt = performance.now();
    for (const details of texts) await stored({ details });
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });
});

function brokenMap(): Map<string, string> {
  const map = new Map([["a", "b"]]);
  map[Symbol.iterator] = () => {
    throw new Error("no");
  };
  return map;
}

const payloads = vectorFolder("csv-injection/payloads.json");
if (payloads !== undefined) {
  const { logInjection } = JSON.parse(readFileSync(payloads, "utf8")) as { readonly logInjection: readonly string[] };
  describe("AUD-23 one event is one line", () => {
    it.each(logInjection)("%j shows escaped, and is read back as it was", async (payload) => {
      const { text, event } = await stored({ reason: payload, details: { payload } });
      expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\p{Surrogate}/u);
      expect(event?.reason).toBe(payload);
      expect(event?.details).toEqual({ payload });
    });
  });
}
