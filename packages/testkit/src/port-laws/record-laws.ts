import assert from "node:assert/strict";
import type { Records } from "@portcullis/core";
import { atOnce, AWKWARD_KEYS, count, isSnapshot, lawsOf, same } from "./port-law.js";

const put = (records: Records, id: string, scope = "s", uniqueKey?: string) =>
  records.insert("c", { id, scope, value: `value of ${id}`, ...(uniqueKey !== undefined && { uniqueKey }) });
const idsOf = async (records: Records, page: Parameters<Records["list"]>[1]): Promise<string[]> =>
  (await records.list("c", page)).records.map(({ id }) => id);

export const recordLaws = lawsOf("records", [
  {
    id: "RECORDS-01",
    title: "of 100 that insert one id at once, one wins",
    async run(records) {
      const stored = await atOnce(100, (index) => records.insert("c", { id: "one", scope: "s", value: `value ${index}` }));
      assert.equal(
        count(stored, (record) => record !== undefined),
        1,
      );
      same(
        await records.find("c", { id: "one" }),
        stored.find((record) => record !== undefined),
      );
    },
  },
  {
    id: "RECORDS-02",
    title: "of 100 that insert one unique key at once, one wins; it is free again once that record is gone",
    async run(records) {
      const stored = await atOnce(100, (index) => put(records, `id ${index}`, `scope ${index}`, "ada@example.com"));
      const winner = stored.find((record) => record !== undefined);
      assert.equal(
        count(stored, (record) => record !== undefined),
        1,
      );
      same(await records.find("c", { uniqueKey: "ada@example.com" }), winner);
      assert.equal(await records.find("c", { uniqueKey: "bob@example.com" }), undefined);
      assert.equal(await records.remove("c", winner?.id ?? ""), true);
      assert.equal(await records.find("c", { uniqueKey: "ada@example.com" }), undefined);
      assert.equal((await put(records, "again", "s", "ada@example.com"))?.id, "again");
    },
  },
  {
    id: "RECORDS-03",
    title: "without a unique key there is nothing to collide; another collection is another world",
    async run(records) {
      assert.ok(await put(records, "one"));
      assert.ok(await put(records, "two"));
      assert.ok(await put(records, "three", "s", "key"));
      assert.ok(await records.insert("d", { id: "three", scope: "s", uniqueKey: "key", value: "other" }));
      assert.equal((await records.find("c", { uniqueKey: "key" }))?.value, "value of three");
      assert.equal(await records.find("e", { id: "three" }), undefined);
      assert.equal(await records.replace("e", "three", 1, "x"), undefined);
      assert.equal(await records.remove("e", "three"), false);
    },
  },
  {
    id: "RECORDS-04",
    title: "of 100 that replace one revision at once, one wins; revision and time go on",
    async timed(records, clock) {
      const start = clock.now();
      same(await put(records, "one", "s", "key"), {
        ...{ id: "one", scope: "s", uniqueKey: "key", value: "value of one", revision: 1, createdAt: start, updatedAt: start },
      });
      clock.advance(5);
      const replaced = await atOnce(100, (index) => records.replace("c", "one", 1, `next ${index}`));
      const winner = replaced.find((record) => record !== undefined);
      assert.equal(
        count(replaced, (record) => record !== undefined),
        1,
      );
      const expected = { id: "one", scope: "s", uniqueKey: "key", revision: 2, createdAt: start, updatedAt: start + 5 };
      same(winner, { ...expected, value: `next ${replaced.indexOf(winner)}` });
      same(await records.find("c", { id: "one" }), winner);
      assert.equal(await records.replace("c", "one", 1, "late"), undefined);
      assert.equal(await records.replace("c", "none", 1, "late"), undefined);
    },
  },
  {
    id: "RECORDS-05",
    title: "of 100 that remove it at once one is told so; with a revision only that one goes",
    async run(records) {
      await put(records, "one");
      assert.equal(await records.remove("c", "one", 2), false);
      await records.replace("c", "one", 1, "next");
      assert.equal(await records.remove("c", "one", 1), false);
      assert.equal(
        count(await atOnce(100, () => records.remove("c", "one", 2)), (isGone) => isGone),
        1,
      );
      assert.equal(await records.find("c", { id: "one" }), undefined);
      assert.equal(await records.remove("c", "one"), false);
      assert.equal((await put(records, "one"))?.revision, 1);
    },
  },
  {
    id: "RECORDS-06",
    title: "listed by the order of the ids' UTF-8 bytes, by scope, in pages that meet; `total` counts the scope",
    async run(records) {
      const ids = ["", "A", "B", "Z", "_", "a", "a!", "aa", "b", "é", "\uE000", "\uFFFD", "🙂"];
      for (const id of ids.toReversed()) await put(records, id);
      await put(records, "foreign", "other");
      same(await idsOf(records, { scope: "s", limit: 100 }), ids);
      same(await idsOf(records, { scope: "s", limit: 3, after: "Z" }), ["_", "a", "a!"]);
      same(await idsOf(records, { scope: "s", limit: 2, offset: 11 }), ["\uFFFD", "🙂"]);
      same(await idsOf(records, { scope: "s", limit: 2, after: "a", offset: 1 }), ["aa", "b"]);
      same(await idsOf(records, { scope: "s", limit: 2, after: "ab" }), ["b", "é"], "`after` need not exist");
      same(await idsOf(records, { scope: "s", limit: 2, after: "🙂" }), []);
      assert.equal((await records.list("c", { scope: "s", limit: 1 })).total, ids.length);
      same(await records.list("c", { scope: "none", limit: 1 }), { records: [], total: 0 });
    },
  },
  {
    id: "RECORDS-07",
    title: "awkward texts are each their own",
    async run(records) {
      for (const text of AWKWARD_KEYS) {
        const given = { id: text, scope: text, uniqueKey: text, value: text };
        assert.ok(await records.insert("c", given), JSON.stringify(text));
        const found = await records.find("c", { uniqueKey: text });
        same({ ...found, ...given }, found);
        same(await idsOf(records, { scope: text, limit: 9 }), [text]);
        assert.ok(await records.insert(text, { ...given, id: "one" }), JSON.stringify(text));
      }
    },
  },
  {
    id: "RECORDS-08",
    title: "results are snapshots",
    async run(records) {
      await put(records, "one", "s", "key");
      await isSnapshot(() => records.find("c", { id: "one" }));
      await isSnapshot(() => records.find("c", { uniqueKey: "key" }));
      await isSnapshot(() => records.list("c", { scope: "s", limit: 9 }));
    },
  },
]);
