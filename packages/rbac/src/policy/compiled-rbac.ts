import { invalidOption, noMetrics, subjectOf, systemClock } from "@portcullis/core";
import { allowedTo, canGrant, type Given } from "../decision/can-grant.js";
import { checkOrgMutation, checkPersona, checkRoles } from "../decision/check-roles.js";
import { createShelf, decide, withVia } from "../decision/decide.js";
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
import { KnownIdentities } from "../decision/known-identities.js";
import { makeDecision } from "../decision/make-decision.js";
import { RbacError } from "../errors.js";
import { own, ownOptions } from "../own-options.js";
import { Constraints } from "./compile-constraints.js";
import type { PersonaAccess } from "./compile-personas.js";
import { hasBit, type Universe } from "./compile-permissions.js";
import { compileRoles, type Role, type RoleDefinition, shown } from "./compile-roles.js";
import { diffPolicies, type PolicyDiff } from "./diff.js";
import { Instruments } from "./instruments.js";
import type { Policy } from "./policy.js";
import type { PolicyBase } from "./policy-base.js";
import type { AnyRbac, Denial, GrantOf, PreparedCheck, Rbac, ReplaceRolesOptions, RoleDescription } from "./rbac.js";
import { RoleUnions } from "./role-unions.js";

/** The one implementation of {@link Rbac}; made by `defineRbac` and `withRoles`. */
export class CompiledRbac<
  Key extends string,
  RoleName extends string,
  OrgRoleName extends string,
  PersonaName extends string,
> implements Rbac<Key, RoleName, OrgRoleName, PersonaName> {
  readonly orgRoles: readonly OrgRoleName[];
  readonly personas: readonly PersonaName[];
  readonly redactDenials: boolean;
  readonly #base: PolicyBase;
  readonly #universe: Universe;
  readonly #instruments: Instruments;
  // The whole policy behind one reference: replacing it is one assignment.
  #policy: Policy;

  /** @param base Built from the types that Key, OrgRoleName and PersonaName are the names of. */
  constructor(base: PolicyBase, roles: unknown, policyVersion: number, instruments: Instruments) {
    this.#base = base;
    this.#universe = base.universe;
    this.#instruments = instruments;
    this.redactDenials = base.redactDenials;
    this.orgRoles = Object.freeze([...base.orgRoles.byName.keys()]) as readonly OrgRoleName[];
    this.personas = Object.freeze([...base.personas.keys()]) as readonly PersonaName[];
    this.#policy = this.#compile(roles, policyVersion, "refuse");
    Object.freeze(this);
  }

  get permissions(): readonly Key[] {
    return this.#universe.keys as readonly Key[]; // see the constructor
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
    return known === undefined || !this.#base.readActions.has(known.actionWildcard.slice("*.".length));
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

  isBoundToDepartments(orgRole: string): boolean {
    return this.#base.orgRoles.byName.get(orgRole)?.extent === "departments";
  }

  describeRole(name: string): RoleDescription<Key> | undefined {
    const role = this.#policy.roles.get(name);
    if (role === undefined) return undefined;
    const { inherits, grants, denies, allow, deny } = role;
    return Object.freeze({
      role: name,
      inherits: Object.freeze(inherits.map((junior) => junior.name)),
      grants,
      denies,
      allowed: this.#keysIn((bit) => hasBit(allow, bit) && !hasBit(deny, bit)),
      denied: this.#keysIn((bit) => hasBit(deny, bit)),
    });
  }

  withRoles(roles: { readonly [name: string]: RoleDefinition<GrantOf<Key>> }): Rbac<Key, string, OrgRoleName, PersonaName> {
    const silent = new Instruments(noMetrics, systemClock, undefined, this.#universe);
    return new CompiledRbac<Key, string, OrgRoleName, PersonaName>(this.#base, roles, this.policyVersion + 1, silent);
  }

  diff(other: AnyRbac, identities: Iterable<Identity> = []): PolicyDiff {
    return diffPolicies(this, other, identities);
  }

  replaceRoles(roles: { readonly [name: string]: RoleDefinition<GrantOf<Key>> }, options: ReplaceRolesOptions = {}): number {
    const { version: previousVersion } = this.#policy;
    const { policyVersion = previousVersion + 1, unknownGrants = "refuse" } = ownOptions("replaceRoles", options, [
      "policyVersion",
      "unknownGrants",
    ]);
    if (!Number.isSafeInteger(policyVersion) || policyVersion <= previousVersion)
      throw invalidOption("replaceRoles.policyVersion", policyVersion, `an integer above ${previousVersion}`);
    if (unknownGrants !== "refuse" && unknownGrants !== "ignore")
      throw invalidOption("replaceRoles.unknownGrants", unknownGrants, '"refuse" or "ignore"');
    this.#policy = this.#compile(roles, policyVersion, unknownGrants);
    this.#instruments.emit(() => ({ kind: "policy_replaced", policyVersion, previousVersion }));
    return policyVersion;
  }

  reportDenial({ decision: denied, guard, principal, correlationId }: Denial): void {
    const permission = isDecision(denied) ? denied.permission : undefined;
    this.#instruments.denied(permission === undefined || this.isPermission(permission) ? permission : "unknown", guard);
    this.#instruments.emit(() => ({
      kind: "access_denied",
      guard,
      reason: denied.reason,
      permission,
      role: denied.role,
      grant: isDecision(denied) ? denied.grant : undefined,
      policyVersion: denied.policyVersion,
      subjectId: principal === undefined ? undefined : subjectOf(principal),
      orgId: principal && (own(principal, "orgId") as string | undefined), // as Principal has it
      via: principal && (own(principal, "via") as string | undefined),
      correlationId,
    }));
  }

  #compile(definitions: unknown, version: number, unknownGrants: "refuse" | "ignore"): Policy {
    const { orgRoles, personas, namePattern, constraints: parsed } = this.#base;
    const roles = compileRoles(definitions, this.#universe, namePattern, unknownGrants);
    const constraints = new Constraints(parsed, roles, unknownGrants);
    const unions = new RoleUnions(roles, this.#universe, () => this.#instruments.unknownRole(), constraints);
    const shelf = createShelf(roles.size, this.#universe.size);
    this.#instruments.policyVersion(version);
    return { version, roles, unions, constraints, orgRoles, personas, known: new KnownIdentities(), shelf };
  }

  #keysIn(isIn: (bit: number) => boolean): readonly Key[] {
    return Object.freeze(this.#universe.permissions.filter(({ bit }) => isIn(bit)).map(({ key }) => key as Key)); // see the constructor
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

function isDecision(denied: Decision | RoleDecision): denied is Decision {
  return Object.hasOwn(denied, "permission");
}
