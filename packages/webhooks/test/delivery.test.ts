import { type Clock, createMemoryStore, type Outbox, StoreUnavailable } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { verifyWebhookSignature } from "@portcullis/webhooks";
import { describe, expect, it } from "vitest";
import { status } from "./receiver.js";
import { fixture, inW1, register } from "./webhooks-fixture.js";

describe("a delivery", () => {
  it("arrives once, signed over the bytes that were sent, with both signatures", async () => {
    const made = await fixture();
    const { secret } = await register(made);
    const [queued] = await made.webhooks.publish("user.created", { id: "u1", text: "\u2028 1e21 \u00e5" }, inW1);
    expect(queued?.status).toBe("PENDING");
    await made.webhooks.drain();
    await made.webhooks.drain();
    expect(made.receiver.received).toHaveLength(1);
    const [{ headers, body } = unreachable()] = made.receiver.received;
    expect(JSON.parse(body.toString())).toEqual({
      type: "user.created",
      timestamp: new Date(made.clock.now()).toISOString(),
      data: { id: "u1", text: "\u2028 1e21 \u00e5" },
    });
    expect(headers).toMatchObject({
      "content-type": "application/json",
      "content-length": String(body.length),
      "accept-encoding": "identity",
      "user-agent": "portcullis-webhooks",
      "webhook-id": queued?.deliveryId,
    });
    const fields = headers as Record<string, string>; // none of these is sent twice
    expect(verifyWebhookSignature({ secrets: [secret], headers: fields, body, now: made.clock.now() }).valid).toBe(true);
    const bodyOnly = { "x-webhook-signature": fields["x-webhook-signature"] };
    expect(verifyWebhookSignature({ secrets: [secret], headers: bodyOnly, body, now: 0, bodyOnly: "accepted" }).valid).toBe(true);
    expect(made.events).toEqual([expect.objectContaining({ type: "webhook.delivered", attempt: 1, status: 204 })]);
  });

  it("WH-R1 WH-S1 WH-S9 is attempted at 0, 1, 3, 7, 15 and 31 s, with the same id and bytes and a new timestamp, then dead-lettered", async () => {
    const made = await fixture();
    await register(made);
    made.receiver.answer = status(500);
    await made.webhooks.publish("user.created", { id: "u1" }, inW1);
    const startedAt = made.clock.now();
    await made.webhooks.drain();
    for (const [attempt, delayMs] of [1000, 2000, 4000, 8000, 16_000].entries()) {
      made.clock.advance(delayMs - 1);
      await made.webhooks.drain();
      expect(made.receiver.received).toHaveLength(attempt + 1);
      made.clock.advance(1);
      await made.webhooks.drain();
      expect(made.receiver.received).toHaveLength(attempt + 2);
    }
    expect(made.clock.now() - startedAt).toBe(31_000);
    made.clock.advance(3_600_000);
    await made.webhooks.drain();
    const { received } = made.receiver;
    expect(received).toHaveLength(6);
    expect(new Set(received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(new Set(received.map(({ body }) => body.toString("hex"))).size).toBe(1);
    expect(new Set(received.map(({ headers }) => headers["webhook-timestamp"])).size).toBe(6);
    const { deliveries } = await made.webhooks.deadLetters.list(inW1);
    expect(deliveries).toMatchObject([{ status: "DEAD_LETTERED", attempts: 6, lastError: "http_500" }]);
    expect(made.events.map(({ type }) => type)).toEqual([...Array<string>(5).fill("webhook.retrying"), "webhook.dead_lettered"]);
  });

  it("WH-R5 WH-Q5 a dead letter is sent again by hand, under the same id, with a fresh budget, and for its own workspace only", async () => {
    const made = await fixture({ retry: { retries: 0 } });
    await register(made);
    made.receiver.answer = status(500);
    const [queued] = await made.webhooks.publish("user.created", {}, inW1);
    const id = queued?.deliveryId ?? "";
    await made.webhooks.drain();
    expect(await made.webhooks.deadLetters.retry([id], "w2")).toBe(0);
    made.receiver.answer = status(200);
    expect(await made.webhooks.deadLetters.retry([id, "unknown"], "w1")).toBe(1);
    await made.webhooks.drain();
    expect(made.receiver.received.map(({ headers }) => headers["webhook-id"])).toEqual([id, id]);
    expect((await made.webhooks.deadLetters.list(inW1)).deliveries).toEqual([]);
    expect(await made.webhooks.deadLetters.retry([id], "w1")).toBe(0);
    expect(await made.webhooks.metrics()).toEqual({
      total_deliveries: 2,
      success_rate: 50,
      avg_latency_ms: 0,
      dead_lettered: 0,
      retries_pending: 0,
    });
  });

  it("WH-H4 a stored field of the endpoint's own never replaces one of ours", async () => {
    const made = await fixture();
    const { id } = await register(made);
    const record = await made.store.records.find("webhook-endpoints", { id });
    const value = JSON.stringify({
      ...(JSON.parse(record?.value ?? "{}") as object),
      headers: { "webhook-id": "forged", "content-type": "text/html" },
    });
    await made.store.records.replace("webhook-endpoints", id, record?.revision ?? 0, value);
    const [queued] = await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    expect(made.receiver.received[0]?.headers).toMatchObject({ "webhook-id": queued?.deliveryId, "content-type": "application/json" });
  });

  it("WH-E6 a redirect is a failure, and is not followed", async () => {
    const made = await fixture();
    await register(made);
    made.receiver.answer = status(302, { location: `${made.receiver.url}/elsewhere` });
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    expect(made.receiver.received.map(({ path }) => path)).toEqual(["/hooks"]);
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([{ status: "RETRYING", lastError: "http_302" }]);
  });

  it("WH-R3 a 410 of an address that was changed meanwhile does not disable the new one", async () => {
    const made = await fixture();
    const { id } = await register(made);
    made.receiver.answer = (response) =>
      void made.webhooks.endpoints.update(id, "w1", { url: `${made.receiver.url}/moved` }).then(() => response.writeHead(410).end());
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    expect(await made.webhooks.endpoints.get(id, "w1")).toMatchObject({ enabled: true, url: `${made.receiver.url}/moved` });
    expect(made.events.map(({ type }) => type)).toEqual(["webhook.dead_lettered"]);
  });

  it("WH-R3 410 disables the endpoint and dead-letters what was sent and what waits", async () => {
    const made = await fixture();
    const { id } = await register(made);
    made.receiver.answer = status(410);
    await made.webhooks.publish("user.created", { n: 1 }, inW1);
    await made.webhooks.drain();
    expect(await made.webhooks.endpoints.get(id, "w1")).toMatchObject({ enabled: false, disabledReason: "gone" });
    expect(await made.webhooks.publish("user.created", { n: 2 }, inW1)).toEqual([]);
    await made.webhooks.deliver({ webhookId: id, workspaceId: "w1", eventType: "user.created", payload: { n: 3 } });
    await made.webhooks.drain();
    expect(made.receiver.received).toHaveLength(1);
    const { deliveries } = await made.webhooks.deadLetters.list(inW1);
    expect(deliveries.map(({ lastError, attempts }) => [lastError, attempts])).toEqual([
      ["endpoint_disabled", 0],
      ["http_410", 1],
    ]);
    expect(made.events.filter(({ type }) => type === "webhook.endpoint_disabled")).toHaveLength(1);
  });

  it.each([
    ["disable", { enabled: false, disabledReason: "receiver_disabled" }],
    ["abort-message", { enabled: true, disabledReason: undefined }],
  ])("WH-R4 webhook-delivery: %s stops", async (directive, endpoint) => {
    const made = await fixture();
    const { id } = await register(made);
    made.receiver.answer = status(400, { "webhook-delivery": directive });
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    expect((await made.webhooks.deadLetters.list(inW1)).deliveries).toHaveLength(1);
    expect(await made.webhooks.endpoints.get(id, "w1")).toMatchObject(endpoint);
  });

  it("WH-R2 Retry-After is the least time to wait", async () => {
    const made = await fixture();
    await register(made);
    made.receiver.answer = status(429, { "retry-after": "90" });
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    made.clock.advance(89_999);
    await made.webhooks.drain();
    expect(made.receiver.received).toHaveLength(1);
    made.clock.advance(1);
    await made.webhooks.drain();
    expect(made.receiver.received).toHaveLength(2);
  });

  it("WH-H1 the deadline is over the whole attempt: a server that drips is given up", async () => {
    const made = await fixture();
    await register(made);
    made.receiver.answer = () => {}; // accepts, and never answers
    await made.webhooks.publish("user.created", {}, inW1);
    const draining = made.webhooks.drain();
    await made.receiver.arrived(1);
    made.clock.advance(30_000);
    await draining;
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([
      { status: "RETRYING", lastError: "timeout", attempts: 1 },
    ]);
  });

  it("WH-H2 the status line decides: a success whose body never ends is delivered", async () => {
    const made = await fixture();
    await register(made);
    made.receiver.answer = (response) => {
      response.writeHead(200);
      const pour = (): void => void (response.write("x".repeat(65_536)) ? setImmediate(pour) : response.once("drain", pour));
      pour();
    };
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([{ status: "DELIVERED" }]);
  });

  it("a receiver that hangs up is tried again; the reason is a code, not a message about our network", async () => {
    const made = await fixture();
    await register(made);
    made.receiver.answer = (response) => void response.socket?.destroy();
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    expect((await made.webhooks.deliveries.list(inW1)).deliveries[0]?.lastError).toMatch(/^network:[A-Z_]+$/);
  });

  it("WH-L3 a worker that dies between sending and settling: sent again, with the same id", async () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock });
    const made = await fixture({ store, clock });
    await register(made);
    const dying: Outbox = {
      ...store.outbox,
      settle: () => {
        throw new StoreUnavailable("outbox.settle");
      },
    };
    const first = made.another({ store: { ...store, outbox: dying } });
    await made.webhooks.publish("user.created", {}, inW1);
    await first.drain();
    await made.webhooks.drain();
    expect(made.receiver.received).toHaveLength(1);
    clock.advance(44_999);
    await made.webhooks.drain();
    expect(made.receiver.received).toHaveLength(1);
    clock.advance(1);
    await made.webhooks.drain();
    expect(new Set(made.receiver.received.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    expect(made.receiver.received).toHaveLength(2);
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([{ status: "DELIVERED", reclaims: 1 }]);
    expect(made.events.map(({ type }) => type)).toContain("webhook.reclaimed");
  });

  it("WH-L2 the result of a worker whose lease has ended changes nothing", async () => {
    const made = await fixture();
    await register(made);
    let finish = (): void => {};
    made.receiver.answer = (response) => (finish = () => void response.writeHead(500).end());
    await made.webhooks.publish("user.created", {}, inW1);
    // Its clock stands still, so its own deadline does not come: a process that was suspended.
    const late = made.another({ clock: createManualClock() });
    const draining = late.drain();
    await made.receiver.arrived(1);
    made.clock.advance(45_000);
    made.receiver.answer = status(204);
    await made.webhooks.drain();
    finish();
    await draining;
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([{ status: "DELIVERED", attempts: 1 }]);
    expect(made.events.map(({ type }) => type)).toContain("webhook.lease_lost");
  });

  it("WH-L4 a delivery that takes worker after worker down is dead-lettered", async () => {
    const made = await fixture({ maxReclaims: 2 });
    await register(made);
    await made.webhooks.publish("user.created", {}, inW1);
    for (let death = 0; death < 3; death += 1) {
      await made.store.outbox.claim({ limit: 1, perEndpoint: 1, leaseMs: 45_000 }); // and never seen again
      made.clock.advance(45_000);
    }
    await made.webhooks.drain();
    expect(made.receiver.received).toEqual([]);
    expect((await made.webhooks.deadLetters.list(inW1)).deliveries).toMatchObject([{ lastError: "poison" }]);
  });

  it("a secret that cannot be opened puts the delivery off without charging the endpoint", async () => {
    let isDown = true;
    const made = await fixture({
      openSecret: (sealed) => {
        if (isDown) throw new Error("key service down");
        return sealed.slice(7);
      },
    });
    await register(made);
    await made.webhooks.publish("user.created", {}, inW1);
    await made.webhooks.drain();
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([{ status: "RETRYING", attempts: 0 }]);
    expect(made.events).toEqual([expect.objectContaining({ type: "webhook.fault", source: "attempt" })]);
    isDown = false;
    made.clock.advance(30_000);
    await made.webhooks.drain();
    expect(made.receiver.received).toHaveLength(1);
  });

  it("one endpoint that hangs does not hold up the others", async () => {
    const made = await fixture({ concurrency: 8, perEndpoint: 2 });
    await register(made, "/slow");
    await register(made, "/fast");
    made.receiver.answer = (response, { path }) => (path === "/hooks/slow" ? undefined : void response.writeHead(204).end());
    for (let index = 0; index < 20; index += 1) await made.webhooks.publish("user.created", { index }, inW1);
    const draining = made.webhooks.drain();
    await made.receiver.arrived(22);
    expect(made.receiver.received.filter(({ path }) => path === "/hooks/fast")).toHaveLength(20);
    expect(made.receiver.received.filter(({ path }) => path === "/hooks/slow")).toHaveLength(2);
    made.receiver.answer = status(204);
    made.clock.advance(30_000);
    await draining;
  });
});

describe("the worker", () => {
  it("wakes for what is published and for what comes due, and asks an idle store once in pollMs", async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    let claims = 0;
    const outbox: Outbox = {
      ...memory.outbox,
      claim: (options) => {
        claims += 1;
        return memory.outbox.claim(options);
      },
    };
    const made = await fixture({ store: { ...memory, outbox }, clock, retry: { baseMs: 300 } });
    await register(made);
    made.receiver.answer = status(503);
    made.webhooks.start();
    made.webhooks.start();
    await made.webhooks.publish("user.created", {}, inW1);
    await made.receiver.arrived(1);
    await idle();
    made.receiver.answer = status(204);
    clock.advance(300); // due before the poll
    await made.receiver.arrived(2);
    await idle();
    claims = 0;
    for (let second = 0; second < 10; second += 1) {
      clock.advance(1000);
      await idle();
    }
    expect(claims).toBeLessThanOrEqual(11);
    expect(claims).toBeGreaterThanOrEqual(9);
  });

  it("notices what another process published at its next poll", async () => {
    const made = await fixture();
    await register(made);
    made.webhooks.start();
    await idle();
    await made.another().publish("user.created", {}, inW1);
    made.clock.advance(1000);
    await made.receiver.arrived(1);
  });

  it("survives a store that fails, and goes on when it is back", async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    let isDown = true;
    const outbox: Outbox = {
      ...memory.outbox,
      claim: (options) => {
        if (isDown) throw new StoreUnavailable("outbox.claim");
        return memory.outbox.claim(options);
      },
    };
    const made = await fixture({ store: { ...memory, outbox }, clock });
    await register(made);
    made.webhooks.start();
    await made.webhooks.publish("user.created", {}, inW1);
    await idle();
    expect(made.events).toContainEqual(expect.objectContaining({ type: "webhook.fault", source: "claim" }));
    isDown = false;
    clock.advance(1000);
    await made.receiver.arrived(1);
  });

  it("WH-L5 stop waits for what is under way, then gives it up, and another worker has it at once, uncharged", async () => {
    const made = await fixture();
    await register(made);
    made.receiver.answer = () => {};
    made.webhooks.start();
    await made.webhooks.publish("user.created", {}, inW1);
    await made.receiver.arrived(1);
    let isStopped = false;
    const stopping = made.webhooks.stop({ graceMs: 5000 }).then(() => (isStopped = true));
    made.clock.advance(4999);
    await idle();
    expect(isStopped).toBe(false);
    made.clock.advance(1);
    await stopping;
    await made.webhooks.publish("user.created", { second: true }, inW1); // a stopped worker leaves it alone
    await idle();
    expect(made.receiver.received).toHaveLength(1);
    made.receiver.answer = status(204);
    await made.another().drain();
    expect(made.receiver.received).toHaveLength(3);
    expect((await made.webhooks.deliveries.list(inW1)).deliveries.map(({ status: state, attempts }) => [state, attempts])).toEqual([
      ["DELIVERED", 1],
      ["DELIVERED", 1],
    ]);
  });

  it("WH-L5 stop comes to an end though the store neither answers a claim nor takes anything back", async () => {
    const memory = createMemoryStore();
    let isHanging = false;
    let comeBack = (): void => {};
    const hanging = new Promise<never>((_resolve, reject) => {
      comeBack = () => reject(new StoreUnavailable("outbox"));
    });
    const store = {
      ...memory,
      outbox: {
        ...memory.outbox,
        claim: (options) => (isHanging ? hanging : memory.outbox.claim(options)),
        settle: (settlements) => (isHanging ? hanging : memory.outbox.settle(settlements)),
      } satisfies Outbox,
    };
    const made = await fixture({ store });
    await register(made);
    made.receiver.answer = () => {};
    made.webhooks.start();
    await made.webhooks.publish("user.created", {}, inW1);
    await made.receiver.arrived(1);
    isHanging = true;
    await made.webhooks.publish("user.created", {}, inW1); // wakes a claim that hangs
    await idle();
    let isStopped = false;
    const stopping = made.webhooks.stop({ graceMs: 1000 }).then(() => (isStopped = true));
    made.clock.advance(1000);
    await idle();
    made.clock.advance(4999);
    await idle();
    expect(isStopped).toBe(false);
    made.clock.advance(1);
    await stopping;
    isHanging = false;
    comeBack();
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("the log is down");
      },
    ],
    ["rejects", async () => Promise.reject(new Error("the log is down"))], // compiles as an observer as well
  ])("goes on when its observer %s", async (_how, onEvent) => {
    const memory = createMemoryStore();
    let isDown = true;
    const claim: typeof memory.outbox.claim = (options) => {
      if (isDown) throw new StoreUnavailable("outbox.claim");
      return memory.outbox.claim(options);
    };
    const made = await fixture({ store: { ...memory, outbox: { ...memory.outbox, claim } }, onEvent });
    await register(made);
    made.webhooks.start();
    await made.webhooks.publish("user.created", {}, inW1);
    await idle();
    isDown = false;
    made.clock.advance(1000);
    await made.receiver.arrived(1);
    await made.webhooks.drain();
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([{ status: "DELIVERED" }]);
  });

  it("stop lets what is under way finish", async () => {
    const made = await fixture();
    await register(made);
    let finish = (): void => {};
    made.receiver.answer = (response) => (finish = () => void response.writeHead(204).end());
    made.webhooks.start();
    await made.webhooks.publish("user.created", {}, inW1);
    await made.receiver.arrived(1);
    const stopping = made.webhooks.stop();
    finish();
    await stopping;
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([{ status: "DELIVERED" }]);
  });

  it("WH-L5 what a claim brings after the grace is handed over unsent", async () => {
    const memory = createMemoryStore();
    let answer = (): void => {};
    const asked = new Promise<void>((resolve) => (answer = resolve));
    const claim: Outbox["claim"] = async (options) => {
      await asked;
      return memory.outbox.claim(options);
    };
    const made = await fixture({ store: { ...memory, outbox: { ...memory.outbox, claim } } });
    await register(made);
    await made.webhooks.publish("user.created", {}, inW1);
    made.webhooks.start();
    const stopping = made.webhooks.stop({ graceMs: 1000 });
    made.clock.advance(1000);
    answer();
    await stopping;
    expect(made.receiver.received).toEqual([]);
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([{ status: "RETRYING", attempts: 0 }]);
  });

  it("WH-L1 claims no more than it can run at once: a lease does not run out in a queue", async () => {
    const made = await fixture({ concurrency: 3, perEndpoint: 10 });
    await register(made);
    const answers: (() => void)[] = [];
    made.receiver.answer = (response) => void answers.push(() => response.writeHead(204).end());
    made.webhooks.start();
    for (let index = 0; index < 5; index += 1) await made.webhooks.publish("user.created", { index }, inW1);
    await made.receiver.arrived(3);
    await idle();
    const inProgress = await made.webhooks.deliveries.list({ ...inW1, statuses: ["IN_PROGRESS"] });
    expect(inProgress.deliveries).toHaveLength(3);
    made.receiver.answer = status(204);
    for (const end of answers) end();
    await made.receiver.arrived(5);
  });

  it("stop also waits for what a claim under way brings", async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    let answer = (): void => {};
    const asked = new Promise<void>((resolve) => (answer = resolve));
    const claim: Outbox["claim"] = async (options) => {
      await asked;
      return memory.outbox.claim(options);
    };
    const made = await fixture({ store: { ...memory, outbox: { ...memory.outbox, claim } }, clock });
    await register(made);
    await made.webhooks.publish("user.created", {}, inW1);
    made.webhooks.start();
    const stopping = made.webhooks.stop();
    answer();
    await stopping;
    expect((await made.webhooks.deliveries.list(inW1)).deliveries).toMatchObject([{ status: "DELIVERED" }]);
  });

  it("leaves no timer behind when it is stopped", async () => {
    const timers = new Set<() => void>();
    const clock = createManualClock();
    const counting: Clock = {
      ...clock,
      after(delayMs, callback) {
        const cancel = clock.after(delayMs, () => {
          timers.delete(stop);
          callback();
        });
        const stop = (): void => {
          timers.delete(stop);
          cancel();
        };
        timers.add(stop);
        return stop;
      },
    };
    const made = await fixture({ clock: counting });
    await register(made);
    made.webhooks.start();
    await made.webhooks.publish("user.created", {}, inW1);
    await made.receiver.arrived(1);
    await made.webhooks.stop();
    expect(timers.size).toBe(0);
  });

  it("two workers on one store send each of a hundred deliveries once", async () => {
    const made = await fixture({ perEndpoint: 100 });
    await register(made);
    for (let index = 0; index < 100; index += 1) await made.webhooks.publish("user.created", { index }, inW1);
    await Promise.all([made.webhooks.drain(), made.another().drain()]);
    expect(made.receiver.received).toHaveLength(100);
    expect(new Set(made.receiver.received.map(({ headers }) => headers["webhook-id"])).size).toBe(100);
  });
});

function unreachable(): never {
  throw new Error("Nothing was received.");
}

/** Lets everything that is already due run, sockets included. */
async function idle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
