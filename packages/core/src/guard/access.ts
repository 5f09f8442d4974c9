import { createFactKey, type FactKey } from "./facts.js";

/** By what right a request goes on: enough to reconstruct later why it was allowed. */
export interface Access {
  /** The permission that was checked: `resource.action`. */
  readonly permission: string;
  /** The caller's role that carries it. */
  readonly role: string | undefined;
  /** The grant in the policy that matched, as written there (`workflows.*`). */
  readonly grant: string | undefined;
  /** Which policy decided. */
  readonly policyVersion: number;
  /** The part of the organisation that the right was checked for; absent or `undefined`: it holds for all of it. */
  readonly scope?: { readonly department: string } | undefined;
  /** The trusted caller that vouches for whoever has the right; absent or `undefined`: nobody does. */
  readonly via?: string | undefined;
}

/**
 * The right by which the first permission guard let the request pass; absent while none did. Set by `requirePermission` of
 * `@portcullis/rbac`, read by audit (why was this allowed?) and approvals (what was approved under which policy).
 */
export const accessFact: FactKey<Access> = createFactKey<Access>("access");
