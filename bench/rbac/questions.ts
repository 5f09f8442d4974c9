// Who asks for what: many users with three roles each, and half of the answers are "no".
import { freezePrincipal, type Principal } from "@portcullis/core";
import { createRandomBelow } from "../harness/random-below.js";
import { allowedKeys, type Key, KEYS, ROLES } from "./universe.js";

/** Asked before they repeat: a power of two, for a mask. */
export const QUESTIONS = 2 ** 14;

const ROLES_EACH = 3;
// Within so many, exactly half are allowed: a turn of any multiple of it has as many.
const BLOCK = 64;

/** Users with the same roles in the same order: what is prepared for one of them serves all. */
export interface RoleSet {
  readonly name: string;
  readonly roles: readonly string[];
  readonly allowed: ReadonlySet<string>;
}

/** One question. */
export interface Asked {
  readonly user: Principal;
  readonly roleSet: RoleSet;
  readonly permission: Key;
  readonly isAllowed: boolean;
}

/** How many there are. */
export interface Size {
  readonly users: number;
  /** Different ones, of three roles in an order of their own. */
  readonly roleSets: number;
}

/** Everybody, and what they ask. */
export interface Population {
  readonly roleSets: readonly RoleSet[];
  readonly users: readonly { readonly user: Principal; readonly roleSet: RoleSet }[];
  readonly asked: readonly Asked[];
}

/** Users with so many sets of roles between them, and their questions in an order without pattern. */
export function populationOf({ users: count, roleSets: sets }: Size): Population {
  const below = createRandomBelow();
  const roleSets = new Map<string, RoleSet>();
  while (roleSets.size < sets) {
    const roles = threeOf(Object.keys(ROLES), below);
    const name = roles.join("-");
    if (!roleSets.has(name)) roleSets.set(name, { name, roles, allowed: allowedKeys(roles) });
  }
  const all = [...roleSets.values()];
  const users = Array.from({ length: count }, (_, index) => {
    const roleSet = all[index % all.length] as RoleSet; // below the length
    return { user: userOf(index, roleSet.roles), roleSet };
  });
  const asked: Asked[] = [];
  while (asked.length < QUESTIONS) {
    let yes = BLOCK / 2;
    for (let left = BLOCK; left > 0; left -= 1) {
      const isAllowed = below(left) < yes;
      if (isAllowed) yes -= 1;
      asked.push(questionOf(isAllowed, users, below));
    }
  }
  return { roleSets: all, users, asked };
}

/** One user for each of the questions that are allowed, so that every answer is "yes". */
export function allowedOnly({ asked, ...rest }: Population): Population {
  const allowed = asked.filter(({ isAllowed }) => isAllowed);
  return { ...rest, asked: [...allowed, ...allowed] };
}

function questionOf(isAllowed: boolean, users: Population["users"], below: (bound: number) => number): Asked {
  for (;;) {
    const { user, roleSet } = users[below(users.length)] as (typeof users)[number]; // below the length
    const permission = KEYS[below(KEYS.length)] as Key; // below the length
    if (roleSet.allowed.has(permission.key) === isAllowed) return { user, roleSet, permission, isAllowed };
  }
}

function threeOf(names: readonly string[], below: (bound: number) => number): readonly string[] {
  const left = [...names];
  return Array.from({ length: ROLES_EACH }, () => left.splice(below(left.length), 1)[0] as string); // more than three names
}

/** A user as a token's claims make one: the names of the roles are strings of its own, not those that the policy has. */
export function userOf(index: number, roles: readonly string[]): Principal {
  const parsed = JSON.parse(JSON.stringify({ id: `user-${index}`, roles })) as { readonly id: string; readonly roles: readonly string[] }; // as written
  return freezePrincipal({
    ...{ type: "user", ...parsed, email: undefined, orgId: "acme", workspaceId: undefined, orgRoles: [], scopes: undefined },
    ...{ authMethod: "token", sessionId: "session-0", tokenVersion: 1, mfaAt: undefined, mustChangePassword: false },
  });
}
