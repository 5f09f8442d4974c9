import { invalidOption, noMetrics, subjectOf, systemClock } from "@portcullis/core";
import { allowedTo, canGrant, type Given } from "../decision/can-grant.js";
import { checkOrgMutation, checkPersona, checkRoles } from "../decision/check-roles.js";
import { decide, withVia } from "../decision/decide.js";
import type {
  CheckOptions,
  ConstraintDecision,
  Decision,
  Explanation,
  GrantDecision,
  Identity,
  RoleDecision,
} from "../decision/decision.js";
import { explainDecision } from "../decision/explain.js";
import { makeDecision } from "../decision/make-decision.js";
import { RbacError } from "../errors.js";
import { own, ownOptions } from "../own-options.js";
import { Constraints, copyConstraints } from "./compile-constraints.js";
import { compileOrgRoles } from "./compile-org-roles.js";
import { compilePersonas, type PersonaAccess } from "./compile-personas.js";
import { DEFAULT_NAME_PATTERN, Universe } from "./compile-permissions.js";
import { compileRoles, type Role, type RoleDefinition, shown } from "./compile-roles.js";
import type { RbacDefinition } from "./define-rbac.js";
import { diffPolicies, type PolicyDiff } from "./diff.js";
import { Instruments } from "./instruments.js";
import type { PermissionTree } from "./permission-key.js";
import { type OrgRoles, type Policy, PRINCIPAL_TYPES } from "./policy.js";
import type { AnyRbac, Denial, GrantOf, PreparedCheck, Rbac, ReplaceRolesOptions } from "./rbac.js";
import { RoleUnions } from "./role-unions.js";

const OPTIONS = [
  "permissions",
  "roles",
  "orgRoles",
  "orgRolesHeldBy",
  "personas",
  "readActions",
  "constraints",
  "redactDenials",
  "policyVersion",
  "namePattern",
  "metrics",
  "onEvent",
  "clock",
] as const;

/** The one implementation of {@link Rbac}; made by `defineRbac`. */
export class CompiledRbac<
  Key extends string,
  RoleName extends string,
  OrgRoleName extends string,
  PersonaName extends string,
> implements Rbac<Key, RoleName, OrgRoleName, PersonaName> {
  readonly permissions: readonly Key[];
  readonly orgRoles: readonly OrgRoleName[];
  readonly personas: readonly PersonaName[];
  readonly redactDenials: boolean;
  readonly #universe: Universe;
  readonly #namePattern: RegExp;
  readonly #constraints: unknown;
  readonly #readActions: ReadonlySet<string>;
  readonly #instruments: Instruments;
  // The whole policy behind one reference: replacing it is one assignment.
  #policy: Policy;

  constructor(definition: RbacDefinition<PermissionTree, string>) {
    const options = ownOptions("defineRbac", definition, OPTIONS);
    const {
      redactDenials = false,
      policyVersion = 1,
      namePattern = DEFAULT_NAME_PATTERN,
      orgRolesHeldBy = ["user"],
      readActions = ["read"],
      metrics = noMetrics,
      onEvent,
      clock = systemClock,
    } = options;
    if (typeof redactDenials !== "boolean") throw invalidOption("redactDenials", redactDenials, "true or false");
    if (!Number.isSafeInteger(policyVersion) || policyVersion < 1) throw invalidOption("policyVersion", policyVersion, "an integer from 1");
    if (!(namePattern instanceof RegExp)) throw invalidOption("namePattern", namePattern, "a regular expression");
    if (onEvent !== undefined && typeof onEvent !== "function") throw invalidOption("onEvent", onEvent, "a function");
    if (!Array.isArray(orgRolesHeldBy) || !orgRolesHeldBy.every((type) => PRINCIPAL_TYPES.includes(type)))
      throw invalidOption("orgRolesHeldBy", orgRolesHeldBy, `a list of ${PRINCIPAL_TYPES.join(", ")}`);
    if (!Array.isArray(readActions) || !readActions.every((action) => typeof action === "string"))
      throw invalidOption("readActions", readActions, "a list of actions");
    // A copy without g and y: those make test() depend on the test before.
    this.#namePattern = new RegExp(namePattern.source, namePattern.flags.replaceAll(/[gy]/g, ""));
    this.#universe = new Universe(options.permissions, this.#namePattern);
    this.#readActions = new Set(readActions);
    this.#instruments = new Instruments(metrics, clock, onEvent, this.#universe.permissions.length);
    this.#constraints = copyConstraints(options.constraints);
    const orgRoles = compileOrgRoles(options.orgRoles, this.#universe, this.#namePattern);
    const personas = compilePersonas(options.personas, this.#namePattern);
    this.redactDenials = redactDenials;
    // The universe was built from Tree, whose keys are Key; the maps from the objects whose keys are the names.
    this.permissions = this.#universe.keys as readonly Key[];
    this.orgRoles = Object.freeze([...orgRoles.keys()]) as readonly OrgRoleName[];
    this.personas = Object.freeze([...personas.keys()]) as readonly PersonaName[];
    this.#policy = this.#compile(compileRoles(options.roles, this.#universe, this.#namePattern), policyVersion, {
      orgRoles: {
        byName: orgRoles,
        heldBy: new Set(orgRolesHeldBy),
        grantAnything: [...orgRoles.values()].some(({ grants }) => grants.length > 0),
      },
      personas,
    });
    Object.freeze(this);
  }

  get roles(): readonly string[] {
    return Object.freeze([...this.#policy.roles.keys()]);
  }

  get policyVersion(): number {
    return this.#policy.version;
  }

  isPermission(value: unknown): value is Key {
    return this.#universe.find(value) !== undefined;
  }

  isWrite(permission: Key): boolean {
    const known = this.#universe.find(permission);
    return known === undefined || !this.#readActions.has(known.actionWildcard.slice("*.".length));
  }

  check(identity: Identity | undefined, permission: Key, options?: CheckOptions): Decision {
    const startedAt = this.#instruments.begin();
    const known = this.#universe.find(permission);
    const made = known === undefined ? this.#undeclared(permission, identity) : decide(this.#policy, known, identity, options);
    this.#instruments.checked(known, made.allowed, startedAt);
    return made;
  }

  prepare(permission: Key): PreparedCheck {
    const known = this.#universe.find(permission);
    if (known === undefined) {
      throw new RbacError(
        "unknown_permission",
        `The permission ${shown(permission)} is not declared. Declare it under "permissions" or correct it; wildcards cannot be checked.`,
      );
    }
    return (identity, options) => {
      const startedAt = this.#instruments.begin();
      const made = decide(this.#policy, known, identity, options);
      this.#instruments.checked(known, made.allowed, startedAt);
      return made;
    };
  }

  checkRoles(
    identity: Identity | undefined,
    roles: readonly RoleName[],
    options?: CheckOptions & { readonly exact?: boolean },
  ): RoleDecision {
    return checkRoles(this.#policy, identity, roles, options);
  }

  checkOrgMutation(identity: Identity | undefined, options: CheckOptions): RoleDecision {
    return checkOrgMutation(this.#policy, identity, options);
  }

  checkPersona(identity: Identity | undefined, wanted: PersonaAccess | readonly PersonaName[]): RoleDecision {
    return checkPersona(this.#policy, identity, wanted);
  }

  checkAssignment(roles: readonly string[]): ConstraintDecision {
    return this.#together(roles, "assigned");
  }

  checkActivation(roles: readonly string[]): ConstraintDecision {
    return this.#together(roles, "active");
  }

  explain(identity: Identity | undefined, permission: Key, options?: CheckOptions): Explanation {
    const policy = this.#policy;
    const known = this.#universe.find(permission);
    const made = known === undefined ? this.#undeclared(permission, identity) : decide(policy, known, identity, options);
    return explainDecision(policy, known, identity, options, made);
  }

  permissionsOf(identity: Identity | undefined, options?: CheckOptions): readonly Key[] {
    const allowed = allowedTo(this.#policy, this.#universe, identity, options);
    return Object.freeze(typeof allowed === "string" ? [] : allowed.map(({ key }) => key as Key)); // see the constructor
  }

  canGrant(actor: Identity | undefined, given: Given<GrantOf<Key>>, options?: CheckOptions): GrantDecision<Key> {
    return canGrant(this.#policy, this.#universe, actor, given, options) as GrantDecision<Key>; // see the constructor
  }

  diff(other: AnyRbac, identities: Iterable<Identity> = []): PolicyDiff {
    return diffPolicies(this, other, identities);
  }

  replaceRoles(roles: { readonly [name: string]: RoleDefinition<GrantOf<Key>> }, options: ReplaceRolesOptions = {}): number {
    const { version: previousVersion, orgRoles, personas } = this.#policy;
    const { policyVersion = previousVersion + 1, unknownGrants = "refuse" } = ownOptions("replaceRoles", options, [
      "policyVersion",
      "unknownGrants",
    ]);
    if (!Number.isSafeInteger(policyVersion) || policyVersion <= previousVersion)
      throw invalidOption("replaceRoles.policyVersion", policyVersion, `an integer above ${previousVersion}`);
    if (unknownGrants !== "refuse" && unknownGrants !== "ignore")
      throw invalidOption("replaceRoles.unknownGrants", unknownGrants, '"refuse" or "ignore"');
    const compiled = compileRoles(roles, this.#universe, this.#namePattern, unknownGrants);
    this.#policy = this.#compile(compiled, policyVersion, { orgRoles, personas });
    this.#instruments.emit(() => ({ kind: "policy_replaced", policyVersion, previousVersion }));
    return policyVersion;
  }

  reportDenial({ decision: denied, guard, principal, correlationId }: Denial): void {
    const permission = "permission" in denied ? denied.permission : undefined;
    this.#instruments.denied(permission === undefined || this.isPermission(permission) ? permission : "unknown", guard);
    this.#instruments.emit(() => ({
      kind: "access_denied",
      guard,
      reason: denied.reason,
      permission,
      role: denied.role,
      grant: "grant" in denied ? denied.grant : undefined,
      policyVersion: denied.policyVersion,
      subjectId: principal === undefined ? undefined : subjectOf(principal),
      orgId: principal && (own(principal, "orgId") as string | undefined), // as Principal has it
      via: principal && (own(principal, "via") as string | undefined),
      correlationId,
    }));
  }

  #compile(roles: ReadonlyMap<string, Role>, version: number, rest: Pick<Policy, "personas"> & { readonly orgRoles: OrgRoles }): Policy {
    const constraints = new Constraints(this.#constraints, roles);
    const unions = new RoleUnions(roles, this.#universe.words, () => this.#instruments.unknownRole(), constraints);
    this.#instruments.policyVersion(version);
    return { ...rest, version, roles, unions, constraints };
  }

  #together(names: readonly string[], held: "assigned" | "active"): ConstraintDecision {
    if (!isListOfText(names)) return constraintDecision("malformed", undefined, []);
    const { roles, constraints } = this.#policy;
    const unknown = names.filter((name) => !roles.has(name));
    if (unknown.length > 0) return constraintDecision("unknown_role", undefined, unknown);
    const violation = constraints.violationOf(
      names.map((name) => roles.get(name) as Role),
      held,
    ); // none is unknown
    if (violation === undefined) return constraintDecision("granted", undefined, []);
    return constraintDecision("separation_of_duty", violation.constraint, violation.roles);
  }

  #undeclared(permission: unknown, identity: Identity | undefined): Decision {
    const isText = typeof permission === "string";
    const reason = !isText || permission.includes("*") ? "invalid_permission" : "unknown_permission";
    const made = makeDecision(this.#policy, reason, isText ? permission.slice(0, 128) : "");
    try {
      return withVia(made, identity);
    } catch {
      // As in decide: no identity that authentication made.
      return made;
    }
  }
}

function isListOfText(value: unknown): boolean {
  // A copy has no empty places, which every() would pass over.
  return Array.isArray(value) && Array.from(value as readonly unknown[]).every((item) => typeof item === "string");
}

function constraintDecision(
  reason: ConstraintDecision["reason"],
  constraint: string | undefined,
  roles: readonly string[],
): ConstraintDecision {
  return Object.freeze({ allowed: reason === "granted", reason, constraint, roles: Object.freeze([...roles]) });
}
