import { createMemoryStore, StoreUnavailable, type Outbox } from "@portcullis/core";
import { createWebhooks, createWebhookSecret } from "@portcullis/webhooks";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { fixture, inW1, register } from "./webhooks-fixture.js";

const webhookError = (code: string): object => expect.objectContaining({ name: "WebhookError", code });
const problem = (code: number): object => expect.objectContaining({ name: "ProblemError", code });

describe("publish", () => {
  it("WH-Q9 fans out to fifty endpoints in one step", async () => {
    const memory = createMemoryStore();
    const batches: number[] = [];
    const outbox: Outbox = {
      ...memory.outbox,
      enqueue: (rows) => {
        batches.push(rows.length);
        return memory.outbox.enqueue(rows);
      },
    };
    const made = await fixture({ store: { ...memory, outbox } });
    for (let index = 0; index < 50; index += 1) await register(made, `/${index}`);
    const states = await made.webhooks.publish("user.created", {}, inW1);
    expect(batches).toEqual([50]);
    expect(new Set(states.map(({ deliveryId }) => deliveryId)).size).toBe(50);
    await made.webhooks.drain();
    expect(new Set(made.receiver.received.map(({ path }) => path)).size).toBe(50);
  });

  it("WH-Q9 queues for none when the store fails", async () => {
    const memory = createMemoryStore();
    const outbox: Outbox = {
      ...memory.outbox,
      enqueue: () => {
        throw new StoreUnavailable("outbox.enqueue");
      },
    };
    const made = await fixture({ store: { ...memory, outbox } });
    await register(made);
    await expect(made.webhooks.publish("user.created", {}, inW1)).rejects.toBeInstanceOf(StoreUnavailable);
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toEqual([]);
  });

  it("reaches the enabled endpoints of the workspace that want the event, and no others", async () => {
    const { webhooks, receiver } = await fixture();
    const add = async (workspaceId: string, eventTypes: readonly string[]): Promise<string> =>
      (await webhooks.endpoints.register({ workspaceId, url: receiver.url, eventTypes })).endpoint.id;
    const all = await add("w1", ["*"]);
    const exact = await add("w1", ["other", "user.created"]);
    await add("w1", ["user"]);
    await add("w2", ["*"]);
    const off = await add("w1", ["*"]);
    await webhooks.endpoints.update(off, "w1", { enabled: false });
    const states = await webhooks.publish("user.created", {}, { ...inW1, deliveryId: "evt-1" });
    expect(states.map(({ deliveryId }) => deliveryId).sort()).toEqual([`evt-1_${all}`, `evt-1_${exact}`].sort());
  });

  it("WH-Q4 the same id again is harmless, also after delivery and for endpoints added since; other content is refused whole", async () => {
    const made = await fixture();
    await register(made);
    const options = { ...inW1, deliveryId: "evt-1" };
    await made.webhooks.publish("user.created", { id: 1 }, options);
    await made.webhooks.drain();
    await register(made, "/new");
    made.clock.advance(60_000);
    const again = await made.webhooks.publish("user.created", { id: 1 }, options);
    expect(again.map(({ status }) => status).sort()).toEqual(["DELIVERED", "PENDING"]);
    await made.webhooks.drain();
    expect(made.receiver.received.map(({ path }) => path)).toEqual(["/hooks", "/hooks/new"]);
    expect(made.receiver.received[1]?.body).toEqual(made.receiver.received[0]?.body);
    await register(made, "/third");
    await expect(made.webhooks.publish("user.created", { id: 2 }, options)).rejects.toEqual(webhookError("delivery_conflict"));
    await expect(made.webhooks.publish("user.created", { id: 1 }, { ...options, occurredAt: 0 })).rejects.toEqual(
      webhookError("delivery_conflict"),
    );
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toHaveLength(2);
  });

  it("WH-Q4 of one hundred concurrent publishes of one id one delivery is made", async () => {
    const made = await fixture();
    await register(made);
    await Promise.all(
      Array.from({ length: 100 }, () => made.webhooks.publish("user.created", { id: 1 }, { ...inW1, deliveryId: "evt-1" })),
    );
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toHaveLength(1);
  });

  it("WH-Q6 WH-S1 refuses before it queues what cannot be sent", async () => {
    const made = await fixture({ maxPayloadBytes: 100 });
    await register(made);
    const circular: { self?: unknown } = {};
    circular.self = circular;
    for (const payload of [1n, circular, { a: 1n }, undefined, () => 1, Symbol("x"), { toJSON: () => undefined }]) {
      await expect(made.webhooks.publish("user.created", payload, inW1)).rejects.toEqual(webhookError("payload_not_json"));
    }
    await expect(made.webhooks.publish("user.created", "x".repeat(100), inW1)).rejects.toEqual(webhookError("payload_too_large"));
    for (const type of ["", "a..b", "a b", "a.", "x".repeat(129)]) {
      await expect(made.webhooks.publish(type, {}, inW1)).rejects.toEqual(webhookError("unknown_event"));
    }
    for (const deliveryId of ["", "a.b", "a b", "x".repeat(129)]) {
      await expect(made.webhooks.publish("user.created", {}, { ...inW1, deliveryId })).rejects.toEqual(
        expect.objectContaining({ code: "invalid_option" }),
      );
    }
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toEqual([]);
  });

  it("a catalogue types and checks the payload, and names fields, not values", async () => {
    const webhooks = createWebhooks({
      store: createMemoryStore(),
      events: { "user.created": z.object({ id: z.string(), at: z.number().default(0) }) },
      sealSecret: (secret) => secret,
      openSecret: (sealed) => sealed,
    });
    await webhooks.endpoints.register({ ...inW1, url: "https://example.com/", eventTypes: ["*"] });
    expect(await webhooks.publish("user.created", { id: "u1" }, inW1)).toHaveLength(1);
    // @ts-expect-error the id is a string
    const wrong = webhooks.publish("user.created", { id: 5 }, inW1);
    await expect(wrong).rejects.toEqual(
      expect.objectContaining({ code: "invalid_payload", message: expect.stringContaining("at: id") as string }),
    );
    // @ts-expect-error there is no such event
    await expect(webhooks.publish("user.deleted", {}, inW1)).rejects.toEqual(webhookError("unknown_event"));
    // @ts-expect-error nor is this one, which every object has
    await expect(webhooks.publish("constructor", {}, inW1)).rejects.toEqual(webhookError("unknown_event"));
  });
});

describe("deliver", () => {
  const secret = createWebhookSecret();

  it("sends to an address given with it, and keeps the endpoint under its id", async () => {
    const { webhooks, receiver } = await fixture();
    const message = { webhookId: "wh-1", eventType: "debate.end", payload: { id: 1 }, url: receiver.url, secret };
    expect(await webhooks.deliver({ ...message, deliveryId: "d-1" })).toEqual({ deliveryId: "d-1", status: "PENDING" });
    expect(await webhooks.deliver({ ...message, deliveryId: "d-1" })).toEqual({ deliveryId: "d-1", status: "PENDING" });
    await webhooks.drain();
    expect(await webhooks.deliver({ ...message, deliveryId: "d-1" })).toEqual({ deliveryId: "d-1", status: "DELIVERED" });
    await webhooks.deliver({ ...message, url: `${receiver.url}/moved`, secret: createWebhookSecret() });
    await webhooks.drain();
    expect(receiver.received.map(({ path }) => path)).toEqual(["/hooks", "/hooks/moved"]);
    expect(await webhooks.publish("debate.end", {}, { workspaceId: "" })).toEqual([]);
  });

  it("refuses unknown endpoints, others' ids, half an address, weak secrets and blocked addresses, and queues nothing", async () => {
    const made = await fixture();
    const { id } = await register(made);
    const message = { webhookId: "wh-1", eventType: "a", payload: {} };
    const { deliver } = made.webhooks;
    await expect(deliver(message)).rejects.toEqual(webhookError("unknown_endpoint"));
    await expect(deliver({ ...message, webhookId: id })).rejects.toEqual(webhookError("unknown_endpoint")); // of workspace w1
    await expect(deliver({ ...message, webhookId: id, workspaceId: "w1", url: made.receiver.url, secret })).rejects.toEqual(
      webhookError("webhook_id_taken"),
    );
    await deliver({ ...message, webhookId: "of-w1", workspaceId: "w1", url: made.receiver.url, secret });
    await expect(deliver({ ...message, webhookId: "of-w1", workspaceId: "w2", url: `${made.receiver.url}/mine`, secret })).rejects.toEqual(
      webhookError("webhook_id_taken"), // another workspace's: neither its address nor its secret can be replaced
    );
    expect(await made.webhooks.endpoints.get("of-w1", "w1")).toMatchObject({ url: made.receiver.url });
    await expect(deliver({ ...message, url: made.receiver.url })).rejects.toEqual(expect.objectContaining({ code: "invalid_option" }));
    await expect(deliver({ ...message, url: made.receiver.url, secret: "short" })).rejects.toEqual(webhookError("invalid_secret"));
    await expect(deliver({ ...message, url: "https://169.254.169.254/", secret })).rejects.toEqual(problem(7002));
    await expect(deliver({ ...message, webhookId: "a.b" })).rejects.toEqual(expect.objectContaining({ code: "invalid_option" }));
    expect((await made.webhooks.deliveries.list({ workspaceId: "" })).deliveries).toEqual([]);
  });
});

describe("deliveries", () => {
  it("are listed the newest first, by page, without their bodies", async () => {
    const made = await fixture();
    await register(made);
    for (let index = 0; index < 5; index += 1) await made.webhooks.publish("user.created", { index }, { ...inW1, deliveryId: `e${index}` });
    const first = await made.webhooks.deliveries.list({ ...inW1, limit: 3 });
    const second = await made.webhooks.deliveries.list({ ...inW1, limit: 3, cursor: first.nextCursor });
    expect([...first.deliveries, ...second.deliveries].map(({ id }) => id.slice(0, 2))).toEqual(["e4", "e3", "e2", "e1", "e0"]);
    expect(second.nextCursor).toBeUndefined();
    expect(first.deliveries[0]).not.toHaveProperty("body");
    expect((await made.webhooks.deliveries.list({ workspaceId: "w2" })).deliveries).toEqual([]);
  });

  it.each([Number.NaN, Infinity, 1e20])("that happened at %d are refused before anything is stored", async (occurredAt) => {
    const made = await fixture();
    const { id } = await register(made);
    const wrong = expect.objectContaining({ code: "invalid_option" });
    await expect(made.webhooks.publish("user.created", {}, { ...inW1, occurredAt })).rejects.toEqual(wrong);
    await expect(
      made.webhooks.deliver({ webhookId: id, workspaceId: "w1", eventType: "user.created", payload: {}, occurredAt }),
    ).rejects.toEqual(wrong);
    expect((await made.webhooks.deliveries.list({ ...inW1, limit: Number.NaN })).deliveries).toEqual([]);
  });

  it("are listed by one where the limit is no number", async () => {
    const made = await fixture();
    await register(made);
    for (let index = 0; index < 2; index += 1) await made.webhooks.publish("user.created", { index }, inW1);
    const page = await made.webhooks.deliveries.list({ ...inW1, limit: Number.NaN });
    expect([page.deliveries.length, page.nextCursor]).toEqual([1, page.deliveries[0]?.id]);
    expect((await made.webhooks.endpoints.list({ ...inW1, limit: Number.NaN })).endpoints).toHaveLength(1);
  });
});
