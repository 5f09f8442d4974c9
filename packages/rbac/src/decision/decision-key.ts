import { invalidOption } from "@portcullis/core";
import { ownOptions } from "../own-options.js";

/** All that a decision depends on, beside the resource's own state. */
export interface DecisionKeyParts {
  readonly subjectId: string;
  readonly permission: string;
  /** The organisation asked about; absent: none was. */
  readonly org?: string | undefined;
  /** The department asked about. */
  readonly department?: string | undefined;
  /** The credential's own bound. */
  readonly scopes?: readonly string[] | undefined;
  readonly policyVersion: number;
  /** Of what the subject holds, from a resolved principal; 0 where roles come from credentials. */
  readonly subjectEpoch: number;
  /** Whether a second factor counted as proved. */
  readonly mfa: boolean;
}

const PARTS = ["subjectId", "permission", "org", "department", "scopes", "policyVersion", "subjectEpoch", "mfa"] as const;

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
 * const about = { permission: "notes.read", policyVersion: 1, subjectEpoch: 0, mfa: false };
 * console.log(decisionKey({ ...about, subjectId: "a", org: "b" }) === decisionKey({ ...about, subjectId: "a,b" })); // false
 * ```
 */
export function decisionKey(parts: DecisionKeyParts): string {
  const { subjectId, permission, org, department, scopes, policyVersion, subjectEpoch, mfa } = ownOptions("decisionKey", parts, PARTS);
  for (const [name, value] of Object.entries({ subjectId, permission }))
    if (typeof value !== "string") throw invalidOption(`decisionKey.${name}`, value, "a string");
  for (const [name, value] of Object.entries({ policyVersion, subjectEpoch }))
    if (!Number.isSafeInteger(value)) throw invalidOption(`decisionKey.${name}`, value, "an integer");
  // JSON writes null for what it does not know, and NaN for one would pass for an organisation that is absent.
  for (const [name, value] of Object.entries({ org, department }))
    if (value !== undefined && typeof value !== "string") throw invalidOption(`decisionKey.${name}`, value, "a string, or absent");
  if (scopes !== undefined && !(Array.isArray(scopes) && scopes.every((scope) => typeof scope === "string")))
    throw invalidOption("decisionKey.scopes", scopes, "a list of strings, or absent");
  if (typeof mfa !== "boolean") throw invalidOption("decisionKey.mfa", mfa, "true or false");
  // JSON quotes what separates: a tuple has one text, and a text one tuple. Absent is null, which no string is.
  return JSON.stringify([subjectId, permission, org ?? null, department ?? null, scopes ?? null, policyVersion, subjectEpoch, mfa]);
}
