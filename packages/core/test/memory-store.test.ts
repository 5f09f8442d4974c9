import { ConfigurationError, createMemoryStore, type LimitCell, StoreUnavailable } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpiringMap } from "../src/memory/expiring-map.js";
import { LimitTable } from "../src/memory/limit-table.js";

const HOUR_MS = 3_600_000;
const once: LimitCell = { id: "tier", capacity: 1, intervalMs: HOUR_MS, cost: 1 };

describe("tickets and counters have a bound, and", () => {
  it("AUTH-J14 a full store of live tickets refuses new ones and forgets none", async () => {
    const clock = createManualClock();
    const { tickets } = createMemoryStore({ clock, maxTickets: 100 });
    for (let index = 0; index < 100; index += 1) await tickets.put(`revoked ${index}`, "", HOUR_MS);
    expect(() => tickets.put("one more", "", HOUR_MS)).toThrow(StoreUnavailable);
    for (let index = 0; index < 100; index += 1) expect(await tickets.peek(`revoked ${index}`)).toBe("");
    expect(await tickets.replace("revoked 0", "", "known keys are no new ones", HOUR_MS)).toBe(true);
    await tickets.take("revoked 1");
    expect(await tickets.put("one more", "", HOUR_MS)).toBe(true);
  });

  it("expired ones make room, however full it is and in whatever order they end", async () => {
    const clock = createManualClock();
    const { tickets } = createMemoryStore({ clock, maxTickets: 100 });
    for (let index = 0; index < 100; index += 1) await tickets.put(`${index}`, "", 1_000 - index);
    clock.advance(901);
    expect(await tickets.put("one more", "", HOUR_MS)).toBe(true);
    expect(() => tickets.put("and one", "", HOUR_MS)).toThrow(StoreUnavailable);
    clock.advance(99);
    for (let index = 0; index < 99; index += 1) expect(await tickets.put(`new ${index}`, "", HOUR_MS)).toBe(true);
  });

  it("a full store of live counters resets no lockout", async () => {
    const clock = createManualClock();
    const { counters } = createMemoryStore({ clock, maxCounters: 10 });
    const bound = { limit: 1, windowMs: HOUR_MS };
    for (let index = 0; index < 10; index += 1) await counters.add(`${index}`, 1, bound);
    expect(() => counters.add("one more", 1, bound)).toThrow(StoreUnavailable);
    expect(await counters.add("0", 1, bound)).toMatchObject({ accepted: false, value: 1 });
    clock.advance(HOUR_MS);
    expect(await counters.add("one more", 1, bound)).toMatchObject({ accepted: true });
  });

  it("keys that are put and taken over and over leave nothing behind", () => {
    const map = new ExpiringMap<{ readonly key: string; readonly expiresAt: number }>(1_000);
    for (let turn = 0; turn < 100_000; turn += 1) {
      map.set({ key: "k", expiresAt: HOUR_MS + turn }, turn, "test");
      map.delete("k");
    }
    expect(map.size).toBe(0);
    expect(map.weight).toBeLessThan(200);
  });

  it("whatever happens, what is there is what a plain list says", () => {
    const step = fc.record({ key: fc.constantFrom("a", "b", "c", "d", "e"), ttl: fc.nat(20), wait: fc.nat(8), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const expired: string[] = [];
        const map = new ExpiringMap<{ readonly key: string; readonly expiresAt: number }>(100, ({ key }) => void expired.push(key));
        const model = new Map<string, number>();
        let now = 0;
        for (const { key, ttl, wait, remove } of steps) {
          now += wait;
          if (remove) {
            map.delete(key);
            model.delete(key);
          } else {
            map.set({ key, expiresAt: now + ttl }, now, "test");
            model.set(key, now + ttl);
          }
          for (const name of ["a", "b", "c", "d", "e"]) {
            const expiresAt = model.get(name);
            expect(map.get(name, now)?.expiresAt).toBe(expiresAt !== undefined && now < expiresAt ? expiresAt : undefined);
          }
        }
      }),
    );
  });
});

describe("limits have a bound, and", () => {
  it("RL-31 a flood of other subjects does not reset an exhausted one", async () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock, maxLimitCells: 1_000 });
    await limits.consume("exhausted", [once]);
    for (let index = 0; index < 20_000; index += 1) await limits.consume(`flood ${index}`, [once]);
    expect((await limits.consume("exhausted", [once])).allowed).toBe(false);
  });

  it("RL-30 RL-32 saturated, new subjects share cells and the old ones keep theirs", async () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock, maxLimitCells: 10 });
    const wide = { ...once, capacity: 1_000_000, intervalMs: 1_000 };
    for (let index = 0; index < 10; index += 1) await limits.consume(`old ${index}`, [wide]);
    let shared = 0;
    for (let index = 0; index < 5_000; index += 1) shared += (await limits.consume(`new ${index}`, [once])).allowed ? 1 : 0;
    // As many as there are overflow cells at most; far more than one, so that strangers seldom meet.
    expect(shared).toBeLessThanOrEqual(4_096);
    expect(shared).toBeGreaterThan(1_000);
    for (let index = 0; index < 10; index += 1)
      expect((await limits.consume(`old ${index}`, [{ ...wide, cost: 0 }])).cells[0]?.remaining).toBe(999_999);
    clock.advance(HOUR_MS);
    expect((await limits.consume("new 0", [once])).allowed).toBe(true);
  });

  it("cells whose time has passed make room", async () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock, maxLimitCells: 100 });
    const brief = { ...once, intervalMs: 1_000 };
    for (let round = 0; round < 50; round += 1) {
      for (let index = 0; index < 100; index += 1) expect((await limits.consume(`${round} ${index}`, [brief])).allowed).toBe(true);
      clock.advance(1_000);
    }
  });

  it("RL-34 a step of the wall clock neither locks out nor refills", async () => {
    const clock = createManualClock();
    const { limits, tickets, counters, leases } = createMemoryStore({ clock });
    await limits.consume("ada", [once]);
    await tickets.put("revoked", "", HOUR_MS);
    await counters.add("locked", 1, { limit: 1, windowMs: HOUR_MS });
    await leases.acquire("job", "one", HOUR_MS);
    for (const step of [24 * HOUR_MS, -48 * HOUR_MS]) {
      clock.set(clock.now() + step);
      expect((await limits.consume("ada", [once])).allowed).toBe(false);
      expect(await tickets.peek("revoked")).toBe("");
      expect((await counters.read("locked")).value).toBe(1);
      expect(await leases.acquire("job", "other", 1)).toBe(false);
    }
    clock.advance(HOUR_MS);
    expect((await limits.consume("ada", [once])).allowed).toBe(true);
  });

  it("whatever is swept, freed and taken again, each cell keeps its own time", () => {
    const step = fc.record({
      subject: fc.constantFrom("a", "b", "c"),
      id: fc.constantFrom("x", "y"),
      debt: fc.nat(10),
      wait: fc.nat(4),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new LimitTable(6);
        const model = new Map<string, number>();
        let now = 1;
        for (const { subject, id, debt, wait, remove } of steps) {
          now += wait;
          table.sweep(now);
          if (remove) {
            table.removeAll(subject);
            for (const cell of ["x", "y"]) model.delete(subject + cell);
          } else {
            table.set(subject, id, now + debt, 1);
            model.set(subject + id, now + debt);
          }
          for (const name of ["a", "b", "c"]) {
            for (const cell of ["x", "y"]) {
              const arrival = table.arrivalAt(table.find(name, cell), name, cell);
              const expected = model.get(name + cell) ?? 0;
              expect(Math.max(arrival, now)).toBe(Math.max(expected, now));
            }
          }
        }
      }),
    );
  });
});

it.each([0, -1, 1.5, Number.NaN, Infinity, 2 ** 24 + 1])("a bound of %s is refused", (bound) => {
  for (const option of ["maxTickets", "maxCounters", "maxLimitCells"]) {
    expect(() => createMemoryStore({ [option]: bound })).toThrow(ConfigurationError);
  }
});

it("answers at once: no promise on the way", () => {
  const store = createMemoryStore();
  expect(store.tickets.put("key", "value", HOUR_MS)).toBe(true);
  expect(store.limits.consume("ada", [once])).toMatchObject({ allowed: true });
  expect(store.subjects.read("ada")).toMatchObject({ tokenVersion: 1 });
});
