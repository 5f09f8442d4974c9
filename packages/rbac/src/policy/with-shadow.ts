import { invalidOption, type Metrics, noMetrics, quietly } from "@portcullis/core";
import type { CheckOptions, Decision, Identity } from "../decision/decision.js";
import { ownOptions } from "../own-options.js";
import type { AnyRbac, PreparedCheck, Rbac } from "./rbac.js";

/** The two policies disagree about one question. */
export interface ShadowDifference {
  /** What the policy in force decided; it counts. */
  readonly actual: Decision;
  /** What the candidate would have decided. */
  readonly candidate: Decision;
  readonly identity: Identity | undefined;
}

/** How a candidate is tried. */
export interface ShadowOptions {
  /** One check in so many is compared: 1 (default) or more. */
  readonly sampleEvery?: number;
  /** Told of each difference; what it throws is dropped. */
  readonly onDifference?: (difference: ShadowDifference) => void;
  /** Counts `rbac_shadow_differences_total{permission,change}`. */
  readonly metrics?: Metrics;
}

/**
 * The policy in force, with a candidate beside it that is asked for the same permissions and decides nothing. Checks of roles,
 * organisation roles and personas are not compared.
 *
 * Put it where the policy was, look at the differences that real requests make, then put the candidate in force. The candidate
 * should have no metrics of its own: its checks would be counted as checks. What it throws is dropped.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { defineRbac, withShadow } from "@portcullis/rbac";
 *
 * const permissions = { notes: ["read", "write"] } as const;
 * const current = defineRbac({ permissions, roles: { reader: { grants: ["notes.read"] } } });
 * const stricter = defineRbac({ permissions, roles: { reader: {} } });
 * const rbac = withShadow(current, stricter, {
 *   onDifference: ({ candidate }) => console.log(candidate.permission, candidate.reason), // notes.read missing_permission
 * });
 * console.log(rbac.check({ roles: ["reader"] }, "notes.read").allowed); // true
 * ```
 */
export function withShadow<Key extends string, RoleName extends string, OrgRoleName extends string, PersonaName extends string>(
  rbac: Rbac<Key, RoleName, OrgRoleName, PersonaName>,
  candidate: AnyRbac,
  options: ShadowOptions = {},
): Rbac<Key, RoleName, OrgRoleName, PersonaName> {
  const {
    sampleEvery = 1,
    onDifference = () => {},
    metrics = noMetrics,
  } = ownOptions("withShadow", options, ["sampleEvery", "onDifference", "metrics"]);
  if (typeof candidate?.check !== "function") throw invalidOption("withShadow.candidate", candidate, "a policy of defineRbac");
  if (!Number.isSafeInteger(sampleEvery) || sampleEvery < 1)
    throw invalidOption("withShadow.sampleEvery", sampleEvery, "an integer from 1");
  if (typeof onDifference !== "function") throw invalidOption("withShadow.onDifference", onDifference, "a function");
  const differences = metrics.counter({
    name: "rbac_shadow_differences_total",
    help: "Checks that a candidate policy would have decided otherwise.",
    labelNames: ["permission", "change"],
  });
  const tell = quietly(onDifference);
  let count = 0;
  const compare = quietly(({ actual, identity, checkOptions }: Comparison) => {
    const other = candidate.check(identity, actual.permission, checkOptions);
    if (other.allowed === actual.allowed) return;
    const permission = rbac.isPermission(actual.permission) ? actual.permission : "unknown";
    differences.add({ permission, change: other.allowed ? "would_allow" : "would_deny" });
    tell(Object.freeze({ actual, candidate: other, identity }));
  });
  const compared = (actual: Decision, identity: Identity | undefined, checkOptions: CheckOptions | undefined): Decision => {
    count += 1;
    if (count % sampleEvery === 0) compare({ actual, identity, checkOptions });
    return actual;
  };
  return Object.freeze({
    ...delegateTo(rbac),
    get permissions() {
      return rbac.permissions;
    },
    get roles() {
      return rbac.roles;
    },
    get policyVersion() {
      return rbac.policyVersion;
    },
    check: (identity: Identity | undefined, permission: Key, checkOptions?: CheckOptions) =>
      compared(rbac.check(identity, permission, checkOptions), identity, checkOptions),
    prepare(permission: Key): PreparedCheck {
      const check = rbac.prepare(permission);
      return (identity, checkOptions) => compared(check(identity, checkOptions), identity, checkOptions);
    },
  });
}

interface Comparison {
  readonly actual: Decision;
  readonly identity: Identity | undefined;
  readonly checkOptions: CheckOptions | undefined;
}

type Delegated<Key extends string, RoleName extends string, OrgRoleName extends string, PersonaName extends string> = Omit<
  Rbac<Key, RoleName, OrgRoleName, PersonaName>,
  "permissions" | "roles" | "policyVersion" | "check" | "prepare"
>;

function delegateTo<Key extends string, RoleName extends string, OrgRoleName extends string, PersonaName extends string>(
  rbac: Rbac<Key, RoleName, OrgRoleName, PersonaName>,
): Delegated<Key, RoleName, OrgRoleName, PersonaName> {
  return {
    redactDenials: rbac.redactDenials,
    orgRoles: rbac.orgRoles,
    personas: rbac.personas,
    isPermission: (value): value is Key => rbac.isPermission(value),
    isWrite: (permission) => rbac.isWrite(permission),
    checkRoles: (identity, roles, options) => rbac.checkRoles(identity, roles, options),
    checkOrgMutation: (identity, options) => rbac.checkOrgMutation(identity, options),
    checkPersona: (identity, wanted) => rbac.checkPersona(identity, wanted),
    checkAssignment: (roles) => rbac.checkAssignment(roles),
    checkActivation: (roles) => rbac.checkActivation(roles),
    explain: (identity, permission, options) => rbac.explain(identity, permission, options),
    permissionsOf: (identity, options) => rbac.permissionsOf(identity, options),
    canGrant: (actor, given, options) => rbac.canGrant(actor, given, options),
    isBoundToDepartments: (orgRole) => rbac.isBoundToDepartments(orgRole),
    describeRole: (role) => rbac.describeRole(role),
    withRoles: (roles) => rbac.withRoles(roles),
    diff: (other, identities) => rbac.diff(other, identities),
    replaceRoles: (roles, options) => rbac.replaceRoles(roles, options),
    reportDenial: (denial) => rbac.reportDenial(denial),
  };
}
