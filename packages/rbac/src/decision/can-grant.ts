import { own } from "../own-options.js";
import type { OrgRole } from "../policy/compile-org-roles.js";
import { hasBit, type Universe } from "../policy/compile-permissions.js";
import type { Permission } from "../policy/permission-key.js";
import type { Policy } from "../policy/policy.js";
import { checkOrgMutation } from "./check-roles.js";
import { decide, isCovered, isGrantedByOrgRole, scopesOf, unionOf } from "./decide.js";
import type { CheckOptions, DecisionReason, GrantDecision, Identity } from "./decision.js";
import { statusOf } from "./make-decision.js";

/** What somebody would give: a role, an organisation role, or the grants of one that is being written. */
export type Given<AnyGrant extends string = string> =
  | { readonly role: string }
  | { readonly orgRole: string }
  | { readonly permissions: readonly AnyGrant[] };

/** Whether the actor has everything that it would give. Never throws. */
export function canGrant(
  policy: Policy,
  universe: Universe,
  actor: Identity | undefined,
  given: Given,
  options: CheckOptions | undefined,
): GrantDecision {
  const answer = (reason: GrantDecision["reason"], missing: readonly string[] = []): GrantDecision =>
    Object.freeze({
      allowed: reason === "granted",
      reason,
      missing: Object.freeze(missing),
      policyVersion: policy.version,
      status: statusOf(reason),
    });
  try {
    const wanted = wantedBy(policy, universe, given);
    if (typeof wanted === "string") return answer(wanted);
    const { orgRole } = wanted;
    // What a role gives holds everywhere: that the actor has it within an organisation, by an organisation role, is not enough. Nor
    // is a department for what an organisation role gives in all of the organisation.
    const held = orgRole === undefined ? withoutOrgRoles(policy) : policy;
    const where = orgRole?.extent === "departments" ? options : withoutScope(options);
    const allowed = allowedTo(held, universe, actor, where);
    // Refused as a whole, e.g. of another organisation: then nothing was compared, and nothing is named as missing.
    if (typeof allowed === "string") return answer(allowed);
    const having = new Set(allowed);
    const missing = wanted.permissions.filter((permission) => !having.has(permission));
    const [first] = missing;
    if (first !== undefined)
      return answer(
        decide(held, first, actor, where).reason,
        missing.map(({ key }) => key),
      );
    return answer(orgRole?.mutates === true ? checkOrgMutation(policy, actor, where ?? {}).reason : "granted");
  } catch {
    return answer("malformed");
  }
}

/** Everything the identity may, in the order declared; the reason where every check would deny. Never throws. */
export function allowedTo(
  policy: Policy,
  universe: Universe,
  identity: Identity | undefined,
  options: CheckOptions | undefined,
): readonly Permission[] | DecisionReason {
  try {
    const union = unionOf(policy, identity, options);
    if (typeof union === "string") return union;
    const scopes = scopesOf(identity);
    const isCoveredByScopes = (permission: Permission): boolean => scopes === undefined || isCovered(scopes, permission);
    // By masks: decisions would be made, and remembered, for the whole universe.
    return universe.permissions.filter(
      (permission) =>
        (hasBit(union.effective, permission.bit) || isGrantedByOrgRole(policy, union, permission, identity, options)) &&
        isCoveredByScopes(permission),
    );
  } catch {
    return "malformed";
  }
}

function wantedBy(
  policy: Policy,
  universe: Universe,
  given: Given,
):
  | { readonly permissions: readonly Permission[]; readonly orgRole: OrgRole | undefined }
  | "malformed"
  | "unknown_role"
  | "unknown_permission" {
  const options = [own(given, "role"), own(given, "orgRole"), own(given, "permissions")];
  // Two at once would leave open which one was asked about.
  if (options.filter((option) => option !== undefined).length !== 1) return "malformed";
  const [role, orgRole, grants] = options;
  const mask = new Uint32Array(universe.words);
  let known: OrgRole | undefined;
  if (role !== undefined) {
    const union = typeof role === "string" && policy.roles.has(role) ? policy.unions.of([role]) : undefined;
    if (union === undefined) return "unknown_role";
    mask.set(union.effective);
  } else if (orgRole !== undefined) {
    known = policy.orgRoles.byName.get(orgRole as string); // a Map: what is no string is not found
    if (known === undefined) return "unknown_role";
    mask.set(known.allow);
  } else {
    if (!Array.isArray(grants)) return "malformed";
    for (const grant of grants as readonly unknown[])
      if (typeof grant !== "string" || !universe.covers(grant)) return "unknown_permission";
      else universe.addTo(mask, grant);
  }
  return { permissions: universe.permissions.filter(({ bit }) => hasBit(mask, bit)), orgRole: known };
}

function withoutOrgRoles(policy: Policy): Policy {
  return { ...policy, orgRoles: { ...policy.orgRoles, grantAnything: false } };
}

function withoutScope(options: CheckOptions | undefined): CheckOptions | undefined {
  const org = options === undefined ? undefined : own(options, "org");
  // Given but no string: decide refuses it.
  return options === undefined || !Object.hasOwn(options, "org") ? undefined : { org: org as string };
}
