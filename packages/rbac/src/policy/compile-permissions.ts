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

/** The declared permissions, interned to bit positions. */
export class Universe {
  readonly permissions: readonly Permission[];
  readonly keys: readonly string[];
  /** Length of every mask in 32-bit words. */
  readonly words: number;
  readonly #byKey = new Map<string, Permission>();
  readonly #wildcards = new Map<string, Wildcard>();

  constructor(tree: unknown, namePattern: RegExp) {
    if (typeof tree !== "object" || tree === null)
      throw invalidOption("permissions", tree, "an object of resources, each with an array of actions");
    const permissions: Permission[] = [];
    const byAction = new Map<string, Wildcard>();
    for (const resource of Object.keys(tree)) {
      checkName("resource", resource, namePattern);
      const actions = own(tree, resource);
      if (!Array.isArray(actions) || actions.length === 0)
        throw invalidOption(`permissions.${resource}`, actions, "an array with at least one action");
      const ofResource = this.#addWildcard(`${resource}.*`);
      for (const action of actions as readonly unknown[]) {
        // Checked once, where it is met first.
        let ofAction = byAction.get(action as string);
        if (ofAction === undefined) {
          ofAction = this.#addWildcard(`*.${checkName("action", action, namePattern)}`);
          byAction.set(action as string, ofAction); // checkName refuses what is no string
        }
        const key = `${resource}.${action as string}`;
        const bit = permissions.length;
        const permission: Permission = { key, bit, resourceWildcard: ofResource.text, actionWildcard: ofAction.text };
        this.#byKey.set(key, permission);
        if (this.#byKey.size === bit) throw new RbacError("invalid_name", `The permission "${key}" is declared twice. Remove one.`);
        permissions.push(permission);
        ofResource.bits.push(bit);
        ofAction.bits.push(bit);
      }
    }
    if (permissions.length === 0) throw invalidOption("permissions", tree, "an object with at least one resource");
    const everything = this.#addWildcard("*");
    for (const { bit } of permissions) everything.bits.push(bit);
    this.permissions = Object.freeze(permissions);
    this.keys = Object.freeze(permissions.map(({ key }) => key));
    this.words = Math.ceil(permissions.length / 32);
  }

  find(key: unknown): Permission | undefined {
    return typeof key === "string" ? this.#byKey.get(key) : undefined;
  }

  /** Whether it is a declared permission or a wildcard that covers one. */
  covers(grant: string): boolean {
    return this.#byKey.has(grant) || this.#wildcards.has(grant);
  }

  /** Adds what a grant covers to a mask. @returns whether it is a declared permission or a wildcard that covers one. */
  addTo(mask: Uint32Array, grant: string): boolean {
    const permission = this.#byKey.get(grant);
    if (permission !== undefined) {
      setBit(mask, permission.bit);
      return true;
    }
    const wildcard = this.#wildcards.get(grant);
    if (wildcard === undefined) return false;
    if (wildcard.bits.length <= this.words) {
      for (const bit of wildcard.bits) setBit(mask, bit);
      return true;
    }
    wildcard.mask ??= maskOf(wildcard.bits, this.words);
    addMask(mask, wildcard.mask);
    return true;
  }

  #addWildcard(text: string): Wildcard {
    const wildcard: Wildcard = { text, bits: [], mask: undefined };
    this.#wildcards.set(text, wildcard);
    return wildcard;
  }
}

/** A grant that covers several permissions. */
interface Wildcard {
  readonly text: string;
  readonly bits: number[];
  /** Made where it is needed: most wildcards are short. */
  mask: Uint32Array | undefined;
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

function maskOf(bits: readonly number[], words: number): Uint32Array {
  const mask = new Uint32Array(words);
  for (const bit of bits) setBit(mask, bit);
  return mask;
}
