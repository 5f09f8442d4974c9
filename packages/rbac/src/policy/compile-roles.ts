import { invalidOption } from "@portcullis/core";
import { checkName, type Universe } from "./compile-permissions.js";
import { RbacError } from "../errors.js";
import { own, ownOptions } from "../own-options.js";
import type { Permission } from "./permission-key.js";

/** What a role may do. A denial overrides every grant, wherever either comes from. */
export interface RoleDefinition<AnyGrant extends string = string, RoleName extends string = string> {
  /** Roles whose grants and denials this one has too. */
  readonly inherits?: readonly RoleName[];
  readonly grants?: readonly AnyGrant[];
  readonly denies?: readonly AnyGrant[];
}

/** A role with everything it inherits, as masks over the universe of permissions. */
export interface Role {
  readonly name: string;
  /** Its place among the roles of its policy. */
  readonly index: number;
  readonly inherits: readonly Role[];
  readonly grants: readonly string[];
  readonly denies: readonly string[];
  readonly allow: Uint32Array;
  readonly deny: Uint32Array;
}

type ParsedRole = Required<RoleDefinition>;

/**
 * Compiles role definitions.
 *
 * @param onUnknownGrant `ignore`: a grant or denial that covers no declared permission is left out. Roles from a store may have been
 *   written by a newer release of the program, which declares more.
 * @throws {RbacError} `invalid_name`, `invalid_grant`, `unknown_permission`, `unknown_role`, `role_cycle`
 */
export function compileRoles(
  definitions: unknown,
  universe: Universe,
  namePattern: RegExp,
  onUnknownGrant: "refuse" | "ignore" = "refuse",
): ReadonlyMap<string, Role> {
  const parsed = parseRoles(definitions, namePattern);
  const roles = new Map<string, Role>();
  for (const name of juniorsFirst(parsed)) {
    const { inherits, grants, denies } = parsed.get(name) as ParsedRole; // juniorsFirst lists keys of parsed only
    if (onUnknownGrant === "refuse") {
      for (const grant of grants) requireCovering(universe, grant, name);
      for (const grant of denies) requireCovering(universe, grant, name);
    }
    const juniors = inherits.map((junior) => roles.get(junior) as Role); // compiled before: juniors come first
    roles.set(name, new CompiledRole(name, roles.size, Object.freeze(juniors), grants, denies, universe));
  }
  return roles;
}

// Masks are made when somebody has the role: of a thousand roles, few are held by those who come first.
class CompiledRole implements Role {
  #masks: { readonly allow: Uint32Array; readonly deny: Uint32Array } | undefined;

  constructor(
    readonly name: string,
    readonly index: number,
    readonly inherits: readonly Role[],
    readonly grants: readonly string[],
    readonly denies: readonly string[],
    private readonly universe: Universe,
  ) {}

  get allow(): Uint32Array {
    return (this.#masks ??= this.#makeMasks()).allow;
  }
  get deny(): Uint32Array {
    return (this.#masks ??= this.#makeMasks()).deny;
  }

  #makeMasks(): { readonly allow: Uint32Array; readonly deny: Uint32Array } {
    const allow = new Uint32Array(this.universe.words);
    const deny = new Uint32Array(this.universe.words);
    for (const role of lineageOf(this)) {
      for (const grant of role.grants) this.universe.addTo(allow, grant);
      for (const grant of role.denies) this.universe.addTo(deny, grant);
    }
    return { allow, deny };
  }
}

/** Where a role's grant (or denial) of a permission is written: the nearest role, its words, and the way there. */
export function sourceOf(
  role: Role,
  permission: Permission,
  list: "grants" | "denies",
): { readonly grant: string; readonly path: readonly string[] } | undefined {
  const queue: { readonly role: Role; readonly from: number }[] = [{ role, from: -1 }];
  const seen = new Set([role]);
  for (let index = 0; index < queue.length; index += 1) {
    const { role: current } = queue[index] as (typeof queue)[number]; // index < length
    const grant = current[list].find((candidate) => covers(candidate, permission));
    if (grant !== undefined) {
      const path: string[] = [];
      for (let step = index; step !== -1;) {
        const { role: passed, from } = queue[step] as (typeof queue)[number]; // -1 or an index that was queued before
        path.unshift(passed.name);
        step = from;
      }
      return { grant, path };
    }
    for (const junior of current.inherits) {
      if (seen.has(junior)) continue;
      seen.add(junior);
      queue.push({ role: junior, from: index });
    }
  }
  return undefined;
}

/** Whether a grant or scope, as written, covers a permission. */
export function covers(grant: string, permission: Permission): boolean {
  return grant === permission.key || grant === "*" || grant === permission.resourceWildcard || grant === permission.actionWildcard;
}

/** The role and all that it inherits, at any distance, each once. */
export function lineageOf(role: Role): readonly Role[] {
  const queue = [role];
  const seen = new Set(queue);
  for (const current of queue) {
    for (const junior of current.inherits) {
      if (seen.has(junior)) continue;
      seen.add(junior);
      queue.push(junior);
    }
  }
  return queue;
}

/** Whether a role is the wanted one or inherits it, at any distance. */
export function includesRole(role: Role, wanted: string): boolean {
  return lineageOf(role).some(({ name }) => name === wanted);
}

/** Grants as text for a message: at most 64 characters, quoted. */
export function shown(text: unknown): string {
  return typeof text === "string" ? JSON.stringify(text.slice(0, 64)) : `of type ${typeof text}`;
}

/** @throws {RbacError} `invalid_grant`, `unknown_permission`: the grant covers nothing. */
export function requireCovering(universe: Universe, grant: string, role: string): void {
  if (universe.covers(grant)) return;
  // One spelling for everything, and wildcards for whole segments only: "wf*" or "*.*" would invite guesses about what they match.
  if (grant.includes("*") && !/^(?:[^.*]+\.\*|\*\.[^.*]+)$/.test(grant)) {
    throw new RbacError(
      "invalid_grant",
      `The role "${role}" has the grant ${shown(grant)}. Write "*", "resource.*", "*.action" or "resource.action".`,
    );
  }
  throw new RbacError(
    "unknown_permission",
    `The role "${role}" has the grant ${shown(grant)}, which covers no declared permission. Declare it under "permissions" or correct it.`,
  );
}

function parseRoles(definitions: unknown, namePattern: RegExp): Map<string, ParsedRole> {
  if (typeof definitions !== "object" || definitions === null) throw invalidOption("roles", definitions, "an object of role definitions");
  const parsed = new Map<string, ParsedRole>();
  for (const [name, definition] of Object.entries(definitions as Readonly<Record<string, RoleDefinition>>)) {
    checkName("role", name, namePattern);
    // Copied by ownOptions only where there is something to refuse: a thousand copies are a tenth of all that a policy allocates.
    const isPlain = typeof definition === "object" && (definition as unknown) !== null && Object.keys(definition).every(isRoleOption);
    const where = `roles.${name}`;
    const lists = isPlain ? definition : ownOptions(where, definition, ROLE_OPTIONS);
    parsed.set(name, {
      inherits: parseList(where, own(lists, "inherits"), "inherits"),
      grants: parseList(where, own(lists, "grants"), "grants"),
      denies: parseList(where, own(lists, "denies"), "denies"),
    });
  }
  return parsed;
}

const ROLE_OPTIONS = ["inherits", "grants", "denies"] as const;
const NOTHING: readonly string[] = Object.freeze([]);

function isRoleOption(name: string): boolean {
  return (ROLE_OPTIONS as readonly string[]).includes(name);
}

/** A frozen list of strings; absent: an empty one. @throws {ConfigurationError} `invalid_option` */
export function parseList(where: string, value: unknown, option: string): readonly string[] {
  if (value === undefined) return NOTHING;
  if (!Array.isArray(value)) throw invalidOption(`${where}.${option}`, value, "an array of strings");
  const list: readonly unknown[] = [...(value as readonly unknown[])];
  if (!list.every((item) => typeof item === "string")) throw invalidOption(`${where}.${option}`, value, "an array of strings");
  return Object.freeze(list);
}

// Depth first with a stack of its own: a chain of any length must not overflow the call stack.
function juniorsFirst(roles: ReadonlyMap<string, ParsedRole>): readonly string[] {
  const order: string[] = [];
  const done = new Set<string>();
  const path: { readonly name: string; next: number }[] = [];
  const onPath = new Set<string>();
  for (const start of roles.keys()) {
    if (done.has(start)) continue;
    path.push({ name: start, next: 0 });
    onPath.add(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const { inherits } = roles.get(top.name) as ParsedRole; // only known roles are put on the path
      // Past the end, an index would be looked up in Object.prototype (CWE-1321).
      const junior = top.next < inherits.length ? inherits[top.next] : undefined;
      if (junior === undefined) {
        order.push(top.name);
        done.add(top.name);
        onPath.delete(top.name);
        path.pop();
        continue;
      }
      top.next += 1;
      if (!roles.has(junior))
        throw new RbacError(
          "unknown_role",
          `The role "${top.name}" inherits ${shown(junior)}, which is not defined. Define it or correct the name.`,
        );
      if (onPath.has(junior)) {
        const cycle = [...path.slice(path.findIndex(({ name }) => name === junior)).map(({ name }) => name), junior];
        throw new RbacError("role_cycle", `Roles inherit each other in a circle: ${cycle.join(" -> ")}. Remove one of these links.`);
      }
      if (done.has(junior)) continue;
      onPath.add(junior);
      path.push({ name: junior, next: 0 });
    }
  }
  return order;
}
