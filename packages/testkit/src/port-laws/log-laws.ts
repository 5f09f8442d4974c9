import assert from "node:assert/strict";
import { DuplicateLogKey, type Log, type LogBatch, type LogEntry, type LogHead } from "@portcullis/core";
import { atOnce, AWKWARD_KEYS, isSnapshot, lawsOf, same } from "./port-law.js";

const text = new TextEncoder();
const entry = (key: string, members: Partial<LogEntry> = {}): LogEntry => ({
  ...{ key, bytes: text.encode(`bytes of ${key}`), at: 1, category: "data", actor: "ada", action: "read", workspaceId: "w1" },
  ...members,
});
/** Adds these; the frontier says what the head was when they were added. */
const adding =
  (...entries: readonly LogEntry[]) =>
  (head: LogHead): LogBatch => ({ entries, frontier: text.encode(`${head.size}+${entries.length}`) });
const keysOf = async (log: Log, ...rest: [number, number, Parameters<Log["read"]>[3]?]): Promise<string[]> =>
  (await log.read("log", ...rest)).map(({ key }) => key);
const isDuplicateOf =
  (key: string) =>
  (error: unknown): boolean =>
    error instanceof DuplicateLogKey && error.key === key;

export const logLaws = lawsOf("log", [
  {
    id: "LOG-01",
    title: "a log never written has size 0, an empty frontier and no entries",
    async run(log) {
      same(await log.head("log"), { size: 0, frontier: new Uint8Array() });
      same(await log.read("log", 0, 10), []);
      await log.append("log", (head) => {
        same(head, { size: 0, frontier: new Uint8Array() });
        return adding()(head);
      });
    },
  },
  {
    id: "LOG-02",
    title: "under 100 parallel appenders the indexes have no gap, and each build sees the head that its entries follow",
    async run(log) {
      const heads = await atOnce(100, (index) => log.append("log", adding(entry(`${index}.a`), entry(`${index}.b`))));
      assert.deepEqual(
        heads.map(({ size }) => size).toSorted((a, b) => a - b),
        heads.map((_, index) => 2 * (index + 1)),
      );
      const entries = await log.read("log", 0, 1_000);
      assert.deepEqual(
        entries.map(({ index }) => index),
        Array.from({ length: 200 }, (_, index) => index),
      );
      for (const [index, stored] of entries.entries()) {
        // The two of one batch stay together, in their order.
        const first = entries[index - (index % 2)];
        assert.equal(stored.key, first?.key.replace("a", index % 2 === 0 ? "a" : "b"));
      }
      for (const head of heads) same(head.frontier, text.encode(`${head.size - 2}+2`));
      same(await log.head("log"), { size: 200, frontier: text.encode("198+2") });
    },
  },
  {
    id: "LOG-03",
    title: "an entry comes back byte for byte, with its columns and its place",
    async run(log) {
      const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
      const full = entry("one", {
        bytes,
        at: Date.UTC(2031, 1, 2),
        category: "security",
        actor: "bob",
        action: "delete",
        workspaceId: "w9",
      });
      same(await log.append("log", adding(full, entry("two", { bytes: new Uint8Array() }))), { size: 2, frontier: text.encode("0+2") });
      same(await log.read("log", 0, 10), [
        { ...full, index: 0 },
        { ...entry("two", { bytes: new Uint8Array() }), index: 1 },
      ]);
    },
  },
  {
    id: "LOG-04",
    title: "a key that exists already is refused, and its whole batch with it",
    async run(log) {
      await log.append("log", adding(entry("one")));
      const before = await log.head("log");
      await assert.rejects(async () => log.append("log", adding(entry("two"), entry("one"), entry("three"))), isDuplicateOf("one"));
      await assert.rejects(async () => log.append("log", adding(entry("two"), entry("two"))), isDuplicateOf("two"), "twice in one batch");
      same(await log.head("log"), before);
      assert.deepEqual(await keysOf(log, 0, 10), ["one"]);
      await log.append("other", adding(entry("one")));
      await log.append("log", adding(entry("two")));
      assert.deepEqual(
        (await log.read("log", 1, 10)).map(({ key, index }) => [key, index]),
        [["two", 1]],
      );
    },
  },
  {
    id: "LOG-05",
    title: "of 50 that append one key at once, one does",
    async run(log) {
      const results = await Promise.allSettled(Array.from({ length: 50 }, async () => log.append("log", adding(entry("one")))));
      assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
      for (const result of results) if (result.status === "rejected") assert.ok(isDuplicateOf("one")(result.reason), String(result.reason));
      assert.equal((await log.head("log")).size, 1);
    },
  },
  {
    id: "LOG-06",
    title: "what the build throws is passed on, and nothing is stored",
    async run(log) {
      await log.append("log", adding(entry("one")));
      const mistake = new Error("the build's own");
      const failing = async (): Promise<LogHead> =>
        log.append("log", () => {
          throw mistake;
        });
      await assert.rejects(failing, (error) => error === mistake);
      same(await log.head("log"), { size: 1, frontier: text.encode("0+1") });
      await log.append("log", adding(entry("two")));
      assert.deepEqual(await keysOf(log, 0, 10), ["one", "two"]);
    },
  },
  {
    id: "LOG-07",
    title: "a batch without entries moves the frontier and nothing else",
    async run(log) {
      await log.append("log", adding(entry("one")));
      same(await log.append("log", adding()), { size: 1, frontier: text.encode("1+0") });
      same(await log.head("log"), { size: 1, frontier: text.encode("1+0") });
    },
  },
  {
    id: "LOG-08",
    title: "a large batch is whole and in order",
    async run(log) {
      const entries = Array.from({ length: 1_500 }, (_, index) => entry(`key ${index}`));
      await log.append("log", adding(entry("first")));
      await log.append("log", adding(...entries));
      assert.deepEqual(
        await keysOf(log, 1, 2_000),
        entries.map(({ key }) => key),
      );
      const duplicate = adding(...entries.map(({ key }) => entry(key === "key 1499" ? key : `${key}!`)));
      await assert.rejects(async () => log.append("log", duplicate), isDuplicateOf("key 1499"));
      assert.equal((await log.head("log")).size, 1_501);
    },
  },
  {
    id: "LOG-09",
    title: "read begins at an index and ends at the limit; filters are all-of, and half-open in time",
    async run(log) {
      const entries = Array.from({ length: 6 }, (_, index) =>
        entry(`k${index}`, { at: index * 10, actor: index % 2 === 0 ? "ada" : "bob", workspaceId: index < 3 ? "w1" : "w2" }),
      );
      await log.append("log", adding(...entries, entry("k6", { at: 10, category: "admin", action: "write" })));
      assert.deepEqual(await keysOf(log, 2, 3), ["k2", "k3", "k4"]);
      assert.deepEqual(await keysOf(log, 7, 3), []);
      assert.deepEqual(await keysOf(log, 0, 9, { from: 10, to: 30 }), ["k1", "k2", "k6"]);
      assert.deepEqual(await keysOf(log, 0, 1, { from: 20 }), ["k2"], "the limit counts what matches");
      assert.deepEqual(await keysOf(log, 3, 9, { to: 31 }), ["k3", "k6"]);
      assert.deepEqual(await keysOf(log, 0, 9, { actor: "bob" }), ["k1", "k3", "k5"]);
      assert.deepEqual(await keysOf(log, 0, 9, { actor: "bob", workspaceId: "w2" }), ["k3", "k5"]);
      assert.deepEqual(await keysOf(log, 0, 9, { category: "admin", action: "write" }), ["k6"]);
      assert.deepEqual(await keysOf(log, 0, 9, { category: "admin", action: "read" }), []);
    },
  },
  {
    id: "LOG-10",
    title: "awkward logs, keys and columns are each their own",
    async run(log) {
      for (const name of AWKWARD_KEYS) {
        const stored = entry(name, { category: name, actor: name, action: name, workspaceId: name });
        same((await log.append(name, adding(stored))).size, 1, JSON.stringify(name));
        same(await log.read(name, 0, 9, { category: name, actor: name, action: name, workspaceId: name }), [{ ...stored, index: 0 }]);
      }
      await log.append("log", adding(...AWKWARD_KEYS.map((key) => entry(key))));
      assert.deepEqual(await keysOf(log, 0, 999), AWKWARD_KEYS);
    },
  },
  {
    id: "LOG-11",
    title: "results are snapshots, and so are the bytes that were given",
    async run(log) {
      const bytes = text.encode("as it was");
      const frontier = text.encode("frontier");
      await log.append("log", () => ({ entries: [entry("one", { bytes })], frontier }));
      bytes.fill(0);
      frontier.fill(0);
      same((await log.read("log", 0, 1))[0]?.bytes, text.encode("as it was"));
      same((await log.head("log")).frontier, text.encode("frontier"));
      await isSnapshot(() => log.head("log"));
      await isSnapshot(() => log.read("log", 0, 9));
    },
  },
]);
