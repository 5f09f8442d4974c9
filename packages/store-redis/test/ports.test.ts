import { openRedisStore } from "@portcullis/store-redis";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { describeWith, redisPrefix } from "../../../tools/test-services/connect.js";
import { CLIENTS } from "./clients.js";

const KEY = {
  name: "ci",
  hash: "h",
  pepperId: "p",
  lastFour: "wxyz",
  expiresAt: 99,
  revokedAt: undefined,
  lastUsedAt: undefined,
  data: "{}",
};
const AWKWARD = ["", "%_", "a:b", "{}", "{tag}x", "\0", "\n", "🙂", "é", "x".repeat(512), "__proto__"];
const atOnce = <T>(count: number, ask: (index: number) => T | Promise<T>) =>
  Promise.all(Array.from({ length: count }, async (_, index) => ask(index)));

for (const { name, service, open } of CLIENTS) {
  describeWith(service, `the ports with ${name}`, () => {
    const opened = () => {
      const clock = createManualClock();
      return { clock, ...openRedisStore(open(), { prefix: redisPrefix(), clock, deadlineMs: 5_000 }) };
    };

    it("tickets: of 100 at once one puts, one takes, one replaces; free again at the deadline", async () => {
      const { tickets, clock } = opened();
      const winners = (results: readonly boolean[]) => results.filter(Boolean).length;
      expect(winners(await atOnce(100, () => tickets.put("a", "one", 1_000)))).toBe(1);
      expect(winners(await atOnce(100, (index) => tickets.replace("a", "one", `two-${index}`, 1_000)))).toBe(1);
      expect((await atOnce(100, () => tickets.take("a"))).filter((value) => value !== undefined)).toHaveLength(1);
      await tickets.put("a", "", 1_000);
      clock.advance(999);
      expect([await tickets.put("a", "x", 1), await tickets.peek("a")]).toEqual([false, ""]);
      clock.advance(1);
      expect([await tickets.peek("a"), await tickets.take("a"), await tickets.replace("a", "", "x", 1)]).toEqual([
        undefined,
        undefined,
        false,
      ]);
    });

    it("tickets: awkward keys and values come back as they went, each its own", async () => {
      const { tickets } = opened();
      for (const key of AWKWARD) expect(await tickets.put(key, `1:2:${key}`, 60_000)).toBe(true);
      for (const key of AWKWARD) expect(await tickets.take(key)).toBe(`1:2:${key}`);
    });

    it("counters: of 100 at once exactly the limit is accepted; the window is not extended", async () => {
      const { counters, clock } = opened();
      const bound = { limit: 5, windowMs: 1_000 };
      expect((await atOnce(100, () => counters.add("a", 1, bound))).filter(({ accepted }) => accepted)).toHaveLength(5);
      clock.advance(400);
      expect(await counters.add("a", 1, bound)).toEqual({ accepted: false, value: 5, remainingMs: 600 });
      expect(await counters.read("a")).toEqual({ value: 5, remainingMs: 600 });
      clock.advance(600);
      expect(await counters.read("a")).toEqual({ value: 0, remainingMs: 0 });
      expect(await counters.add("a", 6, bound)).toEqual({ accepted: false, value: 0, remainingMs: 0 });
      expect(await counters.add("a", 3, bound)).toEqual({ accepted: true, value: 3, remainingMs: 1_000 });
      await counters.reset("a");
      expect(await counters.read("a")).toEqual({ value: 0, remainingMs: 0 });
    });

    it("limits: of 100 at once exactly the capacity passes; a refund and a reset give back", async () => {
      const { limits } = opened();
      const cells = (cost: number) => [{ id: "tier", capacity: 7, intervalMs: 1_000, cost }];
      expect((await atOnce(100, () => limits.consume("ada", cells(1)))).filter(({ allowed }) => allowed)).toHaveLength(7);
      await limits.refund("ada", cells(3));
      expect((await limits.consume("ada", cells(0))).cells[0]).toEqual({
        id: "tier",
        allowed: true,
        remaining: 3,
        resetMs: 4_000,
        retryAfterMs: 0,
      });
      expect((await limits.consume("ada", cells(8))).cells[0]).toMatchObject({ allowed: false, retryAfterMs: undefined });
      await limits.reset("ada");
      expect((await limits.consume("ada", cells(7))).allowed).toBe(true);
    });

    it("subjects: start at 1, 1, false; 100 bumps at once add 100", async () => {
      const { subjects } = opened();
      expect(await subjects.read("ada")).toEqual({ tokenVersion: 1, passwordVersion: 1, disabled: false });
      await atOnce(100, () => subjects.bump("ada", "tokenVersion"));
      await subjects.setDisabled("ada", true);
      expect(await subjects.bump("ada", "passwordVersion")).toEqual({ tokenVersion: 101, passwordVersion: 2, disabled: true });
      expect(await subjects.setDisabled("ada", false)).toMatchObject({ disabled: false });
      expect(await subjects.read("bob")).toEqual({ tokenVersion: 1, passwordVersion: 1, disabled: false });
    });

    it("sessions: rotate once, hold the cap under parallel logins, end at the deadline and on revocation", async () => {
      const { sessions, clock } = opened();
      const login = (id: string, cap: number) =>
        sessions.create({ id, subjectId: "ada", refreshHash: "h0", ttlMs: 1_000, data: '{"ip":1}' }, cap);
      expect(await login("s0", 0)).toEqual([]);
      const start = clock.now();
      clock.advance(10);
      expect((await atOnce(100, (index) => sessions.rotate("s0", "h0", `h-${index}`))).filter(Boolean)).toHaveLength(1);
      expect(await sessions.find("s0")).toMatchObject({
        id: "s0",
        subjectId: "ada",
        createdAt: start,
        lastUsedAt: start + 10,
        expiresAt: start + 1_000,
        data: '{"ip":1}',
      });
      const evicted = (await atOnce(20, (index) => login(`p${index}`, 3))).flat();
      expect(new Set(evicted).size).toBe(18);
      const live = await sessions.list("ada");
      expect(live).toHaveLength(3);
      for (const id of evicted) expect(await sessions.find(id)).toBeUndefined();
      expect(await sessions.revoke("ada", live[0]?.id)).toBe(1);
      expect(await sessions.revoke("ada", "unknown")).toBe(0);
      expect(await sessions.revoke("bob", live[1]?.id)).toBe(0);
      clock.advance(999);
      expect(await sessions.list("ada")).toHaveLength(2);
      clock.advance(1);
      expect([await sessions.list("ada"), await sessions.find(live[1]?.id ?? ""), await sessions.revoke("ada")]).toEqual([
        [],
        undefined,
        0,
      ]);
    });

    it("sessions: list newest first, and a session's id given to another subject leaves the first", async () => {
      const { sessions } = opened();
      for (const id of ["a", "b", "c"]) await sessions.create({ id, subjectId: "ada", refreshHash: "h", ttlMs: 1_000, data: "" }, 0);
      expect((await sessions.list("ada")).map(({ id }) => id)).toEqual(["c", "b", "a"]);
      await sessions.create({ id: "b", subjectId: "bob", refreshHash: "h", ttlMs: 1_000, data: "" }, 0);
      expect([(await sessions.list("ada")).map(({ id }) => id), (await sessions.find("b"))?.subjectId]).toEqual([["c", "a"], "bob"]);
    });

    it("apiKeys: an id is taken once, listed newest first, revoked once, by its owner", async () => {
      const { apiKeys, clock } = opened();
      const key = (id: string, ownerId: string, createdAt: number) => ({ ...KEY, id, ownerId, createdAt });
      const inserted = await atOnce(20, (index) => apiKeys.insert(key("one", `owner-${index}`, 1)));
      expect(inserted.filter(Boolean)).toHaveLength(1);
      const owner = `owner-${inserted.indexOf(true)}`;
      expect(await apiKeys.find("one")).toEqual(key("one", owner, 1));
      await apiKeys.insert(key("two", owner, 2));
      await apiKeys.insert(key("three", owner, 2));
      expect((await apiKeys.list(owner)).map(({ id }) => id)).toEqual(["three", "two", "one"]);
      expect(await apiKeys.list("owner-none")).toEqual([]);
      expect(await apiKeys.revoke("one", "owner-none")).toBe(false);
      expect((await atOnce(20, () => apiKeys.revoke("one", owner))).filter(Boolean)).toHaveLength(1);
      expect((await apiKeys.find("one"))?.revokedAt).toBe(clock.now());
      await apiKeys.touch("two", 1_000);
      const first = clock.now();
      clock.advance(999);
      await apiKeys.touch("two", 1_000);
      expect((await apiKeys.find("two"))?.lastUsedAt).toBe(first);
      clock.advance(1);
      await apiKeys.touch("two", 1_000);
      await apiKeys.touch("unknown", 0);
      expect([(await apiKeys.find("two"))?.lastUsedAt, await apiKeys.find("unknown")]).toEqual([first + 1_000, undefined]);
    });

    it("leases: one holder at a time, extended by it, free at the deadline", async () => {
      const { leases, clock } = opened();
      expect((await atOnce(100, (index) => leases.acquire("job", `holder-${index}`, 100))).filter(Boolean)).toHaveLength(1);
      clock.advance(100);
      expect([await leases.acquire("job", "me", 100), await leases.acquire("job", "me", 200), await leases.release("job", "you")]).toEqual([
        true,
        true,
        false,
      ]);
      clock.advance(199);
      expect(await leases.acquire("job", "you", 100)).toBe(false);
      expect([await leases.release("job", "me"), await leases.release("job", "me"), await leases.acquire("job", "you", 1)]).toEqual([
        true,
        false,
        true,
      ]);
    });

    it("records: one wins an id and a unique key; replaced by revision; listed by scope in the order of bytes", async () => {
      const { records, clock } = opened();
      const insert = (id: string, uniqueKey: string) => records.insert("users", { id, scope: "w", uniqueKey, value: "{}" });
      expect((await atOnce(50, (index) => insert(`u${index}`, "ada@example.org"))).filter(Boolean)).toHaveLength(1);
      const ada = await records.find("users", { uniqueKey: "ada@example.org" });
      expect(ada).toEqual({
        id: ada?.id,
        scope: "w",
        uniqueKey: "ada@example.org",
        value: "{}",
        revision: 1,
        createdAt: clock.now(),
        updatedAt: clock.now(),
      });
      clock.advance(5);
      const replaced = await atOnce(50, (index) => records.replace("users", ada?.id ?? "", 1, String(index)));
      expect(replaced.filter(Boolean)).toHaveLength(1);
      expect(await records.find("users", { id: ada?.id ?? "" })).toMatchObject({ revision: 2, updatedAt: clock.now() });
      expect([
        await records.remove("users", ada?.id ?? "", 1),
        await records.remove("users", ada?.id ?? "", 2),
        await records.remove("users", ada?.id ?? ""),
      ]).toEqual([false, true, false]);
      expect(await insert("again", "ada@example.org")).toMatchObject({ revision: 1 });

      const ids = [...AWKWARD, "\ue000", "a", "B"];
      for (const id of ids) await records.insert("awkward", { id, scope: `s${id}`, value: id });
      for (const id of ids)
        expect((await records.list("awkward", { scope: `s${id}`, limit: 9 })).records.map((record) => record.value)).toEqual([id]);
      for (const id of ids) await records.insert("ordered", { id, scope: "s", value: id });
      await records.insert("ordered", { id: "other", scope: "s2", value: "" });
      const sorted = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const first = await records.list("ordered", { scope: "s", limit: 5 });
      const rest = await records.list("ordered", { scope: "s", limit: 100, after: first.records.at(-1)?.id ?? "" });
      expect([...first.records, ...rest.records].map(({ id }) => id)).toEqual(sorted);
      expect([first.total, (await records.list("ordered", { scope: "s", limit: 2, offset: 3 })).records.map(({ id }) => id)]).toEqual([
        ids.length,
        sorted.slice(3, 5),
      ]);
      expect(await records.list("nothing", { scope: "s", limit: 5 })).toEqual({ records: [], total: 0 });
    });
  });
}

describe("the clients", () => {
  it("cover both majors, one server and Cluster", () => {
    expect(CLIENTS.map(({ service }) => service)).toContain("redis-cluster");
  });
});
