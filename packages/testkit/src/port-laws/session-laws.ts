import assert from "node:assert/strict";
import type { Sessions } from "@portcullis/core";
import { atOnce, AWKWARD_KEYS, count, isSnapshot, lawsOf, same } from "./port-law.js";

const session = (id: string, subjectId = "ada", ttlMs = 60_000) => ({
  id,
  subjectId,
  refreshHash: `hash of ${id}`,
  ttlMs,
  data: `{"of":"${id}"}`,
});
const idsOf = async (sessions: Sessions, subjectId = "ada"): Promise<string[]> => (await sessions.list(subjectId)).map(({ id }) => id);

export const sessionLaws = lawsOf("sessions", [
  {
    id: "SESSIONS-01",
    title: "of 100 that rotate one session at once, one wins, and its hash is the next one",
    async run(sessions) {
      await sessions.create(session("one"), 0);
      const won = await atOnce(100, (index) => sessions.rotate("one", "hash of one", `next ${index}`));
      assert.equal(
        count(won, (isWon) => isWon),
        1,
      );
      assert.equal((await sessions.find("one"))?.refreshHash, `next ${won.indexOf(true)}`);
      assert.equal(await sessions.rotate("one", "hash of one", "replayed"), false);
      assert.equal(await sessions.rotate("none", "hash of one", "next"), false);
    },
  },
  {
    id: "SESSIONS-02",
    title: "the cap holds under 50 parallel logins; the evicted are gone and each is named once",
    async run(sessions) {
      const evicted = (await atOnce(50, (index) => sessions.create(session(`s${index}`), 3))).flat();
      const live = await idsOf(sessions);
      assert.equal(live.length, 3);
      assert.equal(new Set([...evicted, ...live]).size, 50);
      assert.equal(evicted.length, 47);
      for (const id of evicted) assert.equal(await sessions.find(id), undefined);
      for (const id of live) assert.equal((await sessions.find(id))?.id, id);
    },
  },
  {
    id: "SESSIONS-03",
    title: "the oldest go first, of this subject only, and as many as needed",
    async run(sessions) {
      await sessions.create(session("other", "bob"), 0);
      for (const id of ["a", "b", "c", "d"]) same(await sessions.create(session(id), 0), []);
      same(await sessions.create(session("e"), 5), []);
      same(await sessions.create(session("f"), 3), ["a", "b", "c"]);
      same(await idsOf(sessions), ["f", "e", "d"]);
      same(await sessions.create(session("g"), 1), ["d", "e", "f"]);
      same(await idsOf(sessions, "bob"), ["other"]);
    },
  },
  {
    id: "SESSIONS-04",
    title: "no cap keeps all, newest first",
    async run(sessions) {
      for (let index = 0; index < 30; index += 1) await sessions.create(session(`s${index}`), 0);
      same(
        await idsOf(sessions),
        Array.from({ length: 30 }, (_, index) => `s${29 - index}`),
      );
      same(await sessions.list("nobody"), []);
    },
  },
  {
    id: "SESSIONS-05",
    title: "a session has what it was created with, on the store's clock",
    async timed(sessions, clock) {
      const start = clock.now();
      await sessions.create(session("one", "ada", 5_000), 2);
      clock.advance(40);
      assert.equal(await sessions.rotate("one", "hash of one", "next"), true);
      same(await sessions.find("one"), {
        ...{ id: "one", subjectId: "ada", refreshHash: "next", data: '{"of":"one"}' },
        ...{ createdAt: start, lastUsedAt: start + 40, expiresAt: start + 5_000 },
      });
      same(await sessions.list("ada"), [await sessions.find("one")]);
    },
  },
  {
    id: "SESSIONS-06",
    title: "live until its end, gone at it: not found, listed, rotated, counted as evicted, revoked; no rotation extends it",
    async timed(sessions, clock) {
      await sessions.create(session("one", "ada", 1_000), 1);
      clock.advance(999);
      assert.equal(await sessions.rotate("one", "hash of one", "next"), true);
      assert.equal((await sessions.find("one"))?.id, "one");
      clock.advance(1);
      assert.equal(await sessions.find("one"), undefined);
      assert.equal(await sessions.rotate("one", "next", "later"), false);
      same(await idsOf(sessions), []);
      assert.equal(await sessions.revoke("ada"), 0);
      same(await sessions.create(session("two", "ada", 1_000), 1), []);
    },
  },
  {
    id: "SESSIONS-07",
    title: "revoke ends one of the subject or all, says how many, and leaves those of others",
    async run(sessions) {
      for (const id of ["a", "b", "c"]) await sessions.create(session(id), 0);
      await sessions.create(session("other", "bob"), 0);
      assert.equal(await sessions.revoke("ada", "other"), 0);
      assert.equal(await sessions.revoke("ada", "none"), 0);
      assert.equal(await sessions.revoke("ada", "b"), 1);
      assert.equal(await sessions.revoke("ada", "b"), 0);
      assert.equal(await sessions.find("b"), undefined);
      assert.equal(await sessions.rotate("b", "hash of b", "next"), false);
      assert.equal(await sessions.revoke("ada"), 2);
      same(await idsOf(sessions), []);
      same(await idsOf(sessions, "bob"), ["other"]);
    },
  },
  {
    id: "SESSIONS-08",
    title: "an id given again is the new session only",
    async run(sessions) {
      await sessions.create(session("one"), 0);
      await sessions.create(session("two"), 0);
      same(await sessions.create(session("one", "bob"), 3), []);
      same([await idsOf(sessions), await idsOf(sessions, "bob")], [["two"], ["one"]]);
      assert.equal((await sessions.find("one"))?.subjectId, "bob");
    },
  },
  {
    id: "SESSIONS-09",
    title: "awkward ids, subjects, hashes and data are each their own",
    async run(sessions) {
      for (const text of AWKWARD_KEYS)
        await sessions.create({ id: text, subjectId: text, refreshHash: text, ttlMs: 60_000, data: text }, 1);
      for (const text of AWKWARD_KEYS) {
        const found = await sessions.find(text);
        same([found?.id, found?.subjectId, found?.refreshHash, found?.data], [text, text, text, text]);
        same(await idsOf(sessions, text), [text]);
        assert.equal(await sessions.revoke(text, text), 1, JSON.stringify(text));
      }
    },
  },
  {
    id: "SESSIONS-10",
    title: "results are snapshots",
    async run(sessions) {
      await sessions.create(session("one"), 0);
      await isSnapshot(() => sessions.find("one"));
      await isSnapshot(() => sessions.list("ada"));
    },
  },
]);
