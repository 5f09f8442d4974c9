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
  readonly #wildcards = new Map<string, { readonly bits: number[]; mask: Uint32Array | undefined }>();

  constructor(tree: unknown, namePattern: RegExp) {
    if (typeof tree !== "object" || tree === null)
      throw invalidOption("permissions", tree, "an object of resources, each with an array of actions");
    const permissions: Permission[] = [];
    const seen = new Set<string>();
    for (const resource of Object.keys(tree)) {
      checkName("resource", resource, namePattern);
      const actions = own(tree, resource);
      if (!Array.isArray(actions) || actions.length === 0)
        throw invalidOption(`permissions.${resource}`, actions, "an array with at least one action");
      const resourceWildcard = `${resource}.*`;
      for (const action of actions as readonly unknown[]) {
        if (typeof action !== "string" || !seen.has(action)) seen.add(checkName("action", action, namePattern));
        const key = `${resource}.${action as string}`; // checkName refused everything else
        if (this.#byKey.has(key)) throw new RbacError("invalid_name", `The permission "${key}" is declared twice. Remove one.`);
        const permission: Permission = Object.freeze({
          key,
          bit: permissions.length,
          resourceWildcard,
          actionWildcard: `*.${action as string}`,
        });
        permissions.push(permission);
        this.#byKey.set(key, permission);
        this.#cover(resourceWildcard, permission.bit);
        this.#cover(permission.actionWildcard, permission.bit);
        this.#cover("*", permission.bit);
      }
    }
    if (permissions.length === 0) throw invalidOption("permissions", tree, "an object with at least one resource");
    this.permissions = Object.freeze(permissions);
    this.keys = Object.freeze(permissions.map(({ key }) => key));
    this.words = Math.ceil(permissions.length / 32);
  }

  find(key: unknown): Permission | undefined {
    return typeof key === "string" ? this.#byKey.get(key) : undefined;
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

  #cover(wildcard: string, bit: number): void {
    const entry = this.#wildcards.get(wildcard);
    if (entry === undefined) this.#wildcards.set(wildcard, { bits: [bit], mask: undefined });
    else entry.bits.push(bit);
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

function maskOf(bits: readonly number[], words: number): Uint32Array {
  const mask = new Uint32Array(words);
  for (const bit of bits) setBit(mask, bit);
  return mask;
}
