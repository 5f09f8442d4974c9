import assert from "node:assert/strict";
import type { Grants, GrantsWrite, HeldRole } from "@portcullis/core";
import { atOnce, AWKWARD_KEYS, count, isSnapshot, lawsOf, same } from "./port-law.js";

const OWNER = ["owner"];
const role = (name: string, value = `value of ${name}`): HeldRole => ({ role: name, standing: true, value });
/** Held, but not for the count: it ends by itself, say. */
const passing = (name: string): HeldRole => ({ ...role(name), standing: false });
const isWritten = ({ kind }: GrantsWrite): boolean => kind === "written";
const written = (epoch: number): GrantsWrite => ({ kind: "written", epoch });
const idsOf = async (grants: Grants, scope: string, name: string): Promise<string[]> =>
  (await grants.listHolders(scope, name, { limit: 1_000 })).map(({ subjectId }) => subjectId);
const ownersOf = (grants: Grants, scope: string): Promise<string[]> => idsOf(grants, scope, "owner");

/** Each holds "owner", at epoch 1. */
async function putOwners(grants: Grants, scope: string, ids: readonly string[]): Promise<void> {
  for (const id of ids) same(await grants.writeSubject(scope, id, 0, [role("owner")], []), written(1));
}

export const grantLaws = lawsOf("grants", [
  {
    id: "GRANTS-01",
    title: "what was never written is epoch 0 and holds nothing; a policy never written is none",
    async run(grants) {
      await grants.writeSubject("s", "bob", 0, [role("owner")], []);
      await grants.writePolicy("other", 0, "{}");
      same(await grants.readSubject("s", "ada"), { epoch: 0, held: [] });
      same(await grants.readSubject("t", "bob"), { epoch: 0, held: [] });
      same(await grants.listHolders("s", "member", { limit: 9 }), []);
      same(await grants.listHolders("t", "owner", { limit: 9 }), []);
      assert.equal(await grants.readPolicy("p"), undefined);
    },
  },
  {
    id: "GRANTS-02",
    title: "what was written comes back in its order, in place of all before; of a role given twice the last counts",
    async run(grants) {
      const first = [role("b"), passing("a"), role("c", '{"until":1}')];
      same(await grants.writeSubject("s", "ada", 0, first, []), written(1));
      same(await grants.readSubject("s", "ada"), { epoch: 1, held: first });
      const next = [role("c", ""), role("a"), passing("d")];
      same(await grants.writeSubject("s", "ada", 1, next, []), written(2));
      same(await grants.readSubject("s", "ada"), { epoch: 2, held: next });
      await grants.writeSubject("s", "ada", 2, [role("a", "first"), { ...passing("a"), value: "last" }], []);
      same(await grants.readSubject("s", "ada"), { epoch: 3, held: [{ role: "a", standing: false, value: "last" }] });
      const many = Array.from({ length: 1_200 }, (_, index) => role(`role ${index}`));
      same(await grants.writeSubject("s", "ada", 3, many, []), written(4));
      same((await grants.readSubject("s", "ada")).held, many);
    },
  },
  {
    id: "GRANTS-03",
    title: "the epoch grows with each write, also one that changes or leaves nothing, so that none comes back",
    async run(grants) {
      same(await grants.writeSubject("s", "ada", 0, [], []), written(1));
      same(await grants.readSubject("s", "ada"), { epoch: 1, held: [] });
      same(await grants.writeSubject("s", "ada", 1, [role("a")], []), written(2));
      same(await grants.writeSubject("s", "ada", 2, [role("a")], []), written(3));
      same(await grants.writeSubject("s", "ada", 3, [], []), written(4));
      same(await grants.readSubject("s", "ada"), { epoch: 4, held: [] });
      for (const old of [0, 1, 2, 3])
        same(await grants.writeSubject("s", "ada", old, [role("a")], []), { kind: "changed_meanwhile", epoch: 4 });
    },
  },
  {
    id: "GRANTS-04",
    title: "at another epoch nothing is written and the current one is told, before anything is said about last holders",
    async run(grants) {
      await putOwners(grants, "s", ["ada"]);
      for (const other of [-1, 0, 2, 99]) {
        same(await grants.writeSubject("s", "ada", other, [role("b")], OWNER), { kind: "changed_meanwhile", epoch: 1 });
      }
      same(await grants.readSubject("s", "ada"), { epoch: 1, held: [role("owner")] });
      same([await ownersOf(grants, "s"), await idsOf(grants, "s", "b")], [["ada"], []]);
      same(await grants.writeSubject("s", "bob", 1, [role("owner")], []), { kind: "changed_meanwhile", epoch: 0 });
      same(await grants.readSubject("s", "bob"), { epoch: 0, held: [] });
    },
  },
  {
    id: "GRANTS-05",
    title: "of 100 that write one epoch at once, the first one too, one wins; the others leave nothing",
    async run(grants) {
      for (const epoch of [0, 1]) {
        const answers = await atOnce(100, (index) => grants.writeSubject("s", "ada", epoch, [role(`${epoch} ${index}`), role("all")], []));
        assert.equal(count(answers, isWritten), 1);
        const winner = answers.findIndex(isWritten);
        for (const [index, answer] of answers.entries())
          same(answer, index === winner ? written(epoch + 1) : { kind: "changed_meanwhile", epoch: epoch + 1 });
        same(await grants.readSubject("s", "ada"), { epoch: epoch + 1, held: [role(`${epoch} ${winner}`), role("all")] });
        same(await idsOf(grants, "s", "all"), ["ada"]);
        const listed = await atOnce(100, (index) => idsOf(grants, "s", `${epoch} ${index}`));
        same(listed.flat(), ["ada"]);
      }
    },
  },
  {
    id: "GRANTS-06",
    title:
      "scopes are apart, however their names and the subjects' join; a holder in another scope, or of another role, is no other holder",
    async run(grants) {
      const pairs = [
        ["a", "bc"],
        ["ab", "c"],
        ["", "abc"],
        ["abc", ""],
        ["a:b", "c"],
        ["a", "b:c"],
      ] as const;
      for (const [scope, id] of pairs) same(await grants.writeSubject(scope, id, 0, [role("owner", `${scope}|${id}`)], []), written(1));
      for (const [scope, id] of pairs) same((await grants.readSubject(scope, id)).held, [role("owner", `${scope}|${id}`)]);
      same(await ownersOf(grants, "a"), ["b:c", "bc"]);

      await putOwners(grants, "s", ["ada"]);
      await putOwners(grants, "t", ["ada", "bob"]);
      await grants.writeSubject("s", "bob", 0, [role("member")], []);
      same(await grants.writeSubject("s", "ada", 1, [], OWNER), { kind: "last_holder", role: "owner" });
      same(await grants.writeSubject("t", "ada", 1, [], OWNER), written(2));
      same(await grants.readSubject("s", "ada"), { epoch: 1, held: [role("owner")] });
    },
  },
  {
    id: "GRANTS-07",
    title: "awkward texts are each their own",
    async run(grants) {
      for (const text of AWKWARD_KEYS) {
        const held = { role: text, standing: true, value: text };
        same(await grants.writeSubject(text, text, 0, [held], []), written(1), JSON.stringify(text));
        same(await grants.writeSubject("all", text, 0, [held], []), written(1), JSON.stringify(text));
        assert.equal(await grants.writePolicy(text, 0, text), 1, JSON.stringify(text));
      }
      for (const text of AWKWARD_KEYS) {
        const held = { role: text, standing: true, value: text };
        for (const scope of [text, "all"]) {
          same(await grants.readSubject(scope, text), { epoch: 1, held: [held] });
          same(await grants.listHolders(scope, text, { limit: 9 }), [{ subjectId: text, standing: true, value: text }]);
          same(await grants.writeSubject(scope, text, 1, [], [text]), { kind: "last_holder", role: text });
        }
        same(await grants.readPolicy(text), { revision: 1, value: text });
      }
    },
  },
  {
    id: "GRANTS-08",
    title: "the last standing holder of a kept role neither gives it up nor its standing: nothing is written; with another one it may",
    async run(grants) {
      const held = [role("owner"), role("billing"), role("member")];
      await grants.writeSubject("s", "ada", 0, held, []);
      const refused = async (next: readonly HeldRole[], keep: readonly string[], name: string): Promise<void> => {
        same(await grants.writeSubject("s", "ada", 1, next, keep), { kind: "last_holder", role: name });
        same(await grants.readSubject("s", "ada"), { epoch: 1, held });
        same([await ownersOf(grants, "s"), await idsOf(grants, "s", "new")], [["ada"], []]);
      };
      await refused([role("new")], OWNER, "owner");
      await refused([passing("owner"), role("new")], OWNER, "owner");
      await refused([], ["other", "billing", "owner"], "billing");
      await refused([role("billing")], ["other", "billing", "owner"], "owner");
      await putOwners(grants, "s", ["bob"]);
      same(await grants.writeSubject("s", "ada", 1, [role("billing")], ["billing", "owner"]), written(2));
      same(await grants.writeSubject("s", "bob", 1, [], OWNER), { kind: "last_holder", role: "owner" });
      same(await ownersOf(grants, "s"), ["bob"]);
    },
  },
  {
    id: "GRANTS-09",
    title: "a holder without standing is no other holder and may go; what is not given up, was never held or is not kept is no obstacle",
    async run(grants) {
      await putOwners(grants, "s", ["ada"]);
      await grants.writeSubject("s", "bob", 0, [passing("owner")], []);
      same(await grants.writeSubject("s", "ada", 1, [], OWNER), { kind: "last_holder", role: "owner" });
      same(await grants.writeSubject("s", "ada", 1, [role("a"), role("owner", "changed")], ["a", "never", "owner"]), written(2));
      same(await grants.writeSubject("s", "bob", 1, [], OWNER), written(2));
      same(await grants.writeSubject("t", "bob", 0, [passing("owner")], OWNER), written(1));
      same(await grants.writeSubject("t", "bob", 1, [], ["never", "owner"]), written(2));
      same(await grants.writeSubject("s", "ada", 2, [], []), written(3));
      same(await ownersOf(grants, "s"), []);
    },
  },
  {
    id: "GRANTS-10",
    title: "of 2, 20 or 100 last holders that all give a role up at once, exactly one remains",
    async run(grants) {
      for (const size of [2, 20, 100]) {
        const scope = `of ${size}`;
        const ids = Array.from({ length: size }, (_, index) => `owner ${index}`);
        await putOwners(grants, scope, ids);
        const answers = await atOnce(size, (index) => grants.writeSubject(scope, `owner ${index}`, 1, [], OWNER));
        assert.equal(count(answers, isWritten), size - 1);
        const last = answers.findIndex((answer) => !isWritten(answer));
        same(answers[last], { kind: "last_holder", role: "owner" });
        same(await ownersOf(grants, scope), [`owner ${last}`]);
      }
    },
  },
  {
    id: "GRANTS-11",
    title: "a write is one step: whoever reads, lists or counts on a holder meanwhile sees it as a whole or not at all",
    async run(grants) {
      const heldAt = (epoch: number): HeldRole[] => [
        role("owner"),
        ...Array.from({ length: epoch }, (_, index) => role(`${epoch} ${index}`)),
      ];
      const times = Array.from({ length: 20 }, (_, index) => index);
      await putOwners(grants, "s", ["bob"]);
      same(await grants.writeSubject("s", "ada", 0, heldAt(1), []), written(1));
      // Bob always counts on Ada, who is always an owner.
      const comesAndGoes = async (): Promise<void> => {
        for (const time of times) {
          same(await grants.writeSubject("s", "bob", 2 * time + 1, [], OWNER), written(2 * time + 2));
          same(await grants.writeSubject("s", "bob", 2 * time + 2, [role("owner")], OWNER), written(2 * time + 3));
        }
      };
      const isWritten = async (): Promise<void> => {
        for (const time of times) same(await grants.writeSubject("s", "ada", time + 1, heldAt(time + 2), OWNER), written(time + 2));
      };
      const isRead = async (): Promise<void> => {
        for (const _ of times) {
          const { epoch, held } = await grants.readSubject("s", "ada");
          same(held, heldAt(epoch));
          assert.ok((await ownersOf(grants, "s")).includes("ada"));
        }
      };
      await Promise.all([comesAndGoes(), isWritten(), isRead(), isRead()]);
    },
  },
  {
    id: "GRANTS-12",
    title: "of 100 that write one revision of a policy at once, the first one too, one wins; another name is another policy",
    async run(grants) {
      assert.equal(await grants.writePolicy("other", 0, "the other's"), 1);
      for (const revision of [0, 1, 2]) {
        const answers = await atOnce(100, (index) => grants.writePolicy("p", revision, `${revision} ${index}`));
        same(
          answers.filter((next) => next !== undefined),
          [revision + 1],
        );
        same(await grants.readPolicy("p"), { revision: revision + 1, value: `${revision} ${answers.indexOf(revision + 1)}` });
      }
      const before = await grants.readPolicy("p");
      for (const other of [0, 1, 2, 4, 99]) assert.equal(await grants.writePolicy("p", other, "late"), undefined);
      same(await grants.readPolicy("p"), before);
      assert.equal(await grants.writePolicy("never written", 1, "early"), undefined);
      assert.equal(await grants.readPolicy("never written"), undefined);
      same(await grants.readPolicy("other"), { revision: 1, value: "the other's" });
    },
  },
  {
    id: "GRANTS-13",
    title: "holders are listed by the order of their ids' UTF-8 bytes, in pages that meet; as they hold it now, and only who does",
    async run(grants) {
      const ids = ["", "A", "B", "Z", "_", "a", "a!", "aa", "b", "é", "\uE000", "\uFFFD", "🙂"];
      await putOwners(grants, "s", ids.toReversed());
      await putOwners(grants, "other", ["foreign"]);
      await grants.writeSubject("s", "member", 0, [role("member")], []);
      const page = async (limit: number, after?: string): Promise<string[]> =>
        (await grants.listHolders("s", "owner", { limit, ...(after !== undefined && { after }) })).map(({ subjectId }) => subjectId);
      same(await page(100), ids);
      same(await page(3), ["", "A", "B"]);
      same(await page(3, "Z"), ["_", "a", "a!"]);
      same(await page(2, ""), ["A", "B"]);
      same(await page(2, "ab"), ["b", "é"], "`after` need not hold it");
      same(await page(3, "\uE000"), ["\uFFFD", "🙂"]);
      same(await page(2, "🙂"), []);

      await grants.writeSubject("s", "a", 1, [role("member")], []);
      await grants.writeSubject("s", "b", 1, [{ role: "owner", standing: false, value: "for a day" }], []);
      same(
        await page(100),
        ids.filter((id) => id !== "a"),
      );
      same(await grants.listHolders("s", "owner", { limit: 1, after: "aa" }), [{ subjectId: "b", standing: false, value: "for a day" }]);
      same(await idsOf(grants, "s", "member"), ["a", "member"]);
    },
  },
  {
    id: "GRANTS-14",
    title: "results are snapshots, and so is what was given",
    async run(grants) {
      const given = [{ ...role("owner") }, { ...role("member") }];
      const keep = ["owner"];
      const writing = grants.writeSubject("s", "ada", 0, given, keep);
      Reflect.set(given[0] ?? {}, "role", "spoilt");
      given.length = 1;
      keep.length = 0;
      same(await writing, written(1));
      same(await grants.readSubject("s", "ada"), { epoch: 1, held: [role("owner"), role("member")] });
      same(await ownersOf(grants, "s"), ["ada"]);
      await grants.writePolicy("p", 0, "{}");
      await isSnapshot(() => grants.readSubject("s", "ada"));
      await isSnapshot(() => grants.readSubject("s", "bob"));
      await isSnapshot(() => grants.readPolicy("p"));
      await isSnapshot(() => grants.listHolders("s", "owner", { limit: 9 }));
    },
  },
]);
