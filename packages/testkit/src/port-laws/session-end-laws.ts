import assert from "node:assert/strict";
import { atOnce, count, type LawBody, same } from "./port-law.js";
import { evicting, idsOf, NO_CAP, ofBob, REFUSED, refusing, session, stored } from "./session-samples.js";

/** What comes between a session and its next use: a full cap, a rotation, idleness, revocation. */
export const sessionEndLaws: readonly LawBody<"sessions">[] = [
  {
    id: "SESSIONS-11",
    title: "of 100 parallel logins a refusing cap of 3 lets 3 in, and ends none for them",
    async run(sessions) {
      const answers = await atOnce(100, (index) => sessions.create(session(`s${index}`), refusing(3)));
      const ids = answers.flatMap(({ created }, index) => (created ? [`s${index}`] : []));
      assert.equal(ids.length, 3);
      same(
        answers.flatMap(({ evicted }) => evicted),
        [],
      );
      same((await idsOf(sessions)).toSorted(), ids.toSorted());
      for (const index of answers.keys()) assert.equal((await sessions.find(`s${index}`)) !== undefined, ids.includes(`s${index}`));
    },
  },
  {
    id: "SESSIONS-12",
    title:
      "a refusal changes nothing, of an id that is there neither; each other subject has its own room, and a session that ended leaves its",
    async run(sessions) {
      await sessions.create(session("other", ofBob), NO_CAP);
      for (const id of ["a", "b"]) same(await sessions.create(session(id), refusing(2)), stored());
      same(await sessions.create(session("c"), refusing(2)), REFUSED);
      same(await sessions.create(session("c"), refusing(1)), REFUSED);
      same(await sessions.create(session("other"), refusing(2)), REFUSED);
      assert.equal((await sessions.find("other"))?.subjectId, "bob");
      same(await sessions.create(session("b", { data: "refused" }), refusing(1)), REFUSED);
      same((await sessions.find("b"))?.data, '{"of":"b"}');
      // Its own earlier session takes no room from it.
      same(await sessions.create(session("b", { data: "again" }), refusing(2)), stored());
      same((await sessions.find("b"))?.data, "again");
      same(await sessions.create(session("d", ofBob), refusing(2)), stored());
      await sessions.revoke("ada", { id: "a" });
      same(await sessions.create(session("c"), refusing(2)), stored());
      same(await idsOf(sessions), ["c", "b"]);
    },
  },
  {
    id: "SESSIONS-13",
    title: "a rotation remembers the hash that it replaced and when; the next one forgets it; one that loses changes neither",
    async timed(sessions, clock) {
      const start = clock.now();
      await sessions.create(session("one", { ttlMs: 5_000, refreshHash: "first" }), NO_CAP);
      clock.advance(40);
      const rotated = await sessions.rotate("one", "first", "second");
      const expected = {
        ...{ id: "one", subjectId: "ada", refreshHash: "second", previousHash: "first", data: '{"of":"one"}', idleMs: 0 },
        ...{ createdAt: start, rotatedAt: start + 40, lastUsedAt: start + 40, expiresAt: start + 5_000, readAt: start + 40 },
      };
      same(rotated, expected);
      clock.advance(10);
      assert.equal(await sessions.rotate("one", "first", "third"), undefined);
      same(await sessions.find("one"), { ...expected, readAt: start + 50 });
      same(await sessions.list("ada"), [{ ...expected, readAt: start + 50 }]);
      const again = await sessions.rotate("one", "second", "third");
      same([again?.refreshHash, again?.previousHash, again?.rotatedAt], ["third", "second", start + 50]);
      clock.advance(10);
      const noted = await sessions.find("one", 0);
      same([noted?.previousHash, noted?.rotatedAt, noted?.lastUsedAt], ["second", start + 50, start + 60]);
    },
  },
  {
    id: "SESSIONS-14",
    title: "live until idle for its idle time, gone at it: not found, noted, rotated, listed, revoked, counted, named as evicted",
    async timed(sessions, clock) {
      const idle = { ttlMs: 60_000, idleMs: 1_000 };
      for (const id of ["found", "noted", "rotated"]) await sessions.create(session(id, idle), NO_CAP);
      await sessions.create(session("restless", { idleMs: 0 }), NO_CAP);
      clock.advance(999);
      same(await idsOf(sessions), ["restless", "rotated", "noted", "found"]);
      same(await sessions.create(session("more", idle), refusing(4)), REFUSED);
      clock.advance(1);
      assert.equal(await sessions.find("found"), undefined);
      assert.equal(await sessions.find("noted", 0), undefined);
      assert.equal(await sessions.rotate("rotated", "hash of rotated", "next"), undefined);
      same(await idsOf(sessions), ["restless"]);
      same(await sessions.revoke("ada", { id: "found" }), []);
      same(await sessions.create(session("new", idle), refusing(2)), stored());
      same(await sessions.create(session("newer", idle), evicting(2)), stored("restless"));
      clock.advance(1_000);
      same(await sessions.revoke("ada"), []);
    },
  },
  {
    id: "SESSIONS-15",
    title: "a noted use and a rotation start the idle time anew, a bare find does not, and nothing goes past the absolute end",
    async timed(sessions, clock) {
      await sessions.create(session("one", { ttlMs: 3_000, idleMs: 1_000 }), NO_CAP);
      clock.advance(900);
      assert.equal((await sessions.find("one", 100))?.readAt, clock.now());
      clock.advance(900);
      assert.notEqual(await sessions.rotate("one", "hash of one", "next"), undefined);
      clock.advance(900);
      assert.notEqual(await sessions.find("one", 100), undefined);
      clock.advance(299);
      assert.notEqual(await sessions.find("one", 100), undefined);
      clock.advance(1);
      assert.equal(await sessions.find("one", 100), undefined);
      await sessions.create(session("two", { ttlMs: 3_000, idleMs: 1_000 }), NO_CAP);
      clock.advance(900);
      assert.notEqual(await sessions.find("two"), undefined);
      clock.advance(100);
      assert.equal(await sessions.find("two"), undefined);
    },
  },
  {
    id: "SESSIONS-16",
    title: "a use is noted at most once per interval, from its very end on, and the answer shows it",
    async timed(sessions, clock) {
      const start = clock.now();
      await sessions.create(session("one"), NO_CAP);
      const lastUsed = async (noteUseAfterMs?: number): Promise<number> =>
        ((await sessions.find("one", noteUseAfterMs))?.lastUsedAt ?? Number.NaN) - start;
      same([await lastUsed(60), await lastUsed()], [0, 0]);
      clock.advance(59);
      same([await lastUsed(60), await lastUsed()], [0, 0]);
      clock.advance(1);
      same([await lastUsed(), await lastUsed(61), await lastUsed(60), await lastUsed()], [0, 0, 60, 60]);
      clock.advance(59);
      same([await lastUsed(60), await lastUsed()], [60, 60]);
      clock.advance(1);
      const answers = await atOnce(100, () => lastUsed(60));
      assert.equal(
        count(answers, (answer) => answer === 120),
        100,
      );
      clock.advance(1);
      same([await lastUsed(0), await lastUsed()], [121, 121]);
    },
  },
  {
    id: "SESSIONS-17",
    title: "all but one are revoked, each named; an exception that is another's saves none",
    async run(sessions) {
      await sessions.create(session("other", ofBob), NO_CAP);
      for (const id of ["a", "b", "c"]) await sessions.create(session(id), NO_CAP);
      same((await sessions.revoke("ada", { except: "b" })).toSorted(), ["a", "c"]);
      same(await sessions.revoke("ada", { except: "b" }), []);
      same(await idsOf(sessions), ["b"]);
      for (const id of ["a", "c"]) assert.equal(await sessions.find(id), undefined);
      same(await sessions.revoke("ada", { except: "other" }), ["b"]);
      same([await idsOf(sessions), await idsOf(sessions, "bob")], [[], ["other"]]);
    },
  },
  {
    id: "SESSIONS-18",
    title: "a rotation after revocation loses, and of those at once with it none brings the session back",
    async run(sessions) {
      await sessions.create(session("one"), NO_CAP);
      same(await sessions.revoke("ada", { id: "one" }), ["one"]);
      assert.equal(await sessions.rotate("one", "hash of one", "next"), undefined);
      for (let round = 0; round < 10; round += 1) {
        const id = `raced ${round}`;
        await sessions.create(session(id), NO_CAP);
        const revoked: (readonly string[])[] = [];
        await atOnce(10, async (index) => {
          if (index === 5) revoked.push(await sessions.revoke("ada", { id }));
          else if (index % 2 === 0) await sessions.find(id, 0);
          else await sessions.rotate(id, `hash of ${id}`, `next ${index}`);
        });
        same(revoked, [[id]]);
        assert.equal(await sessions.find(id), undefined);
      }
      same(await idsOf(sessions), []);
    },
  },
];
