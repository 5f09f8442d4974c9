import assert from "node:assert/strict";
import type { ApiKeyRecord } from "@portcullis/core";
import { atOnce, AWKWARD_KEYS, count, isSnapshot, lawsOf, same } from "./port-law.js";

const record = (id: string, ownerId = "ada", createdAt = 1): ApiKeyRecord => ({
  ...{ id, ownerId, createdAt, name: `name of ${id}`, hash: `hash of ${id}`, pepperId: "pepper", lastFour: "wxyz" },
  ...{ expiresAt: undefined, revokedAt: undefined, lastUsedAt: undefined, data: `{"of":"${id}"}` },
});

export const apiKeyLaws = lawsOf("apiKeys", [
  {
    id: "APIKEYS-01",
    title: "of 100 that insert one id at once, one wins; the others change nothing",
    async run(apiKeys) {
      const won = await atOnce(100, (index) => apiKeys.insert(record("one", `owner ${index}`)));
      assert.equal(
        count(won, (isWon) => isWon),
        1,
      );
      same(await apiKeys.find("one"), record("one", `owner ${won.indexOf(true)}`));
    },
  },
  {
    id: "APIKEYS-02",
    title: "a key comes back as it was stored, with and without an end",
    async run(apiKeys) {
      const full = { ...record("one"), expiresAt: 5_000, revokedAt: 6_000, lastUsedAt: 7_000 };
      await apiKeys.insert(full);
      await apiKeys.insert(record("two"));
      same(await apiKeys.find("one"), full);
      same(await apiKeys.find("two"), record("two"));
      assert.equal((await apiKeys.find("two"))?.expiresAt, undefined);
      assert.equal(await apiKeys.find("three"), undefined);
    },
  },
  {
    id: "APIKEYS-03",
    title: "of 100 that revoke it at once one is told so; the next find sees it; it stays listed",
    async timed(apiKeys, clock) {
      await apiKeys.insert(record("one"));
      assert.equal((await apiKeys.find("one"))?.revokedAt, undefined);
      assert.equal(
        count(await atOnce(100, () => apiKeys.revoke("one", "ada")), (isWon) => isWon),
        1,
      );
      const revokedAt = clock.now();
      assert.equal((await apiKeys.find("one"))?.revokedAt, revokedAt);
      clock.advance(10);
      assert.equal(await apiKeys.revoke("one", "ada"), false);
      same(await apiKeys.list("ada"), [{ ...record("one"), revokedAt }]);
    },
  },
  {
    id: "APIKEYS-04",
    title: "a key of another owner is left alone",
    async run(apiKeys) {
      await apiKeys.insert(record("one"));
      assert.equal(await apiKeys.revoke("one", "bob"), false);
      assert.equal(await apiKeys.revoke("none", "ada"), false);
      same(await apiKeys.find("one"), record("one"));
      same(await apiKeys.list("bob"), []);
    },
  },
  {
    id: "APIKEYS-05",
    title: "listed newest first, the later inserted first where they are equally old",
    async run(apiKeys) {
      for (const [id, createdAt] of [
        ["b", 2],
        ["a", 1],
        ["d", 4],
        ["c", 4],
      ] as const)
        await apiKeys.insert(record(id, "ada", createdAt));
      await apiKeys.insert(record("other", "bob", 9));
      same(
        (await apiKeys.list("ada")).map(({ id }) => id),
        ["c", "d", "b", "a"],
      );
    },
  },
  {
    id: "APIKEYS-06",
    title: "a use is noted at most once per interval, and again at its end",
    async timed(apiKeys, clock) {
      await apiKeys.insert(record("one"));
      await apiKeys.touch("none", 1_000);
      await atOnce(20, () => apiKeys.touch("one", 1_000));
      const first = clock.now();
      assert.equal((await apiKeys.find("one"))?.lastUsedAt, first);
      clock.advance(999);
      await apiKeys.touch("one", 1_000);
      assert.equal((await apiKeys.find("one"))?.lastUsedAt, first);
      clock.advance(1);
      await apiKeys.touch("one", 1_000);
      same(await apiKeys.find("one"), { ...record("one"), lastUsedAt: first + 1_000 });
    },
  },
  {
    id: "APIKEYS-07",
    title: "awkward ids, owners and texts are each their own",
    async run(apiKeys) {
      const awkward = (text: string): ApiKeyRecord => ({
        ...record(text, text),
        name: text,
        hash: text,
        pepperId: text,
        lastFour: text,
        data: text,
      });
      for (const text of AWKWARD_KEYS) assert.equal(await apiKeys.insert(awkward(text)), true, JSON.stringify(text));
      for (const text of AWKWARD_KEYS) same([await apiKeys.find(text), await apiKeys.list(text)], [awkward(text), [awkward(text)]]);
    },
  },
  {
    id: "APIKEYS-08",
    title: "results are snapshots, and so is what was given",
    async run(apiKeys) {
      const given = { ...record("one") };
      await apiKeys.insert(given);
      Reflect.set(given, "hash", "spoilt");
      same(await apiKeys.find("one"), record("one"));
      await isSnapshot(() => apiKeys.find("one"));
      await isSnapshot(() => apiKeys.list("ada"));
    },
  },
]);
