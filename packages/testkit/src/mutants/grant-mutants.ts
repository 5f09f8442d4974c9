import type { Grants, GrantsWrite, HeldRole, MaybePromise } from "@portcullis/core";
import { gap, type PortMutant, sharing, withKeys } from "./port-mutant.js";

const ALL = Object.freeze({ limit: 1_000_000 });

/** Whether somebody else than the subject holds it. */
async function isHeldElsewhere(grants: Grants, scope: string, role: string, subjectId: string): Promise<boolean> {
  const holders = await grants.listHolders(scope, role, ALL);
  return holders.some((holder) => holder.standing && holder.subjectId !== subjectId);
}

/** The standing roles that such a write takes away. */
async function givenUpBy(grants: Grants, scope: string, subjectId: string, held: readonly HeldRole[]): Promise<string[]> {
  const after = new Map(held.map((one) => [one.role, one.standing]));
  const before = await grants.readSubject(scope, subjectId);
  return before.held.filter(({ role, standing }) => standing && after.get(role) !== true).map(({ role }) => role);
}

/** At whatever epoch it is: the last writer wins. */
async function writeAnyhow(grants: Grants, ...[scope, subjectId, , held, keep]: Parameters<Grants["writeSubject"]>): Promise<GrantsWrite> {
  for (;;) {
    const { epoch } = await grants.readSubject(scope, subjectId);
    const answer = await grants.writeSubject(scope, subjectId, epoch, held, keep);
    if (answer.kind !== "changed_meanwhile") return answer;
  }
}

/** Lets the last holder go where `mayGo` says so. */
function lettingGo(
  grants: Grants,
  mayGo: (scope: string, role: string, subjectId: string) => MaybePromise<boolean>,
): Pick<Grants, "writeSubject"> {
  return {
    async writeSubject(scope, subjectId, expectedEpoch, held, keep) {
      const answer = await grants.writeSubject(scope, subjectId, expectedEpoch, held, keep);
      if (answer.kind !== "last_holder" || !(await mayGo(scope, answer.role, subjectId))) return answer;
      return grants.writeSubject(scope, subjectId, expectedEpoch, held, []);
    },
  };
}

/** Refuses also where `isObstacle` says so of a kept role. */
function refusing(
  grants: Grants,
  isObstacle: (role: string, before: readonly HeldRole[], after: readonly HeldRole[]) => boolean,
): Pick<Grants, "writeSubject"> {
  return {
    async writeSubject(scope, subjectId, expectedEpoch, held, keep) {
      const before = (await grants.readSubject(scope, subjectId)).held;
      for (const role of keep) {
        if (isObstacle(role, before, held) && !(await isHeldElsewhere(grants, scope, role, subjectId)))
          return { kind: "last_holder", role };
      }
      return grants.writeSubject(scope, subjectId, expectedEpoch, held, keep);
    },
  };
}

const epochMutants: readonly PortMutant<"grants">[] = [
  {
    mistake: "whoever was never written is at epoch 1",
    breaks: ["GRANTS-01"],
    spoil: (grants) => ({
      ...grants,
      async readSubject(scope, subjectId) {
        const { epoch, held } = await grants.readSubject(scope, subjectId);
        return { epoch: Math.max(1, epoch), held };
      },
    }),
  },
  {
    mistake: "a policy never written is an empty one",
    breaks: ["GRANTS-01"],
    spoil: (grants) => ({ ...grants, readPolicy: async (policy) => (await grants.readPolicy(policy)) ?? { revision: 0, value: "" } }),
  },
  {
    mistake: "roles come back by name",
    breaks: ["GRANTS-02"],
    spoil: (grants) => ({
      ...grants,
      async readSubject(scope, subjectId) {
        const { epoch, held } = await grants.readSubject(scope, subjectId);
        return { epoch, held: held.toSorted((a, b) => (a.role < b.role ? -1 : 1)) };
      },
    }),
  },
  {
    mistake: "a write adds to what is held",
    breaks: ["GRANTS-02"],
    spoil: (grants) => ({
      ...grants,
      async writeSubject(scope, subjectId, expectedEpoch, held, keep) {
        const before = (await grants.readSubject(scope, subjectId)).held;
        return grants.writeSubject(scope, subjectId, expectedEpoch, [...before, ...held], keep);
      },
    }),
  },
  {
    mistake: "of a role given twice the first counts",
    breaks: ["GRANTS-02"],
    spoil: (grants) => ({
      ...grants,
      writeSubject: (scope, subjectId, expectedEpoch, held, keep) =>
        grants.writeSubject(
          scope,
          subjectId,
          expectedEpoch,
          held.filter(({ role }, index) => held.findIndex((one) => one.role === role) === index),
          keep,
        ),
    }),
  },
  {
    mistake: "a subject that holds nothing is forgotten, with its epoch",
    breaks: ["GRANTS-03"],
    spoil: (grants) => {
      const forgotten = new Map<string, number>();
      const keyOf = (scope: string, subjectId: string): string => JSON.stringify([scope, subjectId]);
      return {
        ...grants,
        async readSubject(scope, subjectId) {
          const { epoch, held } = await grants.readSubject(scope, subjectId);
          return { epoch: epoch - (forgotten.get(keyOf(scope, subjectId)) ?? 0), held };
        },
        async writeSubject(scope, subjectId, expectedEpoch, held, keep) {
          const base = forgotten.get(keyOf(scope, subjectId)) ?? 0;
          const answer = await grants.writeSubject(scope, subjectId, expectedEpoch + base, held, keep);
          if (answer.kind === "last_holder") return answer;
          if (answer.kind === "written" && held.length === 0) forgotten.set(keyOf(scope, subjectId), answer.epoch);
          return { ...answer, epoch: answer.epoch - base };
        },
      };
    },
  },
  {
    mistake: "a write that changes nothing is none",
    breaks: ["GRANTS-03"],
    spoil: (grants) => ({
      ...grants,
      async writeSubject(scope, subjectId, expectedEpoch, held, keep) {
        const before = await grants.readSubject(scope, subjectId);
        const isSame = before.epoch === expectedEpoch && JSON.stringify(before.held) === JSON.stringify(held);
        return isSame ? { kind: "written", epoch: expectedEpoch } : grants.writeSubject(scope, subjectId, expectedEpoch, held, keep);
      },
    }),
  },
  {
    mistake: "the last writer wins",
    breaks: ["GRANTS-03", "GRANTS-04", "GRANTS-05"],
    spoil: (grants) => ({ ...grants, writeSubject: (...asked) => writeAnyhow(grants, ...asked) }),
  },
  {
    mistake: "an epoch that is ahead is as good",
    breaks: ["GRANTS-04"],
    spoil: (grants) => ({
      ...grants,
      async writeSubject(scope, subjectId, expectedEpoch, held, keep) {
        const { epoch } = await grants.readSubject(scope, subjectId);
        return grants.writeSubject(scope, subjectId, Math.min(epoch, expectedEpoch), held, keep);
      },
    }),
  },
  {
    mistake: "looks for the last holder before the epoch",
    breaks: ["GRANTS-04"],
    spoil: (grants) => ({ ...grants, ...refusing(grants, (role, before, after) => isHeld(role, before) && !isHeld(role, after)) }),
  },
  {
    mistake: "compares the epoch, then writes",
    breaks: ["GRANTS-05"],
    spoil: (grants) => ({
      ...grants,
      async writeSubject(scope, subjectId, expectedEpoch, held, keep) {
        const { epoch } = await grants.readSubject(scope, subjectId);
        if (epoch !== expectedEpoch) return { kind: "changed_meanwhile", epoch };
        await gap();
        return writeAnyhow(grants, scope, subjectId, expectedEpoch, held, keep);
      },
    }),
  },
  {
    mistake: "joins scope and subject into one key",
    breaks: ["GRANTS-06"],
    spoil: (grants) => ({
      ...grants,
      readSubject: (scope, subjectId) => grants.readSubject("", scope + subjectId),
      writeSubject: (scope, subjectId, ...rest) => grants.writeSubject("", scope + subjectId, ...rest),
    }),
  },
  { mistake: "scopes and policies without case", breaks: ["GRANTS-07"], spoil: (grants) => withKeys(grants, (key) => key.toLowerCase()) },
];

const lastHolderMutants: readonly PortMutant<"grants">[] = [
  {
    mistake: "a holder in any scope is another holder",
    breaks: ["GRANTS-06"],
    spoil: (grants) => {
      const scopes = new Set<string>();
      const anywhere = lettingGo(grants, async (_scope, role, subjectId) => {
        const found = await Promise.all([...scopes].map((scope) => isHeldElsewhere(grants, scope, role, subjectId)));
        return found.includes(true);
      });
      return {
        ...grants,
        writeSubject(scope, ...rest) {
          scopes.add(scope);
          return anywhere.writeSubject(scope, ...rest);
        },
      };
    },
  },
  {
    mistake: "anybody in the scope is another holder",
    breaks: ["GRANTS-06", "GRANTS-08"],
    spoil: (grants) => {
      const known = new Set<string>();
      const anybody = lettingGo(grants, (scope) => known.has(scope));
      return {
        ...grants,
        writeSubject(scope, subjectId, expectedEpoch, held, keep) {
          if (held.length > 0) known.add(scope);
          return anybody.writeSubject(scope, subjectId, expectedEpoch, held, keep);
        },
      };
    },
  },
  {
    mistake: "keeps no role",
    breaks: ["GRANTS-06", "GRANTS-07", "GRANTS-08", "GRANTS-10"],
    spoil: (grants) => ({ ...grants, ...lettingGo(grants, () => true) }),
  },
  {
    mistake: "giving standing up is not giving up",
    breaks: ["GRANTS-08"],
    spoil: (grants) => ({
      ...grants,
      writeSubject: (scope, subjectId, expectedEpoch, held, keep) =>
        grants.writeSubject(
          scope,
          subjectId,
          expectedEpoch,
          held,
          keep.filter((role) => !isHeld(role, held)),
        ),
    }),
  },
  {
    mistake: "a refused write is there all the same",
    breaks: ["GRANTS-08"],
    spoil: (grants) => ({
      ...grants,
      async writeSubject(scope, subjectId, expectedEpoch, held, keep): Promise<GrantsWrite> {
        const answer = await grants.writeSubject(scope, subjectId, expectedEpoch, held, keep);
        if (answer.kind === "last_holder") await grants.writeSubject(scope, subjectId, expectedEpoch, held, []);
        return answer;
      },
    }),
  },
  {
    mistake: "names the last of several roles",
    breaks: ["GRANTS-08"],
    spoil: (grants) => ({
      ...grants,
      writeSubject: (scope, subjectId, expectedEpoch, held, keep) =>
        grants.writeSubject(scope, subjectId, expectedEpoch, held, keep.toReversed()),
    }),
  },
  {
    mistake: "whoever holds it for a time is another holder",
    breaks: ["GRANTS-09"],
    spoil: (grants) => ({
      ...grants,
      ...lettingGo(grants, async (scope, role, subjectId) => {
        const holders = await grants.listHolders(scope, role, ALL);
        return holders.some((holder) => holder.subjectId !== subjectId);
      }),
    }),
  },
  {
    mistake: "whoever holds it for a time may not go",
    breaks: ["GRANTS-09"],
    spoil: (grants) => ({
      ...grants,
      ...refusing(grants, (role, before, after) => before.some((one) => one.role === role && !one.standing) && !isHeld(role, after)),
    }),
  },
  {
    mistake: "a role never held is an obstacle",
    breaks: ["GRANTS-09"],
    spoil: (grants) => ({ ...grants, ...refusing(grants, (role, before, after) => !isHeld(role, before) && !isHeld(role, after)) }),
  },
  {
    mistake: "a kept role cannot be written anew by its last holder",
    breaks: ["GRANTS-09"],
    spoil: (grants) => ({ ...grants, ...refusing(grants, isHeld) }),
  },
  {
    mistake: "looks for another holder, then writes",
    breaks: ["GRANTS-10"],
    spoil: (grants) => ({
      ...grants,
      async writeSubject(scope, subjectId, expectedEpoch, held, keep): Promise<GrantsWrite> {
        const givenUp = await givenUpBy(grants, scope, subjectId, held);
        for (const role of keep) {
          if (givenUp.includes(role) && !(await isHeldElsewhere(grants, scope, role, subjectId))) return { kind: "last_holder", role };
        }
        await gap();
        return grants.writeSubject(scope, subjectId, expectedEpoch, held, []);
      },
    }),
  },
];

const readMutants: readonly PortMutant<"grants">[] = [
  {
    mistake: "reads the epoch, then what is held",
    breaks: ["GRANTS-11"],
    spoil: (grants) => ({
      ...grants,
      async readSubject(scope, subjectId) {
        const { epoch } = await grants.readSubject(scope, subjectId);
        await gap();
        return { epoch, held: (await grants.readSubject(scope, subjectId)).held };
      },
    }),
  },
  {
    mistake: "a subject that is being written is listed nowhere",
    breaks: ["GRANTS-11"],
    spoil: (grants) => {
      const writing = new Set<string>();
      return {
        ...grants,
        async writeSubject(scope, subjectId, ...rest) {
          writing.add(subjectId);
          await gap();
          const answer = await grants.writeSubject(scope, subjectId, ...rest);
          writing.delete(subjectId);
          return answer;
        },
        listHolders: async (...asked) => (await grants.listHolders(...asked)).filter(({ subjectId }) => !writing.has(subjectId)),
      };
    },
  },
  {
    mistake: "the last policy wins",
    breaks: ["GRANTS-12"],
    spoil: (grants) => ({
      ...grants,
      writePolicy: async (policy, _expectedRevision, value) =>
        grants.writePolicy(policy, (await grants.readPolicy(policy))?.revision ?? 0, value),
    }),
  },
  {
    mistake: "the first policy of 100 writers is that of the last",
    breaks: ["GRANTS-12"],
    spoil: (grants) => ({
      ...grants,
      async writePolicy(policy, expectedRevision, value) {
        if (expectedRevision !== 0 || (await grants.readPolicy(policy)) !== undefined) {
          return grants.writePolicy(policy, expectedRevision, value);
        }
        await gap();
        return (await grants.writePolicy(policy, 0, value)) ?? 1;
      },
    }),
  },
  {
    mistake: "there is one policy",
    breaks: ["GRANTS-12"],
    spoil: (grants) => ({
      ...grants,
      readPolicy: () => grants.readPolicy("policy"),
      writePolicy: (_policy, ...rest) => grants.writePolicy("policy", ...rest),
    }),
  },
  {
    mistake: "holders in the order of UTF-16 units",
    breaks: ["GRANTS-13"],
    spoil: (grants) => ({
      ...grants,
      async listHolders(scope, role, { limit, after }) {
        const all = await grants.listHolders(scope, role, ALL);
        const rest = all.filter(({ subjectId }) => after === undefined || subjectId > after);
        return rest.toSorted((a, b) => (a.subjectId < b.subjectId ? -1 : 1)).slice(0, limit);
      },
    }),
  },
  {
    mistake: "a page begins with the last one of the page before",
    breaks: ["GRANTS-13"],
    spoil: (grants) => ({
      ...grants,
      async listHolders(scope, role, { limit, after }) {
        const all = await grants.listHolders(scope, role, ALL);
        const from = after === undefined ? 0 : all.findIndex(({ subjectId }) => subjectId === after);
        return all.slice(Math.max(0, from), Math.max(0, from) + limit);
      },
    }),
  },
  {
    mistake: "the empty id is no id to go on from",
    breaks: ["GRANTS-13"],
    spoil: (grants) => ({
      ...grants,
      listHolders: (scope, role, { limit, after }) => grants.listHolders(scope, role, after ? { limit, after } : { limit }),
    }),
  },
  {
    mistake: "whoever held it once is listed",
    breaks: ["GRANTS-13"],
    spoil: (grants) => {
      const once = new Map<string, HeldRole[]>();
      return {
        ...grants,
        writeSubject(scope, subjectId, expectedEpoch, held, keep) {
          const key = JSON.stringify([scope, subjectId]);
          const known = (once.get(key) ?? []).filter(({ role }) => !isHeld(role, held));
          once.set(key, [...known, ...held]);
          return grants.writeSubject(scope, subjectId, expectedEpoch, [...held, ...known], keep);
        },
      };
    },
  },
  {
    mistake: "a holder is listed as at first",
    breaks: ["GRANTS-13"],
    spoil: (grants) => {
      const first = new Map<string, boolean>();
      return {
        ...grants,
        async listHolders(scope, role, page) {
          return (await grants.listHolders(scope, role, page)).map((holder) => {
            const key = JSON.stringify([scope, role, holder.subjectId]);
            const standing = first.get(key) ?? holder.standing;
            first.set(key, standing);
            return { ...holder, standing };
          });
        },
      };
    },
  },
  {
    mistake: "gives out its own state",
    breaks: ["GRANTS-14"],
    spoil: (grants) => ({ ...grants, readSubject: sharing((scope, subjectId) => grants.readSubject(scope, subjectId)) }),
  },
  {
    mistake: "gives out its own list",
    breaks: ["GRANTS-14"],
    spoil: (grants) => ({ ...grants, listHolders: sharing((scope, role, page) => grants.listHolders(scope, role, page)) }),
  },
  {
    mistake: "copies what it was given when its turn comes",
    breaks: ["GRANTS-14"],
    spoil: (grants) => ({
      ...grants,
      async writeSubject(...given) {
        await gap();
        return grants.writeSubject(...given);
      },
    }),
  },
];

function isHeld(name: string, held: readonly HeldRole[]): boolean {
  return held.some(({ role }) => role === name);
}

export const grantMutants: readonly PortMutant<"grants">[] = [...epochMutants, ...lastHolderMutants, ...readMutants];
