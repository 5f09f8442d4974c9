import type { CheckOptions, Identity } from "../decision/decision.js";
import { normaliseDepartment } from "../decision/find-org-role.js";
import { own } from "../own-options.js";
import type { AnyRbac } from "./rbac.js";

/** What changes for one role, or one identity. Permissions are in the order declared. */
export interface PermissionChange {
  readonly gained: readonly string[];
  readonly lost: readonly string[];
}

/** How one policy differs from another. */
export interface PolicyDiff {
  readonly permissions: { readonly added: readonly string[]; readonly removed: readonly string[] };
  /** Roles of which somebody gains or loses something, and roles that come or go. */
  readonly roles: readonly (PermissionChange & { readonly role: string; readonly change: "added" | "removed" | "changed" })[];
  /** The blast radius: how many of the identities it was asked about gain or lose anything, and which. */
  readonly identities: {
    readonly examined: number;
    readonly gaining: number;
    readonly losing: number;
    /** Those that gain or lose, by their place in what was given; the first 1,000. */
    readonly affected: readonly (PermissionChange & { readonly index: number })[];
  };
}

const MOST_AFFECTED = 1000;

/** Compares what two policies allow: role by role, and for each of the identities. */
export function diffPolicies(before: AnyRbac, after: AnyRbac, identities: Iterable<Identity>): PolicyDiff {
  const names = [...new Set([...before.roles, ...after.roles])];
  const roles = names.flatMap((role) => {
    const change = !before.roles.includes(role) ? "added" : after.roles.includes(role) ? "changed" : "removed";
    const changed = changeOf(before, after, { roles: [role] });
    return change === "changed" && isNothing(changed) ? [] : [Object.freeze({ role, change, ...changed } as const)];
  });
  const affected: (PermissionChange & { readonly index: number })[] = [];
  let [examined, gaining, losing] = [0, 0, 0];
  for (const identity of identities) {
    const changed = changeOf(before, after, identity);
    if (changed.gained.length > 0) gaining += 1;
    if (changed.lost.length > 0) losing += 1;
    if (!isNothing(changed) && affected.length < MOST_AFFECTED) affected.push(Object.freeze({ index: examined, ...changed }));
    examined += 1;
  }
  return Object.freeze({
    permissions: Object.freeze({
      added: without(after.permissions, before.permissions),
      removed: without(before.permissions, after.permissions),
    }),
    roles: Object.freeze(roles),
    identities: Object.freeze({ examined, gaining, losing, affected: Object.freeze(affected) }),
  });
}

function changeOf(before: AnyRbac, after: AnyRbac, identity: Identity): PermissionChange {
  const gained = new Set<string>();
  const lost = new Set<string>();
  for (const options of placesOf(identity)) {
    const had = before.permissionsOf(identity, options);
    const has = after.permissionsOf(identity, options);
    for (const permission of without(has, had)) gained.add(permission);
    for (const permission of without(had, has)) lost.add(permission);
  }
  // In the order declared, which the places do not keep.
  return {
    gained: Object.freeze(after.permissions.filter((permission) => gained.has(permission))),
    lost: Object.freeze(before.permissions.filter((permission) => lost.has(permission))),
  };
}

// Where it is at home, what its organisation roles give counts: in all of the organisation, and in a department that it holds, one
// for all, as roles bound to departments give the same in each. Both: a right may shrink from the organisation to its departments.
function placesOf(identity: Identity): readonly (CheckOptions | undefined)[] {
  const org = own(identity, "orgId");
  if (typeof org !== "string" || org === "") return [undefined];
  const held = own(identity, "scopedDepartments");
  const department = (Array.isArray(held) ? held : []).map(normaliseDepartment).find((name) => name !== undefined);
  return department === undefined ? [{ org }] : [{ org }, { org, scope: { department } }];
}

function without(list: readonly string[], removed: readonly string[]): readonly string[] {
  const gone = new Set(removed);
  return Object.freeze(list.filter((item) => !gone.has(item)));
}

function isNothing({ gained, lost }: PermissionChange): boolean {
  return gained.length === 0 && lost.length === 0;
}
