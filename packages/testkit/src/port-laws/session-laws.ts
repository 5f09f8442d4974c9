import assert from "node:assert/strict";
import { atOnce, AWKWARD_KEYS, count, isSnapshot, lawsOf, same } from "./port-law.js";
import { sessionEndLaws } from "./session-end-laws.js";
import { evicting, idsOf, NO_CAP, ofBob, refusing, session, stored } from "./session-samples.js";

export const sessionLaws = lawsOf("sessions", [
  {
    id: "SESSIONS-01",
    title: "of 100 that rotate one session at once, one wins and is given the session after it; its hash is the next one",
    async run(sessions) {
      await sessions.create(session("one"), NO_CAP);
      const answers = await atOnce(100, (index) => sessions.rotate("one", "hash of one", `next ${index}`));
      const winner = answers.findIndex((answer) => answer !== undefined);
      assert.equal(
        count(answers, (answer) => answer !== undefined),
        1,
      );
      assert.equal(answers[winner]?.refreshHash, `next ${winner}`);
      assert.equal((await sessions.find("one"))?.refreshHash, `next ${winner}`);
      assert.equal(await sessions.rotate("one", "hash of one", "replayed"), undefined);
      assert.equal(await sessions.rotate("none", "hash of one", "next"), undefined);
    },
  },
  {
    id: "SESSIONS-02",
    title: "the cap holds under 100 parallel logins; the evicted are gone and each is named once",
    async run(sessions) {
      const answers = await atOnce(100, (index) => sessions.create(session(`s${index}`), evicting(3)));
      assert.equal(
        count(answers, ({ created }) => created),
        100,
      );
      const evicted = answers.flatMap((answer) => answer.evicted);
      const live = await idsOf(sessions);
      assert.equal(live.length, 3);
      assert.equal(new Set([...evicted, ...live]).size, 100);
      assert.equal(evicted.length, 97);
      for (const id of evicted) assert.equal(await sessions.find(id), undefined);
      for (const id of live) assert.equal((await sessions.find(id))?.id, id);
    },
  },
  {
    id: "SESSIONS-03",
    title: "the oldest go first, of this subject only, and as many as needed",
    async run(sessions) {
      await sessions.create(session("other", ofBob), NO_CAP);
      for (const id of ["a", "b", "c", "d"]) same(await sessions.create(session(id), NO_CAP), stored());
      same(await sessions.create(session("e"), evicting(5)), stored());
      same(await sessions.create(session("f"), evicting(3)), stored("a", "b", "c"));
      same(await idsOf(sessions), ["f", "e", "d"]);
      same(await sessions.create(session("g"), evicting(1)), stored("d", "e", "f"));
      same(await idsOf(sessions, "bob"), ["other"]);
    },
  },
  {
    id: "SESSIONS-04",
    title: "no cap keeps all, newest first",
    async run(sessions) {
      for (let index = 0; index < 30; index += 1) {
        same(await sessions.create(session(`s${index}`), index % 2 === 0 ? evicting(0) : refusing(0)), stored());
      }
      same(
        await idsOf(sessions),
        Array.from({ length: 30 }, (_, index) => `s${29 - index}`),
      );
      same(await sessions.list("nobody"), []);
    },
  },
  {
    id: "SESSIONS-05",
    title: "a session has what it was created with, on the store's clock, and the instant at which it was read",
    async timed(sessions, clock) {
      const start = clock.now();
      await sessions.create(session("one", { ttlMs: 5_000, idleMs: 900 }), evicting(2));
      clock.advance(40);
      const expected = {
        ...{ id: "one", subjectId: "ada", refreshHash: "hash of one", previousHash: undefined, data: '{"of":"one"}' },
        ...{ createdAt: start, rotatedAt: start, lastUsedAt: start, expiresAt: start + 5_000, idleMs: 900, readAt: start + 40 },
      };
      same(await sessions.find("one"), expected);
      same(await sessions.list("ada"), [expected]);
      clock.advance(1);
      same(await sessions.find("one"), { ...expected, readAt: start + 41 });
    },
  },
  {
    id: "SESSIONS-06",
    title: "live until its end, gone at it: not found, listed, rotated, counted as evicted, revoked; no rotation extends it",
    async timed(sessions, clock) {
      await sessions.create(session("one", { ttlMs: 1_000 }), evicting(1));
      clock.advance(999);
      assert.equal((await sessions.rotate("one", "hash of one", "next"))?.id, "one");
      assert.equal((await sessions.find("one"))?.id, "one");
      clock.advance(1);
      assert.equal(await sessions.find("one"), undefined);
      assert.equal(await sessions.rotate("one", "next", "later"), undefined);
      same(await idsOf(sessions), []);
      same(await sessions.revoke("ada"), []);
      same(await sessions.create(session("two", { ttlMs: 1_000 }), evicting(1)), stored());
    },
  },
  {
    id: "SESSIONS-07",
    title: "revoke ends one of the subject or all, says which, and leaves those of others",
    async run(sessions) {
      for (const id of ["a", "b", "c"]) await sessions.create(session(id), NO_CAP);
      await sessions.create(session("other", ofBob), NO_CAP);
      same(await sessions.revoke("ada", { id: "other" }), []);
      same(await sessions.revoke("ada", { id: "none" }), []);
      same(await sessions.revoke("ada", { id: "b" }), ["b"]);
      same(await sessions.revoke("ada", { id: "b" }), []);
      assert.equal(await sessions.find("b"), undefined);
      same((await sessions.revoke("ada")).toSorted(), ["a", "c"]);
      same(await idsOf(sessions), []);
      same(await idsOf(sessions, "bob"), ["other"]);
    },
  },
  {
    id: "SESSIONS-08",
    title: "an id given again is the new session only",
    async run(sessions) {
      await sessions.create(session("one"), NO_CAP);
      await sessions.rotate("one", "hash of one", "next");
      await sessions.create(session("two"), NO_CAP);
      same(await sessions.create(session("one", ofBob), evicting(3)), stored());
      same([await idsOf(sessions), await idsOf(sessions, "bob")], [["two"], ["one"]]);
      const { subjectId, refreshHash, previousHash } = (await sessions.find("one")) ?? {};
      same([subjectId, refreshHash, previousHash], ["bob", "hash of one", undefined]);
    },
  },
  {
    id: "SESSIONS-09",
    title: "awkward ids, subjects, hashes and data are each their own",
    async run(sessions) {
      for (const text of AWKWARD_KEYS) {
        await sessions.create(session(text, { subjectId: text, refreshHash: text, data: text }), evicting(1));
        await sessions.rotate(text, text, `${text}!`);
      }
      for (const text of AWKWARD_KEYS) {
        const { id, subjectId, refreshHash, previousHash, data } = (await sessions.find(text)) ?? {};
        same([id, subjectId, refreshHash, previousHash, data], [text, text, `${text}!`, text, text]);
        same(await idsOf(sessions, text), [text]);
        same(await sessions.revoke(text, { except: text }), []);
        same(await sessions.revoke(text, { id: text }), [text], JSON.stringify(text));
      }
    },
  },
  {
    id: "SESSIONS-10",
    title: "results are snapshots",
    // An answer says when it was given: the same answer takes a clock that stands still.
    async timed(sessions) {
      await sessions.create(session("one"), NO_CAP);
      await isSnapshot(() => sessions.find("one"));
      await isSnapshot(() => sessions.list("ada"));
    },
  },
  ...sessionEndLaws,
]);
