import { createMemoryStore } from "@portcullis/core";
import { createWebhooks, createWebhookSecret, verifyWebhookSignature } from "@portcullis/webhooks";
import { describe, expect, it } from "vitest";
import { fixture, inW1, register } from "./webhooks-fixture.js";

const problem = (code: number): object => expect.objectContaining({ name: "ProblemError", code });

describe("endpoints", () => {
  it("are registered, shown without their secret, changed, listed and removed", async () => {
    const { webhooks, receiver, store } = await fixture();
    const { endpoint, secret } = await webhooks.endpoints.register({
      ...inW1,
      url: receiver.url,
      eventTypes: ["user.created"],
      description: "CRM",
      headers: { "X-Tenant": "7" },
    });
    expect(endpoint).toMatchObject({
      workspaceId: "w1",
      url: receiver.url,
      eventTypes: ["user.created"],
      description: "CRM",
      enabled: true,
    });
    expect(JSON.stringify(endpoint)).not.toContain(secret);
    expect((await store.records.find("webhook-endpoints", { id: endpoint.id }))?.value).toContain(`sealed:${secret}`);
    const updated = await webhooks.endpoints.update(endpoint.id, "w1", { eventTypes: ["*"], enabled: false });
    expect(updated).toMatchObject({ eventTypes: ["*"], enabled: false, description: "CRM" });
    expect(await webhooks.endpoints.list({ ...inW1 })).toEqual({ endpoints: [updated], total: 1 });
    expect(await webhooks.endpoints.remove(endpoint.id, "w1")).toBe(true);
    expect(await webhooks.endpoints.remove(endpoint.id, "w1")).toBe(false);
    expect(await webhooks.endpoints.get(endpoint.id, "w1")).toBeUndefined();
  });

  it("another workspace's endpoint does not exist", async () => {
    const made = await fixture();
    const { id } = await register(made);
    const { endpoints } = made.webhooks;
    expect(await endpoints.get(id, "w2")).toBeUndefined();
    expect(await endpoints.remove(id, "w2")).toBe(false);
    await expect(endpoints.update(id, "w2", { enabled: false })).rejects.toEqual(problem(3001));
    await expect(endpoints.rotate(id, "w2")).rejects.toEqual(problem(3001));
  });

  it("what waits for a removed endpoint is dead-lettered", async () => {
    const made = await fixture();
    const { id } = await register(made);
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.endpoints.remove(id, "w1");
    await made.webhooks.drain();
    expect((await made.webhooks.deadLetters.list(inW1)).deliveries).toMatchObject([{ lastError: "endpoint_removed", attempts: 0 }]);
  });

  it("WH-S7 rotation signs with both until the old secret's time is over, then with the new one alone", async () => {
    const made = await fixture();
    const { id, secret: old } = await register(made);
    const { secret: fresh } = await made.webhooks.endpoints.rotate(id, "w1", { overlapMs: 60_000 });
    const send = async (): Promise<Record<string, string>> => {
      await made.webhooks.publish("user.created", {}, inW1);
      await made.webhooks.drain();
      return made.receiver.received.at(-1)?.headers as Record<string, string>; // none of them is sent twice
    };
    const isValid = (secret: string, headers: Record<string, string>): boolean =>
      verifyWebhookSignature({ secrets: [secret], headers, body: made.receiver.received.at(-1)?.body ?? "", now: made.clock.now() }).valid;
    made.clock.advance(59_999);
    const during = await send();
    expect([isValid(fresh, during), isValid(old, during), during["webhook-signature"]?.split(" ").length]).toEqual([true, true, 2]);
    made.clock.advance(1);
    const after = await send();
    expect([isValid(fresh, after), isValid(old, after), after["webhook-signature"]?.split(" ").length]).toEqual([true, false, 1]);
  });

  it.each([-1, 2_592_000_001, Number.NaN])("an overlap of %s ms is refused", async (overlapMs) => {
    const made = await fixture();
    const { id } = await register(made);
    await expect(made.webhooks.endpoints.rotate(id, "w1", { overlapMs })).rejects.toEqual(problem(2002));
  });

  it.each([
    { eventTypes: [] },
    { eventTypes: [""] },
    { eventTypes: ["a..b"] },
    { eventTypes: ["user.*"] },
    { description: "x".repeat(257) },
    { headers: { host: "elsewhere" } },
    { headers: { "Content-Length": "1" } },
    { headers: { "Transfer-Encoding": "chunked" } },
    { headers: { "WEBHOOK-ID": "x" } },
    { headers: { "X-Webhook-Signature": "x" } },
    { headers: { "x y": "1" } },
    { headers: { x: "1\r\nhost: elsewhere" } },
    { headers: { x: "\u00e5" } },
    { headers: { x: "y".repeat(1025) } },
    { headers: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`x${index}`, "1"])) },
  ])("WH-H4 %j is refused", async (wrong) => {
    const { webhooks, receiver } = await fixture();
    await expect(webhooks.endpoints.register({ ...inW1, url: receiver.url, eventTypes: ["*"], ...wrong })).rejects.toEqual(problem(2002));
    expect((await webhooks.endpoints.list(inW1)).total).toBe(0);
  });

  it("own headers are sent", async () => {
    const { webhooks, receiver } = await fixture();
    await webhooks.endpoints.register({ ...inW1, url: receiver.url, eventTypes: ["*"], headers: { Authorization: "Bearer x" } });
    await webhooks.publish("user.created", {}, inW1);
    await webhooks.drain();
    expect(receiver.received[0]?.headers.authorization).toBe("Bearer x");
  });

  it("a workspace has its most", async () => {
    const made = await fixture({ maxEndpointsPerWorkspace: 1 });
    await register(made);
    await expect(register(made)).rejects.toEqual(problem(4001));
  });

  it("WH-E7 a blocked address is refused when it is registered or changed to", async () => {
    const made = await fixture();
    const { id } = await register(made);
    await expect(made.webhooks.endpoints.register({ ...inW1, url: "https://10.0.0.1/", eventTypes: ["*"] })).rejects.toEqual(problem(7002));
    await expect(made.webhooks.endpoints.update(id, "w1", { url: "https://user@example.com/" })).rejects.toEqual(problem(7002));
  });

  it("WH-E7 rules that became stricter hold for endpoints registered before: dead-lettered, with one word for all reasons", async () => {
    const made = await fixture();
    await register(made);
    await made.webhooks.publish("user.created", {}, inW1);
    await made.another({ egress: {} }).drain();
    expect(made.receiver.received).toEqual([]);
    expect((await made.webhooks.deadLetters.list(inW1)).deliveries).toMatchObject([{ lastError: "egress_blocked", attempts: 1 }]);
  });

  it("WH-E7 an address that was put into the store past the checks is not called either", async () => {
    const made = await fixture();
    const { id } = await register(made);
    const record = await made.store.records.find("webhook-endpoints", { id });
    const value = record?.value.replace("http://", "http://user:password@") ?? "";
    await made.store.records.replace("webhook-endpoints", id, 1, value);
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    expect(made.receiver.received).toEqual([]);
    expect((await made.webhooks.deadLetters.list(inW1)).deliveries).toMatchObject([{ lastError: "egress_blocked" }]);
  });

  it("an endpoint of another version says so", async () => {
    const made = await fixture();
    await made.store.records.insert("webhook-endpoints", { id: "old", scope: "w1", value: '{"v":0}' });
    await expect(made.webhooks.endpoints.get("old", "w1")).rejects.toEqual(expect.objectContaining({ code: "unreadable_endpoint" }));
  });

  it("concurrent changes all count", async () => {
    const made = await fixture();
    const { id } = await register(made);
    const secrets = await Promise.all(Array.from({ length: 20 }, () => made.webhooks.endpoints.rotate(id, "w1")));
    expect(new Set(secrets.map(({ secret }) => secret)).size).toBe(20);
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    expect(String(made.receiver.received[0]?.headers["webhook-signature"]).split(" ")).toHaveLength(2);
  });
});

describe("construction", () => {
  const whole = { store: createMemoryStore(), sealSecret: (secret: string) => secret, openSecret: (sealed: string) => sealed };
  it.each([
    { sealSecret: undefined },
    { openSecret: undefined },
    { leaseMs: 39_999 },
    { leaseMs: Infinity },
    { timeoutMs: 999 },
    { concurrency: 0 },
    { perEndpoint: 1.5 },
    { pollMs: 99 },
    { maxReclaims: -1 },
    { maxPayloadBytes: 0 },
    { maxEndpointsPerWorkspace: Number.NaN },
    { retry: { retries: -1 } },
    { retry: { baseMs: 0 } },
    { retry: { baseMs: 2000, capMs: 1000 } },
    { retry: { maxRetryAfterMs: -1 } },
    { egress: { allow: ["x"] } },
    { egress: { connectTimeoutMs: 0 } },
  ])("WH-L1 refuses %j", (wrong) => {
    const options = { ...whole, ...wrong } as Parameters<typeof createWebhooks>[0];
    expect(() => createWebhooks(options)).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });

  it("WH-L1 takes a lease of exactly the timeout and ten seconds", () => {
    expect(() => createWebhooks({ ...whole, leaseMs: 40_000 })).not.toThrow();
  });

  it("new secrets are 32 random bytes", () => {
    const secret = createWebhookSecret();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(createWebhookSecret()).not.toBe(secret);
  });
});
