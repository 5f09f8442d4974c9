import { invalidOption } from "@portcullis/core";
import { RbacError } from "../errors.js";
import { own } from "../own-options.js";
import type { Permission } from "./permission-key.js";

/** What resources, actions and roles may be called unless the policy says otherwise. */
export const DEFAULT_NAME_PATTERN = /^[a-z][a-z0-9_-]{0,63}$/;

// Names that mean something to every object: one forgotten own-property check elsewhere, and they would be found (CWE-1321).
const RESERVED = new Set([
  "__defineGetter__",
  "__defineSetter__",
  "__lookupGetter__",
  "__lookupSetter__",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "isPrototypeOf",
  "propertyIsEnumerable",
  "prototype",
  "toLocaleString",
  "toString",
  "valueOf",
]);

// Whatever pattern is configured: no empty name, no separators, wildcards, white space, control or non-ASCII characters in a name.
const ALWAYS_REFUSED = /^$|[^\x21-\x7e]|[.*]/;

interface Action {
  readonly name: string;
  readonly wildcard: string;
  /** Of every resource that has it. */
  readonly bits: number[];
}

/** Its permissions are neighbours: the n-th action has the n-th bit from the first. */
interface Resource {
  readonly name: string;
  readonly wildcard: string;
  readonly firstBit: number;
  readonly actions: readonly Action[];
}

/**
 * The declared permissions, interned to bit positions.
 *
 * What there is of each permission beside its bit is made when somebody asks for it: of ten thousand, a program checks a few hundred.
 */
export class Universe {
  /** How many permissions there are. */
  readonly size: number;
  /** Length of every mask in 32-bit words. */
  readonly words: number;
  readonly #resources = new Map<string, Resource>();
  readonly #actions = new Map<string, Action>();
  /** Those that somebody asked for. */
  readonly #found = new Map<string, Permission>();
  #permissions: readonly Permission[] | undefined;
  #keys: readonly string[] | undefined;

  constructor(tree: unknown, namePattern: RegExp) {
    if (typeof tree !== "object" || tree === null)
      throw invalidOption("permissions", tree, "an object of resources, each with an array of actions");
    let bit = 0;
    for (const name of Object.keys(tree)) {
      checkName("resource", name, namePattern);
      const list = own(tree, name);
      if (!Array.isArray(list) || list.length === 0) throw invalidOption(`permissions.${name}`, list, "an array with at least one action");
      const firstBit = bit;
      const actions = Array.from(list, (action: unknown) => this.#meet(action, namePattern));
      for (const action of actions) {
        if ((action.bits.at(-1) ?? -1) >= firstBit)
          throw new RbacError("invalid_name", `The permission "${name}.${action.name}" is declared twice. Remove one.`);
        action.bits.push(bit);
        bit += 1;
      }
      this.#resources.set(name, { name, wildcard: `${name}.*`, firstBit, actions });
    }
    if (bit === 0) throw invalidOption("permissions", tree, "an object with at least one resource");
    this.size = bit;
    this.words = Math.ceil(bit / 32);
  }

  /** All of them, in the order declared. */
  get permissions(): readonly Permission[] {
    this.#permissions ??= Object.freeze(
      [...this.#resources.values()].flatMap((resource) => resource.actions.map((_, place) => this.#make(resource, place))),
    );
    return this.#permissions;
  }

  /** Their keys, in the order declared. */
  get keys(): readonly string[] {
    return (this.#keys ??= Object.freeze(this.permissions.map(({ key }) => key)));
  }

  find(key: unknown): Permission | undefined {
    return typeof key === "string" ? (this.#found.get(key) ?? this.#look(key)) : undefined;
  }

  /** Whether it is a declared permission or a wildcard that covers one. */
  covers(grant: string): boolean {
    return grant === "*" || this.#addWildcard(undefined, grant) || this.#bitOf(grant) !== undefined;
  }

  /** Adds what a grant covers to a mask; nothing for what is neither a declared permission nor a wildcard that covers one. */
  addTo(mask: Uint32Array, grant: string): void {
    if (grant === "*") return addRange(mask, 0, this.size);
    if (this.#addWildcard(mask, grant)) return;
    const bit = this.#bitOf(grant);
    if (bit !== undefined) setBit(mask, bit);
  }

  /** @returns whether it is a wildcard that covers something. */
  #addWildcard(mask: Uint32Array | undefined, grant: string): boolean {
    if (grant.startsWith("*.")) {
      const action = this.#actions.get(grant.slice(2));
      if (mask !== undefined) for (const bit of action?.bits ?? []) setBit(mask, bit);
      return action !== undefined;
    }
    if (!grant.endsWith(".*")) return false;
    const resource = this.#resources.get(grant.slice(0, -2));
    if (mask !== undefined && resource !== undefined) addRange(mask, resource.firstBit, resource.firstBit + resource.actions.length);
    return resource !== undefined;
  }

  // No name contains a dot: the first one separates.
  #bitOf(key: string): number | undefined {
    const dot = key.indexOf(".");
    const resource = dot === -1 ? undefined : this.#resources.get(key.slice(0, dot));
    const action = resource === undefined ? undefined : this.#actions.get(key.slice(dot + 1));
    const place = resource === undefined || action === undefined ? -1 : resource.actions.indexOf(action);
    return resource === undefined || place === -1 ? undefined : resource.firstBit + place;
  }

  #look(key: string): Permission | undefined {
    const bit = this.#bitOf(key);
    const resource = bit === undefined ? undefined : this.#resources.get(key.slice(0, key.indexOf(".")));
    return bit === undefined || resource === undefined ? undefined : this.#make(resource, bit - resource.firstBit);
  }

  #make({ name, wildcard, firstBit, actions }: Resource, place: number): Permission {
    const action = actions[place] as Action; // a place of its actions
    const key = `${name}.${action.name}`;
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const made = Object.freeze({ key, bit: firstBit + place, resourceWildcard: wildcard, actionWildcard: action.wildcard });
    this.#found.set(key, made);
    return made;
  }

  #meet(action: unknown, namePattern: RegExp): Action {
    const known = this.#actions.get(action as string); // a Map: what is no string is not found, and refused below
    if (known !== undefined) return known;
    const name = checkName("action", action, namePattern);
    const met: Action = { name, wildcard: `*.${name}`, bits: [] };
    this.#actions.set(name, met);
    return met;
  }
}

/** @throws {RbacError} `invalid_name` */
export function checkName(kind: "resource" | "action" | "role" | "organisation role" | "persona", name: unknown, pattern: RegExp): string {
  if (typeof name !== "string" || !pattern.test(name) || ALWAYS_REFUSED.test(name) || RESERVED.has(name)) {
    const shown = typeof name === "string" ? JSON.stringify(name.slice(0, 64)) : `of type ${typeof name}`;
    throw new RbacError(
      "invalid_name",
      `The ${kind} name ${shown} is not allowed. Names match ${pattern.source} and are not names of object members.`,
    );
  }
  return name;
}

export function hasBit(mask: Uint32Array, bit: number): boolean {
  return ((mask[bit >>> 5] ?? 0) & (1 << (bit & 31))) !== 0;
}

export function addMask(target: Uint32Array, added: Uint32Array): void {
  for (let word = 0; word < target.length; word += 1) target[word] = (target[word] ?? 0) | (added[word] ?? 0);
}

function setBit(mask: Uint32Array, bit: number): void {
  mask[bit >>> 5] = (mask[bit >>> 5] ?? 0) | (1 << (bit & 31));
}

// From the first bit up to, not including, the end.
function addRange(mask: Uint32Array, first: number, end: number): void {
  for (let bit = first; bit < end;) {
    if ((bit & 31) === 0 && end - bit >= 32) {
      mask[bit >>> 5] = 0xffff_ffff;
      bit += 32;
    } else {
      setBit(mask, bit);
      bit += 1;
    }
  }
}
