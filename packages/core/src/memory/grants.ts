import type { Grants, GrantsWrite, HeldRole, RoleHolder, StoredPolicy, SubjectGrants } from "../ports/grants.js";
import { compareCodePoints } from "./compare-code-points.js";

/** What is held in one scope, both ways round. */
interface Scope {
  readonly subjects: Map<string, SubjectGrants>;
  /** By role, then by subject id; no role without a holder. */
  readonly holders: Map<string, Map<string, RoleHolder>>;
}

const NEVER_WRITTEN: SubjectGrants = Object.freeze({ epoch: 0, held: Object.freeze([]) });

/** Held roles and policies in this process. */
export function createMemoryGrants(): Grants {
  const policies = new Map<string, StoredPolicy>();
  const scopes = new Map<string, Scope>();

  return Object.freeze({
    readPolicy: (policy: string): StoredPolicy | undefined => policies.get(policy),
    writePolicy(policy: string, expectedRevision: number, value: string): number | undefined {
      const current = policies.get(policy)?.revision ?? 0;
      if (current !== expectedRevision) return undefined;
      policies.set(policy, Object.freeze({ revision: current + 1, value }));
      return current + 1;
    },
    readSubject: (scope: string, subjectId: string): SubjectGrants => scopes.get(scope)?.subjects.get(subjectId) ?? NEVER_WRITTEN,
    writeSubject(
      scopeName: string,
      subjectId: string,
      expectedEpoch: number,
      held: readonly HeldRole[],
      keep: readonly string[],
    ): GrantsWrite {
      const scope: Scope = scopes.get(scopeName) ?? { subjects: new Map(), holders: new Map() };
      const before = scope.subjects.get(subjectId) ?? NEVER_WRITTEN;
      if (before.epoch !== expectedEpoch) return Object.freeze({ kind: "changed_meanwhile", epoch: before.epoch });
      const after = new Map(held.map(({ role, standing, value }) => [role, Object.freeze({ role, standing, value })]));
      const givenUp = new Set(
        before.held.filter(({ role, standing }) => standing && after.get(role)?.standing !== true).map(({ role }) => role),
      );
      const bereft = keep.find((role) => givenUp.has(role) && !standsElsewhere(scope, role, subjectId));
      if (bereft !== undefined) return Object.freeze({ kind: "last_holder", role: bereft });

      scopes.set(scopeName, scope);
      for (const { role } of before.held) removeHolder(scope, role, subjectId);
      for (const { role, standing, value } of after.values()) addHolder(scope, role, Object.freeze({ subjectId, standing, value }));
      const epoch = before.epoch + 1;
      scope.subjects.set(subjectId, Object.freeze({ epoch, held: Object.freeze([...after.values()]) }));
      return Object.freeze({ kind: "written", epoch });
    },
    listHolders(scope: string, role: string, page: { readonly limit: number; readonly after?: string }): readonly RoleHolder[] {
      const { limit, after } = page;
      const holders = [...(scopes.get(scope)?.holders.get(role)?.values() ?? [])];
      const rest = after === undefined ? holders : holders.filter(({ subjectId }) => compareCodePoints(subjectId, after) > 0);
      return Object.freeze(rest.sort((a, b) => compareCodePoints(a.subjectId, b.subjectId)).slice(0, limit));
    },
  });
}

function standsElsewhere({ holders }: Scope, role: string, subjectId: string): boolean {
  for (const holder of holders.get(role)?.values() ?? []) if (holder.standing && holder.subjectId !== subjectId) return true;
  return false;
}

function removeHolder({ holders }: Scope, role: string, subjectId: string): void {
  const ofRole = holders.get(role);
  ofRole?.delete(subjectId);
  if (ofRole?.size === 0) holders.delete(role);
}

function addHolder({ holders }: Scope, role: string, holder: RoleHolder): void {
  const ofRole = holders.get(role);
  if (ofRole === undefined) holders.set(role, new Map([[holder.subjectId, holder]]));
  else ofRole.set(holder.subjectId, holder);
}
