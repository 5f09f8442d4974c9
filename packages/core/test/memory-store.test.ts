import {
  type BucketCell,
  type CalendarCell,
  ConfigurationError,
  createMemoryStore,
  type LimitAsk,
  type LimitCell,
  type LimitHolder,
  type LimitLease,
  StoreUnavailable,
} from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ExpiringMap } from "../src/memory/expiring-map.js";
import { LeaseTable } from "../src/memory/lease-table.js";
import { LimitTable } from "../src/memory/limit-table.js";
import { LimitModel, MODEL_CELLS } from "./limit-model.js";

const HOUR_MS = 3_600_000;
const once: BucketCell = { kind: "bucket", id: "tier", capacity: 1, intervalMs: HOUR_MS, cost: 1 };
const user = (id: string): LimitHolder => ({ kind: "user", id });
const ada = user("ada");
const asking = (id: string, ...cells: readonly LimitCell[]): LimitAsk => ({ kind: "user", id, cells });

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

/** `npm run soak` takes its time. */
const HOLDERS = process.env["PORTCULLIS_SOAK"] === "true" ? 10_000_000 : 200_000;

describe("limits have a bound, and", () => {
  it(`RL-30 ${HOLDERS.toLocaleString("en")} holders leave no more cells than that, and no timers`, () => {
    let timers = 0;
    const clock = { ...createManualClock(), after: () => ((timers += 1), () => {}) };
    const { limits } = createMemoryStore({ clock, maxLimitCells: 10_000 });
    for (let index = 0; index < HOLDERS; index += 1) limits.consume(asking(`${index}`, once));
    expect(limits.usage()).toMatchObject({ cells: 10_000, isFull: true });
    expect(timers).toBe(0);
  });

  it("RL-31 a flood of other holders does not reset an exhausted one, whatever the kind of limit", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock, maxLimitCells: 1_000 });
    const each: readonly LimitCell[] = [
      once,
      { kind: "window", id: "window", capacity: 1, windowMs: HOUR_MS, cost: 1 },
      { kind: "calendar", id: "calendar", capacity: 1, boundaries: [clock.now(), clock.now() + HOUR_MS], cost: 1 },
    ];
    limits.consume(asking("exhausted", ...each));
    for (let index = 0; index < 20_000; index += 1) limits.consume(asking(`flood ${index}`, ...each));
    for (const cell of each) expect([cell.kind, limits.consume(asking("exhausted", cell)).allowed]).toEqual([cell.kind, false]);
  });

  it("RL-30 RL-32 saturated, new holders share cells and the old ones keep theirs", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock, maxLimitCells: 10 });
    const wide = { ...once, capacity: 1_000_000, intervalMs: 1_000 };
    for (let index = 0; index < 10; index += 1) limits.consume(asking(`old ${index}`, wide));
    expect(limits.usage().isFull).toBe(false);
    let shared = 0;
    for (let index = 0; index < 5_000; index += 1) shared += limits.consume(asking(`new ${index}`, once)).allowed ? 1 : 0;
    // As many as there are overflow cells at most; far more than one, so that strangers seldom meet.
    expect(shared).toBeLessThanOrEqual(4_096);
    expect(shared).toBeGreaterThan(1_000);
    for (let index = 0; index < 10; index += 1) {
      expect(limits.consume(asking(`old ${index}`, { ...wide, cost: 0 })).cells[0]?.remaining).toBe(999_999);
    }
    expect(limits.usage().isFull).toBe(true);
    clock.advance(HOUR_MS);
    expect(limits.usage().isFull).toBe(false);
    expect(limits.consume(asking("new 0", once)).allowed).toBe(true);
  });

  it("RL-32 saturated, no limit that counts is taken for the debt of a bucket", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock, maxLimitCells: 1 });
    const yearly: CalendarCell = {
      ...{ kind: "calendar", id: "year", capacity: 1, boundaries: [clock.now(), clock.now() + 8_760 * HOUR_MS], cost: 1 },
    };
    for (let index = 0; index < 20_000; index += 1) limits.consume(asking(`${index}`, yearly));
    for (let index = 0; index < 100; index += 1) {
      expect(limits.consume(asking(`${index}`, { ...once, capacity: 1_000 })).allowed).toBe(true);
    }
  });

  it("cells whose time has passed make room", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock, maxLimitCells: 100 });
    const brief = { ...once, intervalMs: 1_000 };
    for (let round = 0; round < 50; round += 1) {
      for (let index = 0; index < 100; index += 1) expect(limits.consume(asking(`${round} ${index}`, brief)).allowed).toBe(true);
      clock.advance(1_000);
    }
    expect(limits.usage().isFull).toBe(false);
  });

  it("a full store of places in use refuses new ones, charges nothing, and has room again when they are over", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock, maxLimitCells: 100 });
    const place = (key: string): LimitLease => ({ id: "job", capacity: 1, key, ttlMs: 1_000 });
    for (let index = 0; index < 100; index += 1) limits.consume({ ...asking(`${index}`), lease: place("held") });
    expect(() => limits.consume({ ...asking("one more", once), lease: place("held") })).toThrow(StoreUnavailable);
    expect(limits.consume(asking("one more", once)).allowed).toBe(true);
    expect(limits.usage().leases).toBe(100);
    limits.settle({ ...asking("7"), lease: place("held") }, 0);
    expect(limits.consume({ ...asking("and one"), lease: place("held") }).allowed).toBe(true);
    clock.advance(1_000);
    expect(limits.consume({ ...asking("one more"), lease: place("held") }).allowed).toBe(true);
    expect(limits.usage().leases).toBe(1);
  });

  it("a full store of blocks refuses new ones and ends none early", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock, maxLimitCells: 10 });
    for (let index = 0; index < 10; index += 1) limits.block(user(`${index}`), 1_000);
    expect(() => limits.block(ada, 1_000)).toThrow(StoreUnavailable);
    for (let index = 0; index < 10; index += 1) expect(limits.consume(asking(`${index}`)).allowed).toBe(false);
    limits.block(user("0"), 2_000);
    clock.advance(1_000);
    limits.block(ada, 1_000);
    expect(limits.usage().blocks).toBe(2);
  });

  it("RL-34 a step of the wall clock neither locks out nor refills", async () => {
    const clock = createManualClock();
    const { limits, tickets, counters, leases } = createMemoryStore({ clock });
    const window: LimitCell = { kind: "window", id: "window", capacity: 1, windowMs: HOUR_MS, cost: 1 };
    const lease: LimitLease = { id: "job", capacity: 1, key: "key", ttlMs: HOUR_MS };
    limits.consume({ ...asking("ada", once, window), lease });
    limits.block(user("bob"), HOUR_MS);
    await tickets.put("revoked", "", HOUR_MS);
    await counters.add("locked", 1, { limit: 1, windowMs: HOUR_MS });
    await leases.acquire("job", "one", HOUR_MS);
    for (const step of [24 * HOUR_MS, -48 * HOUR_MS]) {
      clock.set(clock.now() + step);
      for (const cell of [once, window]) expect(limits.consume(asking("ada", cell)).allowed).toBe(false);
      expect(limits.consume({ ...asking("ada"), lease: { ...lease, key: "other" } }).allowed).toBe(false);
      expect(limits.consume(asking("bob")).allowed).toBe(false);
      expect(await tickets.peek("revoked")).toBe("");
      expect((await counters.read("locked")).value).toBe(1);
      expect(await leases.acquire("job", "other", 1)).toBe(false);
    }
    clock.advance(HOUR_MS);
    expect(limits.consume(asking("ada", once)).allowed).toBe(true);
  });

  it("RL-34 a period of the calendar is kept until the wall clock is past it, and not for longer", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock });
    const start = clock.now();
    const daily: CalendarCell = {
      ...{ kind: "calendar", id: "day", capacity: 1, boundaries: [start - HOUR_MS, start + HOUR_MS, start + 25 * HOUR_MS], cost: 1 },
    };
    limits.consume(asking("ada", daily));
    clock.set(start - HOUR_MS / 2);
    clock.advance(HOUR_MS);
    // More than enough for the sweep to look at every cell.
    for (let index = 0; index < 10; index += 1) limits.consume(asking("bob", { ...once, cost: 0 }));
    expect(limits.usage().cells).toBe(1);
    expect(limits.consume(asking("ada", daily)).allowed).toBe(false);
    clock.advance(HOUR_MS / 2);
    for (let index = 0; index < 10; index += 1) limits.consume(asking("bob", { ...once, cost: 0 }));
    expect(limits.usage().cells).toBe(0);
    expect(limits.consume(asking("ada", daily)).allowed).toBe(true);
  });

  it("RL-34 a period of the calendar counts by the wall clock, whether or not the sweep has been there", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock });
    const start = clock.now();
    const daily: CalendarCell = { kind: "calendar", id: "day", capacity: 1, boundaries: [start - HOUR_MS, start + HOUR_MS], cost: 1 };
    for (let index = 0; index < 100; index += 1) limits.consume(asking(`${index}`, daily));
    clock.set(start - HOUR_MS / 2);
    clock.advance(HOUR_MS);
    for (let index = 99; index >= 0; index -= 1) expect([index, limits.consume(asking(`${index}`, daily)).allowed]).toEqual([index, false]);
  });

  it("settling takes up no cell where nothing was used, and leaves none where all was given back", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock });
    const daily: CalendarCell = {
      ...{ kind: "calendar", id: "day", capacity: 5, boundaries: [clock.now(), clock.now() + HOUR_MS], cost: 1 },
    };
    limits.settle(asking("ada", once, daily), clock.monotonic());
    expect(limits.usage().cells).toBe(0);
    const { at } = limits.consume(asking("ada", once, daily));
    limits.settle(asking("ada", once, daily), at);
    for (let index = 0; index < 10; index += 1) limits.consume(asking("bob", { ...once, cost: 0 }));
    expect(limits.usage().cells).toBe(0);
  });

  it("what another store said is adopted: as little is left as there, and no more than here", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock });
    const other = createMemoryStore({ clock }).limits;
    const each: readonly LimitCell[] = [
      { ...once, capacity: 5 },
      { kind: "window", id: "window", capacity: 5, windowMs: HOUR_MS, cost: 1 },
      { kind: "calendar", id: "calendar", capacity: 5, boundaries: [clock.now(), clock.now() + 9 * HOUR_MS], cost: 1 },
    ];
    const costing = (cost: number): readonly LimitCell[] => each.map((cell) => ({ ...cell, cost }));
    const remaining = (): readonly number[] => limits.consume(asking("ada", ...costing(0))).cells.map((state) => state.remaining);
    limits.adopt(ada, each, other.consume(asking("ada", ...costing(3))).cells);
    expect(remaining()).toEqual([2, 2, 2]);
    limits.adopt(ada, each, other.consume(asking("ada", ...costing(0))).cells);
    expect(remaining()).toEqual([2, 2, 2]);
    limits.adopt(ada, each, other.consume(asking("bob", ...each)).cells);
    expect(remaining()).toEqual([2, 2, 2]);
    limits.consume(asking("ada", ...each));
    expect(remaining()).toEqual([1, 1, 1]);
    limits.adopt(ada, each.slice(0, 1), [{ id: "tier", allowed: false, remaining: 0, resetMs: 100 * HOUR_MS, retryAfterMs: HOUR_MS }]);
    expect(remaining()).toEqual([0, 1, 1]);
    clock.advance(HOUR_MS);
    expect(remaining()[0]).toBe(1);
    limits.adopt(user("nobody"), each, other.consume(asking("nobody", ...costing(0))).cells);
    limits.adopt(user("nobody"), each, []);
    expect(limits.usage().cells).toBe(3);
  });

  it("adopting counts the window before once", () => {
    const clock = createManualClock();
    const { limits } = createMemoryStore({ clock });
    const other = createMemoryStore({ clock }).limits;
    const hourly: LimitCell = { kind: "window", id: "window", capacity: 10, windowMs: HOUR_MS, cost: 4 };
    clock.advance(HOUR_MS - (clock.monotonic() % HOUR_MS));
    for (const turn of [1, 2]) {
      limits.adopt(ada, [hourly], other.consume(asking("ada", hourly)).cells);
      expect(limits.consume(asking("ada", { ...hourly, cost: 0 })).cells[0]?.remaining).toBe(turn === 1 ? 6 : 4);
      clock.advance(turn === 1 ? 1.5 * HOUR_MS : 0);
    }
  });

  it("whatever is asked, settled, blocked and reset, the answers are those of a plain model", () => {
    const cost = fc.constantFrom(-1, 0, 1, 2, 3, 4);
    const lease = fc.record({
      id: fc.constant("job"),
      capacity: fc.integer({ min: 1, max: 3 }),
      key: fc.constantFrom("a", "b", "c", "d"),
      ttlMs: fc.nat(80),
    });
    const asked = fc.record({
      kind: fc.constant("user" as const),
      id: fc.constantFrom("ada", "ada", "ada", "bob"),
      cells: fc
        .subarray([...MODEL_CELLS])
        .chain((cells) =>
          fc.tuple(
            ...cells.map((cell) =>
              fc
                .record({ cost, capacity: fc.constantFrom(cell.capacity, cell.kind === "bucket" ? cell.capacity : 3) })
                .map((part) => ({ ...cell, ...part })),
            ),
          ),
        ),
      lease: fc.option(lease, { nil: undefined }),
    });
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ do: fc.constant("consume" as const), asked }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("settle" as const), asked, agoMs: fc.nat(150) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("renew" as const), asked, lease }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(40) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("block" as const, "reset" as const), asked, ms: fc.nat(20) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 100, size: "max" }), (steps) => {
        const clock = createManualClock();
        const { limits } = createMemoryStore({ clock });
        const model = new LimitModel(clock);
        for (const one of steps) {
          switch (one.do) {
            case "consume": {
              const { allowed, cells, lease: said, blockedMs } = limits.consume(one.asked);
              const answer = { allowed, remaining: cells.map(({ remaining }) => remaining), places: said?.remaining, blockedMs };
              expect(answer).toEqual(model.consume(one.asked));
              break;
            }
            case "settle":
              limits.settle(one.asked, clock.monotonic() - one.agoMs);
              model.settle(one.asked, one.agoMs);
              break;
            case "renew":
              expect(limits.renew(one.asked, one.lease)).toBe(model.renew(one.asked, one.lease));
              break;
            case "wait":
              clock.advance(one.ms);
              break;
            case "block":
              limits.block(one.asked, one.ms);
              model.block(one.asked, one.ms);
              break;
            case "reset":
              limits.reset(one.asked);
              model.reset(one.asked);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("the table of limits", () => {
  const cellOf = (id: string): BucketCell => ({ ...once, id, intervalMs: 1 });
  const neverLeft = (): number => 0;

  it("keeps each cell's own time, whatever is swept, freed and taken again", () => {
    const step = fc.record({
      holder: fc.constantFrom("a", "b", "c"),
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
        for (const { holder, id, debt, wait, remove } of steps) {
          now += wait;
          table.sweep(now, neverLeft);
          if (remove) {
            table.removeAll(user(holder));
            for (const cell of ["x", "y"]) model.delete(holder + cell);
          } else {
            table.put(user(holder), cellOf(id), table.find(user(holder), cellOf(id), now), now + debt);
            model.set(holder + id, now + debt);
          }
          for (const name of ["a", "b", "c"]) {
            for (const cell of ["x", "y"]) {
              const arrival = table.arrivalAt(table.find(user(name), cellOf(cell), now));
              expect(Math.max(arrival, now)).toBe(Math.max(model.get(name + cell) ?? 0, now));
            }
          }
        }
      }),
    );
  });

  it("forgets terms that no cell has, so that limits made up per request fill nothing", () => {
    const table = new LimitTable(100);
    for (let now = 1; now < 10_000; now += 1) {
      table.sweep(now, neverLeft);
      const cell = cellOf(`made up ${now}`);
      table.put(ada, cell, table.find(ada, cell, now), now + 5);
    }
    expect(table.terms).toBeLessThan(20);
    const changing = cellOf("changing");
    for (let intervalMs = 1; intervalMs < 1_000; intervalMs += 1) {
      const cell = { ...changing, intervalMs };
      table.put(ada, cell, table.find(ada, cell, 10_000), 20_000);
    }
    expect(table.terms).toBeLessThan(20);
    table.removeAll(ada);
    expect([table.terms, table.size]).toEqual([0, 0]);
  });
});

describe("the table of leases", () => {
  const job = (key: string): LimitLease => ({ id: "job", capacity: 2, key, ttlMs: 100 });

  it("drops what is over when it is full, of every cap", () => {
    const table = new LeaseTable(4);
    for (const id of ["a", "b", "c", "d"]) table.take(user(id), job("key"), 0);
    expect(() => table.take(ada, job("key"), 99)).toThrow(StoreUnavailable);
    table.take(ada, job("key"), 100);
    expect(table.size).toBe(1);
    expect(table.free(user("a"), job("key"), 100)).toBe(2);
  });

  it("counts a key once, however often it is taken, renewed and given back", () => {
    const table = new LeaseTable(4);
    for (const now of [0, 10]) table.take(ada, job("key"), now);
    expect([table.size, table.renew(ada, job("key"), 50), table.free(ada, job("other"), 149)]).toEqual([1, true, 1]);
    for (let turn = 0; turn < 2; turn += 1) table.release(ada, job("key"));
    expect([table.size, table.free(ada, job("other"), 149)]).toEqual([0, 2]);
  });

  it("RL-25 tells caps and holders apart, wherever their names are cut", () => {
    const table = new LeaseTable(4);
    table.take(user("b:c"), { ...job("key"), id: "a" }, 0);
    expect(table.free(user("c"), { ...job("key"), id: "a:b" }, 0)).toBe(2);
    expect(table.free(user("b:c"), { ...job("key"), id: "a" }, 0)).toBe(1);
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
  expect(store.limits.consume(asking("ada", once))).toMatchObject({ allowed: true });
  expect(store.subjects.read("ada")).toMatchObject({ tokenVersion: 1 });
});
