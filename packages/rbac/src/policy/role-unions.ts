import type { Constraints } from "./compile-constraints.js";
import { addMask, hasBit } from "./compile-permissions.js";
import type { Role } from "./compile-roles.js";

/** What a list of roles amounts to: everything allowed by one and denied by none. */
export interface RoleUnion {
  /** The known ones, each once, in the order given. */
  readonly roles: readonly Role[];
  readonly effective: Uint32Array;
  /** Whether a constraint keeps these roles apart: then they count for nothing. */
  readonly isApart: boolean;
  /** Whether they deny every permission there is. */
  readonly deniesAll: boolean;
  /** By the permission's bit, what decides about it, where that was found out: see `decideByRoles`. Empty for a large universe. */
  readonly rows: Uint16Array;
  readonly next: Map<string, RoleUnion>;
}

// What is remembered is bounded by its size, whatever combinations of roles there are: past it, all is forgotten and begins anew.
const MOST_BYTES = 16_777_216;
const BYTES_BESIDE = 512;
/** Of more permissions, what decides is looked for each time: rows for all of them would be most of what a union holds. */
const MOST_ROWS = 2048;

/**
 * Remembers the union for each sequence of role names, as a tree: a lookup is one Map access per role, allocates nothing and
 * reads the names as they are now, so it needs no frozen array to be safe.
 */
export class RoleUnions {
  readonly #most: number;
  readonly #rows: number;
  #root: RoleUnion;
  #unions = 0;

  constructor(
    private readonly byName: ReadonlyMap<string, Role>,
    private readonly universe: { readonly size: number; readonly words: number },
    private readonly onUnknownRole: () => void,
    private readonly constraints?: Constraints,
  ) {
    const { words } = universe;
    this.#rows = words * 32 <= MOST_ROWS ? words * 32 : 0;
    const bytes = words * Uint32Array.BYTES_PER_ELEMENT + this.#rows * Uint16Array.BYTES_PER_ELEMENT + BYTES_BESIDE;
    this.#most = Math.floor(MOST_BYTES / bytes);
    this.#root = this.#empty();
  }

  /** @returns `undefined` for a list that holds anything but strings. */
  of(names: readonly unknown[]): RoleUnion | undefined {
    let union = this.#root;
    for (let index = 0; index < names.length; index += 1) {
      const name = names[index];
      if (typeof name !== "string") return undefined;
      union = union.next.get(name) ?? this.#extend(union, name);
    }
    return union;
  }

  /** Whether every name is a role's. */
  knowsAll(names: readonly string[]): boolean {
    return names.every((name) => this.byName.has(name));
  }

  #extend(union: RoleUnion, name: string): RoleUnion {
    const role = this.byName.get(name);
    if (role === undefined) {
      // Not remembered: names that nobody defined are without bound.
      this.onUnknownRole();
      return union;
    }
    const extended = union.roles.includes(role) ? union : this.#add(union, role);
    union.next.set(name, extended);
    return extended;
  }

  #add(union: RoleUnion, role: Role): RoleUnion {
    if (this.#unions >= this.#most) this.#forget();
    this.#unions += 1;
    const roles = [...union.roles, role];
    const allow = new Uint32Array(this.universe.words);
    const deny = new Uint32Array(this.universe.words);
    for (const each of roles) {
      addMask(allow, each.allow);
      addMask(deny, each.deny);
    }
    for (let word = 0; word < allow.length; word += 1) allow[word] = (allow[word] ?? 0) & ~(deny[word] ?? 0);
    const isApart = this.constraints?.violationOf(roles, "active") !== undefined;
    const deniesAll = hasAll(deny, this.universe.size);
    return { roles, effective: allow, isApart, deniesAll, rows: new Uint16Array(this.#rows), next: new Map() };
  }

  #forget(): void {
    this.#root = this.#empty();
    this.#unions = 0;
  }

  #empty(): RoleUnion {
    return {
      roles: [],
      effective: new Uint32Array(this.universe.words),
      isApart: false,
      deniesAll: false,
      rows: new Uint16Array(this.#rows),
      next: new Map(),
    };
  }
}

function hasAll(mask: Uint32Array, size: number): boolean {
  for (let bit = 0; bit < size; bit += 1) if (!hasBit(mask, bit)) return false;
  return true;
}
