import { invalidOption } from "@portcullis/core";
import { own, ownOptions } from "../own-options.js";
import type { Identity } from "./decision.js";

/** All that a decision depends on, beside the resource's own state. */
export interface DecisionKeyParts {
  readonly subjectId: string;
  readonly permission: string;
  /** The organisation asked about; absent: none was. */
  readonly org?: string | undefined;
  /** The department asked about. */
  readonly department?: string | undefined;
  /** Who asks, as far as checks read it: two credentials of one subject may differ in roles and bounds. */
  readonly identity: Identity;
  readonly policyVersion: number;
  /** Of what the subject holds, from a resolved principal; 0 where roles come from credentials. */
  readonly subjectEpoch: number;
  /** Whether a second factor counted as proved. */
  readonly mfa: boolean;
}

const PARTS = ["subjectId", "permission", "org", "department", "identity", "policyVersion", "subjectEpoch", "mfa"] as const;

/**
 * A key for remembering a decision that costs more than a check (one that asks a database, for one): equal only where everything that
 * it depends on is equal, whatever characters ids are made of. Changed roles or assignments make another key.
 *
 * Keep denials at least as long as permissions, and errors never: what is remembered too long then denies.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { decisionKey } from "@portcullis/rbac";
 *
 * const about = { permission: "notes.read", identity: { roles: ["reader"] }, policyVersion: 1, subjectEpoch: 0, mfa: false };
 * console.log(decisionKey({ ...about, subjectId: "a", org: "b" }) === decisionKey({ ...about, subjectId: "a,b" })); // false
 * ```
 */
export function decisionKey(parts: DecisionKeyParts): string {
  const { subjectId, permission, org, department, identity, policyVersion, subjectEpoch, mfa } = ownOptions("decisionKey", parts, PARTS);
  for (const [name, value] of Object.entries({ subjectId, permission }))
    if (typeof value !== "string") throw invalidOption(`decisionKey.${name}`, value, "a string");
  for (const [name, value] of Object.entries({ policyVersion, subjectEpoch }))
    if (!Number.isSafeInteger(value)) throw invalidOption(`decisionKey.${name}`, value, "an integer");
  // JSON writes null for what it does not know, and NaN for one would pass for an organisation that is absent.
  for (const [name, value] of Object.entries({ org, department }))
    if (value !== undefined && typeof value !== "string") throw invalidOption(`decisionKey.${name}`, value, "a string, or absent");
  if (typeof mfa !== "boolean") throw invalidOption("decisionKey.mfa", mfa, "true or false");
  // JSON quotes what separates: a tuple has one text, and a text one tuple. Absent is null, which no string is.
  return JSON.stringify([subjectId, permission, org ?? null, department ?? null, ...partsOf(identity), policyVersion, subjectEpoch, mfa]);
}

const TEXTS = ["type", "orgId", "via"] as const;
const LISTS = ["roles", "orgRoles", "scopedDepartments", "personas", "scopes"] as const;

function partsOf(identity: Identity | undefined): readonly unknown[] {
  if (typeof identity !== "object" || (identity as unknown) === null) throw invalidOption("decisionKey.identity", identity, "an identity");
  const texts = TEXTS.map((name) => own(identity, name));
  const lists = LISTS.map((name) => own(identity, name));
  if (!texts.every((text) => text === undefined || typeof text === "string") || !lists.every(isListOfStrings))
    throw invalidOption("decisionKey.identity", identity, "an identity of strings and lists of strings");
  return [...texts, ...lists].map((part) => part ?? null);
}

function isListOfStrings(list: unknown): boolean {
  return list === undefined || (Array.isArray(list) && list.every((item) => typeof item === "string"));
}
