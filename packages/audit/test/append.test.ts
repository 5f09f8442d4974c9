import { createMemoryStore, type Log, type Metrics, StoreUnavailable } from "@portcullis/core";
import { type AuditEventInput, type AuditLogEvent, createAudit } from "@portcullis/audit";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { ADA, auditOver, createEditableLog, NAME, textOf } from "./fixture.js";

const EVENT = { category: "data", action: "data.read", outcome: "success", actor: ADA } as const satisfies AuditEventInput;

describe("append", () => {
  it("AUD-2 stores one line of JSON that says what was told, where it stands and what came before", async () => {
    const log = createEditableLog();
    const clock = createManualClock(Date.UTC(2026, 10, 22));
    const audit = auditOver(log, { clock });
    await audit.append({ ...EVENT, id: "e0", details: { z: 1, a: [1.0, 1e2, "é", undefined], when: new Date(0), none: undefined } });
    await audit.append({ ...EVENT, id: "e1" });
    const [first, second] = log.books.get(NAME)?.entries ?? [];
    expect(textOf(first)).toBe(
      '{"v":1,"id":"e0","at":1795305600000,"category":"data","action":"data.read","outcome":"success","actor":{"type":"user","id":"ada"},' +
        '"details":{"z":1,"a":[1,100,"é",null],"when":"1970-01-01T00:00:00.000Z"},"log":"example.com/audit","index":0,' +
        '"previous":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}',
    );
    expect(first).toMatchObject({
      index: 0,
      key: "e0",
      at: 1795305600000,
      category: "data",
      actor: "ada",
      action: "data.read",
      workspaceId: "",
    });
    expect(textOf(second)).toContain('"index":1,"previous":"');
  });

  it("AUD-11 a hundred at once are in the log once each, without a gap, in few transactions", async () => {
    const log = createEditableLog();
    let transactions = 0;
    const counting: Log = { ...log, append: (name, build) => ((transactions += 1), log.append(name, build)) };
    const audit = auditOver(counting, { maxBatch: 64 });
    const receipts = await Promise.all(Array.from({ length: 100 }, (_, n) => audit.append({ ...EVENT, id: `e${n}` })));
    expect(receipts.map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(transactions).toBe(2);
    expect(await audit.verify()).toMatchObject({ verdict: "intact", size: 100 });
  });

  it("AUD-11 writers of two processes share one log without a gap", async () => {
    const store = createMemoryStore();
    const [one, two] = [auditOver(store.log), auditOver(store.log)];
    await Promise.all(Array.from({ length: 200 }, (_, n) => (n % 2 === 0 ? one : two).append(EVENT)));
    expect(await one.verify()).toMatchObject({ verdict: "intact", size: 200 });
  });

  it("AUD-12 the same id twice is one entry, in one batch, in two, and in two processes", async () => {
    const store = createMemoryStore();
    const events: AuditLogEvent[] = [];
    const audit = auditOver(store.log, { onEvent: (event) => void events.push(event) });
    const both = await Promise.all([
      audit.append({ ...EVENT, id: "same" }),
      audit.append({ ...EVENT, id: "same" }),
      audit.append({ ...EVENT, id: "other" }),
    ]);
    expect(both.map(({ index }) => index)).toEqual([0, undefined, 1]);
    const again = await Promise.all([audit.append({ ...EVENT, id: "new" }), auditOver(store.log).append({ ...EVENT, id: "same" })]);
    expect(again).toEqual([
      { id: "new", index: 2 },
      { id: "same", index: undefined },
    ]);
    expect((await audit.head()).size).toBe(3);
    expect(events).toEqual([{ kind: "duplicate_event", id: "same" }]);
  });

  it("AUD-12 without an id gets a UUIDv7; without a time, now", async () => {
    const clock = createManualClock(1_700_000_000_000);
    const audit = auditOver(createMemoryStore().log, { clock });
    const { id } = await audit.append(EVENT);
    expect(id).toMatch(/^018bcfe5-6800-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect((await audit.query()).entries[0]?.event.at).toBe(1_700_000_000_000);
  });

  it("AUD-13 resolves only after the store has", async () => {
    const log = createEditableLog();
    let commit = (): void => {};
    const slow: Log = {
      ...log,
      append: async (name, build) => {
        await new Promise<void>((resolve) => (commit = resolve));
        return log.append(name, build);
      },
    };
    const audit = auditOver(slow);
    let resolved = 0;
    const count = (): void => void (resolved += 1);
    const first = audit.append(EVENT).then(count);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
    const second = audit.append(EVENT).then(count);
    expect(resolved).toBe(0);
    commit();
    await first;
    expect(resolved).toBe(1);
    commit();
    await Promise.all([second, audit.flush()]);
    expect(resolved).toBe(2);
  });

  it("rejects when the store is dead, tells of it, and goes on when it is back", async () => {
    const log = createEditableLog();
    let isDead = true;
    const flaky: Log = {
      ...log,
      append: async (name, build) => (isDead ? Promise.reject(new StoreUnavailable("log.append")) : log.append(name, build)),
    };
    const events: AuditLogEvent[] = [];
    const audit = auditOver(flaky, { onEvent: (event) => void events.push(event) });
    const results = await Promise.allSettled([audit.append({ ...EVENT, id: "e" }), audit.append({ ...EVENT, id: "e" })]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(events).toEqual(
      Array.from({ length: 2 }, () => ({ kind: "append_failed", category: "data", action: "data.read", error: "store_unavailable" })),
    );
    isDead = false;
    expect(await audit.append({ ...EVENT, id: "e" })).toEqual({ id: "e", index: 0 });
  });

  it("refuses what does not fit into the queue any more, and records the rest", async () => {
    const audit = auditOver(createEditableLog(), { maxQueued: 3 });
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => audit.append(EVENT)));
    expect(results.map((result) => (result.status === "rejected" ? (result.reason as { code: string }).code : "recorded"))).toEqual([
      "recorded",
      "recorded",
      "recorded",
      "queue_full",
      "queue_full",
    ]);
  });

  it("refuses to write after a head that it did not write", async () => {
    const log = createEditableLog();
    const audit = auditOver(log);
    await audit.append(EVENT);
    (log.books.get(NAME) ?? { frontier: new Uint8Array() }).frontier = Buffer.alloc(7);
    await expect(audit.append(EVENT)).rejects.toMatchObject({ code: "log_corrupt" });
    await expect(audit.head()).rejects.toMatchObject({ code: "log_corrupt" });
  });

  it.each([
    [undefined],
    [{}],
    [{ ...EVENT, category: "other" }],
    [{ ...EVENT, action: "two words" }],
    [{ ...EVENT, action: "" }],
    [{ ...EVENT, outcome: "ok" }],
    [{ ...EVENT, actor: { type: "robot", id: "r" } }],
    [{ ...EVENT, actor: { type: "user" } }],
    [{ ...EVENT, actor: { ...ADA, role: "admin" } }],
    [{ ...EVENT, at: "now" }],
    [{ ...EVENT, at: 1.5 }],
    [{ ...EVENT, id: "" }],
    [{ ...EVENT, id: "x".repeat(257) }],
    [{ ...EVENT, workspaceId: "x".repeat(257) }],
    [{ ...EVENT, reason: 7 }],
  ])("refuses the event %#, and names what is wrong without its content", async (wrong) => {
    const audit = auditOver(createEditableLog());
    const failure = await audit.append(wrong as AuditEventInput).catch((error: unknown) => error); // wrong on purpose
    expect(failure).toMatchObject({ code: "invalid_event" });
    expect(String(failure)).not.toContain("robot");
    expect((await audit.head()).size).toBe(0);
  });

  it("refuses an event whose own members throw, without passing their error on", async () => {
    const hostile = Object.defineProperty({ ...EVENT }, "reason", {
      get: () => {
        throw new Error("password=hunter2");
      },
    });
    await expect(auditOver(createEditableLog()).append(hostile)).rejects.toThrow("it cannot be read");
  });
});

describe("helpers", () => {
  it("record each kind under its category and action", async () => {
    const audit = auditOver(createMemoryStore().log);
    const by = { actor: ADA };
    await audit.login({ ...by, outcome: "failure", reason: "wrong password" });
    await audit.logout(by);
    await audit.mfa("enable", by);
    await audit.apiKey("generate", by);
    await audit.permission("granted", by);
    await audit.permission("denied", by);
    await audit.roleChange("assign", by);
    await audit.data("delete", by);
    await audit.admin("user.disable", by);
    await audit.security("account.locked", by);
    await audit.sensitiveAccess("api_key", "read", by);
    const { entries } = await audit.query();
    expect(entries.map(({ event: { category, action, outcome } }) => `${category} ${action} ${outcome}`)).toEqual([
      "authentication auth.login failure",
      "authentication auth.logout success",
      "authentication mfa.enable success",
      "authentication api_key.generate success",
      "authorization permission.granted success",
      "authorization permission.denied denied",
      "authorization role.assign success",
      "data data.delete success",
      "admin user.disable success",
      "security account.locked success",
      "data api_key.read success",
    ]);
    expect(entries.at(-1)?.event.target).toEqual({ type: "api_key" });
  });
});

describe("query", () => {
  it("filters by time, category, actor, action and workspace, half-open and in order, a page at a time", async () => {
    const audit = auditOver(createMemoryStore().log);
    for (let n = 0; n < 10; n += 1) {
      await audit.append({
        ...EVENT,
        at: n,
        actor: { type: "user", id: n % 2 === 0 ? "ada" : "bob" },
        workspaceId: n < 5 ? "w1" : "w2",
        action: n === 7 ? "data.delete" : "data.read",
      });
    }
    const indexes = async (...given: Parameters<typeof audit.query>) => (await audit.query(...given)).entries.map(({ index }) => index);
    expect(await indexes({ from: 3, to: 6 })).toEqual([3, 4, 5]);
    expect(await indexes({ actor: "bob", workspaceId: "w1" })).toEqual([1, 3]);
    expect(await indexes({ action: "data.delete" })).toEqual([7]);
    expect(await indexes({ category: "admin" })).toEqual([]);
    const page = await audit.query({ actor: "ada" }, { limit: 2 });
    expect(page.nextIndex).toBe(4);
    expect(await audit.query({ actor: "ada" }, { fromIndex: 4, limit: 3 })).toMatchObject({ nextIndex: undefined });
    for (const wrong of [{ limit: 0 }, { limit: 1001 }, { fromIndex: -1 }, { fromIndex: 0.5 }])
      await expect(audit.query({}, wrong)).rejects.toMatchObject({ code: "out_of_range" });
  });

  it("names the entry that it cannot read", async () => {
    const log = createEditableLog();
    const audit = auditOver(log);
    await audit.append(EVENT);
    const entries = log.books.get(NAME)?.entries ?? [];
    entries[0] = { ...(entries[0] as (typeof entries)[number]), bytes: Buffer.from("{}") }; // appended just now
    await expect(audit.query()).rejects.toThrow("Entry 0");
  });
});

describe("createAudit", () => {
  const store = createMemoryStore();

  it.each([
    ["store", { store: {} }],
    ["name", { name: "two words" }],
    ["name", { name: "a#checkpoints" }],
    ["maxQueued", { maxQueued: 0 }],
    ["maxBatch", { maxBatch: 1.5 }],
    ["signer", { signer: Array.from({ length: 5 }, () => ({ name: "s", verifierKey: "", sign: () => Buffer.alloc(64) })) }],
    ["redact.keys", { redact: { keys: ["--"] } }],
    ["redact.allow", { redact: { allow: "all" } }],
    ["logId", { logId: "x" }],
  ])("refuses a wrong %s", (name, wrong) => {
    const create = () => createAudit({ store, name: NAME, ...wrong } as Parameters<typeof createAudit>[0]); // wrong on purpose
    expect(create).toThrow(name);
    expect(create).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });

  it("an observer whose promise rejects ends no process", async () => {
    const told: string[] = [];
    const onEvent = ({ kind }: { readonly kind: string }): unknown => {
      told.push(kind);
      return Promise.reject(new Error("the log is down"));
    };
    const audit = auditOver(store.log, { onEvent });
    await audit.append(EVENT);
    await audit.checkpoint();
    await audit.append(EVENT);
    await new Promise(setImmediate); // a rejection that nobody takes fails the run
    expect(told).toContain("checkpoint_signed");
  });

  it("counts events, appends, failures and what waits; observers that throw change nothing", async () => {
    const seen: string[] = [];
    const note = (name: string, labels: object = {}): void => void seen.push(`${name} ${JSON.stringify(labels)}`);
    const metrics: Metrics = {
      counter: ({ name }) => ({ add: (labels) => note(name, labels) }),
      gauge: ({ name }) => ({ set: (value) => note(name, { value }) }),
      histogram: ({ name }) => ({ observe: () => note(name) }),
    };
    const audit = auditOver(store.log, {
      metrics,
      onEvent: () => {
        throw new Error("observer");
      },
    });
    await audit.append(EVENT);
    await audit.checkpoint();
    await audit.append({ ...EVENT, outcome: "no" } as unknown as AuditEventInput).catch(() => {}); // wrong on purpose
    expect(seen).toEqual([
      'audit_queue_depth {"value":1}',
      'audit_queue_depth {"value":0}',
      "audit_append_seconds {}",
      'audit_events_total {"category":"data","outcome":"success"}',
      'audit_checkpoint_age_seconds {"value":0}',
      'audit_append_failures_total {"category":"invalid"}',
    ]);
  });
});
