import { own } from "../own-options.js";
import type { RoleUnion, RoleUnions } from "../policy/role-unions.js";
import type { Identity } from "./decision.js";

/** What a check reads of an identity, read once. */
export interface KnownIdentity {
  readonly union: RoleUnion;
  /** The credential's bound; `undefined` without one. */
  readonly scopes: readonly string[] | undefined;
  readonly via: string | undefined;
}

/**
 * One time in so many that an unknown identity is met, it is looked at and remembered: that costs as much as several checks, and many
 * principals live for one request only. One that is given out again and again is known soon.
 */
const LOOK_EVERY = 16;

/**
 * Identities that cannot change any more, with what was read of them: plain objects, frozen with their lists, of own data properties,
 * whose roles are all known. That is what authentication publishes, and what token caches give out again and again.
 */
export class KnownIdentities {
  readonly #known = new WeakMap<object, KnownIdentity>();
  #met = 0;

  get(identity: Identity): KnownIdentity | undefined {
    return this.#known.get(identity);
  }

  /** Told of an identity for which `union` was found; remembers it now and then, if it is one that cannot change. */
  meet(identity: Identity, union: RoleUnion, unions: RoleUnions): void {
    this.#met += 1;
    if (this.#met % LOOK_EVERY !== 0) return;
    const known = readFixed(identity, union);
    if (known !== undefined && unions.knowsAll(identity.roles)) this.#known.set(identity, known);
  }
}

// All that a check without options reads, if neither it nor what it would be read through can change.
function readFixed(identity: Identity, union: RoleUnion): KnownIdentity | undefined {
  if (!Object.isFrozen(identity)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(identity);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  if (!["roles", "scopes", "via"].every((name) => isData(identity, name))) return undefined;
  const [roles, scopes, via] = [own(identity, "roles"), own(identity, "scopes"), own(identity, "via")];
  if (!isFixedList(roles) || (scopes !== undefined && !isFixedList(scopes))) return undefined;
  return { union, scopes, via: via as string | undefined }; // as Identity has it
}

// Frozen, but read through a function, a property still changes.
function isData(value: object, name: string): boolean {
  return Object.getOwnPropertyDescriptor(value, name)?.get === undefined;
}

function isFixedList(list: unknown): list is readonly string[] {
  if (!Array.isArray(list) || !Object.isFrozen(list)) return false;
  // A place that is empty would be looked up in Object.prototype (CWE-1321).
  for (let index = 0; index < list.length; index += 1)
    if (!Object.hasOwn(list, index) || !isData(list, String(index)) || typeof list[index] !== "string") return false;
  return true;
}
