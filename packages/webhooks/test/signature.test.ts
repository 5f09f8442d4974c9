import { randomBytes } from "node:crypto";
import { createApp, defineRoute, toFetchHandler, createFacts } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import {
  createWebhookSecret,
  signWebhook,
  verifyWebhook,
  verifyWebhookSignature,
  webhookFact,
  type WebhookRefusal,
  type WebhookVerificationOptions,
} from "@portcullis/webhooks";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";

const secret = createWebhookSecret();
const other = createWebhookSecret();
const timestampSeconds = 1_893_456_000;
const now = timestampSeconds * 1000;
const body = '{"type":"a","data":"\u00e5\u2028"}';
const signed = { ...signWebhook({ id: "msg_1", timestampSeconds, body, secrets: [secret] }) };
const verify = (options: Partial<WebhookVerificationOptions> = {}): ReturnType<typeof verifyWebhookSignature> =>
  verifyWebhookSignature({ secrets: [secret], headers: signed, body, now, ...options });
const text = fc.string({ unit: "grapheme" });

describe("interoperation with another Standard Webhooks implementation", () => {
  it("what we sign, it accepts", () => {
    // It reads the machine's clock, and knows no other.
    const timestamp = Math.floor(Date.now() / 1000);
    fc.assert(
      fc.property(text, (data) => {
        const payload = JSON.stringify({ data });
        const headers = { ...signWebhook({ id: "msg_1", timestampSeconds: timestamp, body: payload, secrets: [other, secret] }) };
        expect(new Webhook(secret).verify(payload, headers)).toEqual({ data });
      }),
    );
  });

  it("what it signs, we accept, and a change of a character we do not", () => {
    fc.assert(
      fc.property(text, (data) => {
        const payload = JSON.stringify({ data });
        const headers = {
          "webhook-id": "msg_1",
          "webhook-timestamp": String(timestampSeconds),
          "webhook-signature": new Webhook(secret).sign("msg_1", new Date(now), payload),
        };
        expect(verify({ headers, body: payload })).toEqual({ valid: true, id: "msg_1", timestampSeconds });
        expect(verify({ headers, body: `${payload} ` })).toEqual({ valid: false, reason: "wrong_signature" });
      }),
    );
  });
});

describe("verification", () => {
  it("WH-S4 works on bytes, UTF-8 or not, of any framing of the headers", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const headers = { ...signWebhook({ id: "msg_1", timestampSeconds, body: bytes, secrets: [secret] }) };
        expect(verify({ headers, body: bytes }).valid).toBe(true);
        expect(verify({ headers: new Headers(headers), body: bytes }).valid).toBe(true);
        expect(verify({ headers, body: Buffer.concat([bytes, Buffer.from([0])]) }).valid).toBe(false);
      }),
    );
  });

  const hostile: readonly (readonly [string, Record<string, string | undefined>, WebhookRefusal])[] = [
    ["no id", { "webhook-id": undefined }, "missing_header"],
    ["no timestamp", { "webhook-timestamp": undefined }, "missing_header"],
    ["no signature", { "webhook-signature": undefined }, "missing_header"],
    ["another id", { "webhook-id": "msg_2" }, "wrong_signature"],
    ["an empty id", { "webhook-id": "" }, "malformed_id"],
    ["an id with a dot", { "webhook-id": "msg.1" }, "malformed_id"],
    ["an id that borrows the timestamp", { "webhook-id": `msg_1.${timestampSeconds}`, "webhook-timestamp": "1" }, "malformed_id"],
    ["an id with a space", { "webhook-id": "msg 1" }, "malformed_id"],
    ["an id that is too long", { "webhook-id": "x".repeat(257) }, "malformed_id"],
    ["another timestamp", { "webhook-timestamp": String(timestampSeconds + 1) }, "wrong_signature"],
    ["letters after the timestamp", { "webhook-timestamp": `${timestampSeconds}abc` }, "malformed_timestamp"],
    ["a fraction", { "webhook-timestamp": `${timestampSeconds}.9` }, "malformed_timestamp"],
    ["a space before", { "webhook-timestamp": ` ${timestampSeconds}` }, "malformed_timestamp"],
    ["a sign", { "webhook-timestamp": `+${timestampSeconds}` }, "malformed_timestamp"],
    ["a negative time", { "webhook-timestamp": "-1" }, "malformed_timestamp"],
    ["an exponent", { "webhook-timestamp": "1e9" }, "malformed_timestamp"],
    ["hexadecimal", { "webhook-timestamp": "0x70dbd880" }, "malformed_timestamp"],
    ["other digits", { "webhook-timestamp": "\u0661\u0662\u0663" }, "malformed_timestamp"],
    ["a leading zero, which is another text", { "webhook-timestamp": `0${timestampSeconds}` }, "wrong_signature"],
    ["thirteen digits", { "webhook-timestamp": "1893456000000" }, "malformed_timestamp"],
    ["an empty signature", { "webhook-signature": "" }, "malformed_signature"],
    ["no version", { "webhook-signature": signed["webhook-signature"].slice(3) }, "malformed_signature"],
    ["another version", { "webhook-signature": signed["webhook-signature"].replace("v1,", "v2,") }, "malformed_signature"],
    [
      "an asymmetric entry with our bytes",
      { "webhook-signature": signed["webhook-signature"].replace("v1,", "v1a,") },
      "malformed_signature",
    ],
    ["a truncated signature", { "webhook-signature": signed["webhook-signature"].slice(0, -2) }, "malformed_signature"],
    ["no padding", { "webhook-signature": signed["webhook-signature"].slice(0, -1) }, "malformed_signature"],
    ["commas between entries", { "webhook-signature": `v1,${"A".repeat(43)}=,${signed["webhook-signature"]}` }, "malformed_signature"],
    ["zeros", { "webhook-signature": `v1,${"A".repeat(43)}=` }, "wrong_signature"],
    [
      "a right signature in a header that is too long",
      { "webhook-signature": `${signed["webhook-signature"]} ${"x".repeat(4096)}` },
      "malformed_signature",
    ],
    ["a header that is too long", { "webhook-signature": `${"x ".repeat(2048)}${signed["webhook-signature"]}` }, "malformed_signature"],
    [
      "the right one as the eleventh",
      { "webhook-signature": `${`v1,${"A".repeat(43)}= `.repeat(10)}${signed["webhook-signature"]}` },
      "wrong_signature",
    ],
  ];
  it.each(hostile)("WH-S2 WH-S3 refuses %s", (_name, headers, reason) => {
    expect(verify({ headers: { ...signed, ...headers } })).toEqual({ valid: false, reason });
  });

  it("WH-S2 takes the right one among ten", () => {
    expect(
      verify({ headers: { ...signed, "webhook-signature": `${`v1,${"A".repeat(43)}= `.repeat(9)}${signed["webhook-signature"]}` } }).valid,
    ).toBe(true);
  });

  it("WH-S3 tolerates exactly 300 s both ways", () => {
    expect([-301, -300, 0, 300, 301].map((seconds) => verify({ now: now + seconds * 1000 }))).toMatchObject([
      { reason: "too_new" },
      { valid: true },
      { valid: true },
      { valid: true },
      { reason: "too_old" },
    ]);
    expect(verify({ now: now + 2000, toleranceSeconds: 1 })).toMatchObject({ reason: "too_old" });
  });

  it("WH-S7 accepts any of the secrets that are valid now", () => {
    expect(verify({ secrets: [other, secret] }).valid).toBe(true);
    expect(verify({ secrets: [other] })).toEqual({ valid: false, reason: "wrong_signature" });
  });

  it("WH-S6 refuses a signature over the body alone, unless told otherwise, and prefers the timestamped one", () => {
    const headers = { "x-webhook-signature": signed["x-webhook-signature"] };
    expect(verify({ headers })).toEqual({ valid: false, reason: "missing_header" });
    expect(verify({ headers, bodyOnly: "accepted", now: 0 })).toEqual({ valid: true, id: undefined, timestampSeconds: undefined });
    expect(verify({ headers, bodyOnly: "accepted", body: `${body} ` })).toEqual({ valid: false, reason: "wrong_signature" });
    expect(verify({ headers: {}, bodyOnly: "accepted" })).toEqual({ valid: false, reason: "missing_header" });
    expect(verify({ headers: { "x-webhook-signature": headers["x-webhook-signature"].toUpperCase() }, bodyOnly: "accepted" })).toEqual({
      valid: false,
      reason: "malformed_signature",
    });
    expect(verify({ headers: { ...signed, "webhook-id": "msg_2" }, bodyOnly: "accepted" })).toEqual({
      valid: false,
      reason: "wrong_signature",
    });
  });

  it.each([
    "",
    "whsec_",
    "whsec_AA==",
    `whsec_${Buffer.alloc(23).toString("base64")}`,
    `whsec_${Buffer.alloc(65).toString("base64")}`,
    "your-secret-key",
    `v1,${secret}`,
    secret.slice(6),
    `whsec_${"!".repeat(44)}`,
    `whpk_${secret.slice(6)}`,
    `whsk_${secret.slice(6)}`,
    `${secret} `,
    secret.replace("=", ""),
  ])("WH-S5 %j is no secret, to sign or to verify", (weak) => {
    const refusal = expect.objectContaining({ name: "WebhookError", code: "invalid_secret" }) as object;
    expect(() => signWebhook({ id: "msg_1", timestampSeconds, body, secrets: [weak] })).toThrow(refusal);
    expect(() => verify({ secrets: [weak] })).toThrow(refusal);
    expect(() => verifyWebhook({ secrets: [weak] })).toThrow(refusal);
  });

  it("WH-S5 the message about a secret never holds it", () => {
    const weak = `whsec_${randomBytes(8).toString("hex")}`;
    expect(() => verifyWebhook({ secrets: [weak] })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(weak.slice(6)) as string }),
    );
  });

  it.each([24, 64])("WH-S5 %i bytes are a secret", (size) => {
    expect(() => verify({ secrets: [`whsec_${randomBytes(size).toString("base64")}`] })).not.toThrow();
  });

  it("mistakes of the program are thrown, not verified", () => {
    expect(() => verify({ secrets: [] })).toThrow(TypeError);
    expect(() => verify({ toleranceSeconds: Number.NaN })).toThrow(TypeError);
    // Nothing is older than NaN: a message captured once would be valid for ever.
    expect(() => verify({ now: Number.NaN })).toThrow(TypeError);
    expect(() => verify({ now: undefined as never })).toThrow(TypeError);
    expect(() => signWebhook({ id: "a.b", timestampSeconds, body, secrets: [secret] })).toThrow(TypeError);
    expect(() => signWebhook({ id: "a", timestampSeconds: 1.5, body, secrets: [secret] })).toThrow(TypeError);
    expect(() => signWebhook({ id: "a", timestampSeconds, body, secrets: [] })).toThrow(TypeError);
  });
});

describe("the guard", () => {
  const refusals: (string | undefined)[] = [];
  const clock = createManualClock(now);
  const guard = verifyWebhook({ secrets: [secret], clock, onRefused: ({ reason }) => void refusals.push(reason) });
  const route = defineRoute({
    method: "POST",
    path: "/hooks",
    operationId: "hooks",
    summary: "Receives",
    guards: [guard],
    handle: async (request, { facts }) =>
      Response.json({ id: facts.get(webhookFact)?.id, sentAt: facts.get(webhookFact)?.sentAt, body: await request.text() }),
  });
  const handler = toFetchHandler(createApp({ routes: [route] }));
  const post = (headers: Record<string, string>, content = body): Promise<Response> =>
    handler(new Request("http://localhost/hooks", { method: "POST", headers, body: content }));

  it("lets a signed message through, with its bytes intact", async () => {
    expect(await (await post(signed)).json()).toEqual({ id: "msg_1", sentAt: now, body });
  });

  it("answers 401 to everything else, and says why to us only", async () => {
    const response = await post(signed, `${body} `);
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain("wrong_signature");
    expect(refusals.at(-1)).toBe("wrong_signature");
    expect((await post({})).status).toBe(401);
    expect((await post(signed, "x".repeat(1_048_577))).status).toBe(413);
  });

  it("keeps what was verified from those who come after it", async () => {
    const bytes = Buffer.from(body);
    const line = { method: "POST", target: "/", route: "/", ip: undefined, clientCertificate: undefined, facts: createFacts() };
    const unused = { param: () => undefined, removeHeader: () => {} };
    const headers: Record<string, string> = signed;
    const read = { header: (name: string) => headers[name], headerCount: () => 1, rawBody: () => Promise.resolve(bytes) };
    const request = { ...line, ...unused, ...read };
    expect(await guard.check(request)).toEqual({ kind: "allow" });
    bytes.fill(0);
    expect(Buffer.from(request.facts.get(webhookFact)?.body ?? []).toString()).toBe(body);
  });

  it("refuses a field sent twice", async () => {
    const line = {
      method: "POST",
      target: "/",
      route: "/",
      ip: undefined,
      clientCertificate: undefined,
      facts: createFacts(),
      param: () => undefined,
      removeHeader: () => {},
      rawBody: () => Promise.resolve(new Uint8Array()),
    };
    const request = { ...line, header: () => "a, b", headerCount: (name: string) => (name === "webhook-signature" ? 2 : 1) };
    expect(await guard.check(request)).toMatchObject({ kind: "deny", problem: { status: 401 } });
    expect(refusals.at(-1)).toBe("repeated_header");
  });

  it.each([{ secrets: [] }, { secrets: undefined }, { toleranceSeconds: 0 }, { toleranceSeconds: 3601 }, { maxBodyBytes: 0 }])(
    "refuses %j at construction",
    (wrong) => {
      const options = { secrets: [secret], ...wrong } as unknown as Parameters<typeof verifyWebhook>[0];
      expect(() => verifyWebhook(options)).toThrow(expect.objectContaining({ code: "invalid_option" }));
    },
  );
});
