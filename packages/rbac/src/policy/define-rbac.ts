import { type Clock, invalidOption, type Metrics, noMetrics, subjectOf, systemClock } from "@portcullis/core";
import { DEFAULT_NAME_PATTERN, hasBit, Universe } from "./compile-permissions.js";
import { compileRoles, includesRole, type RoleDefinition, shown } from "./compile-roles.js";
import { decide, decision, isCovered, type Policy, roleDecision, scopesOf, statusOf, unionOf } from "../decision/decide.js";
import type { CheckOptions, Decision, DecisionReason, Explanation, GrantDecision, Identity, RoleDecision } from "../decision/decision.js";
import { RbacError } from "../errors.js";
import { explainDecision } from "../decision/explain.js";
import { Instruments } from "./instruments.js";
import { own, ownOptions } from "../own-options.js";
import type { Grant, Permission, PermissionKey, PermissionTree } from "./permission-key.js";
import type { Denial, GrantOf, PreparedCheck, Rbac } from "./rbac.js";
import type { RbacEvent } from "./rbac-event.js";
import { RoleUnions } from "./role-unions.js";

/** A policy and what it may be told beside it. */
export interface RbacDefinition<Tree extends PermissionTree, RoleName extends string> {
  /** Every resource with its actions. Only what is declared here exists. */
  readonly permissions: Tree;
  readonly roles: { readonly [Name in RoleName]: RoleDefinition<Grant<Tree>, NoInfer<RoleName>> };
  /** What denied clients learn. `false` (default): the permission and one of three reasons. `true`: only that it is forbidden. */
  readonly redactDenials?: boolean;
  /** Version of this policy, e.g. the revision it was loaded from: an integer from 1, default 1. */
  readonly policyVersion?: number;
  /** What resources, actions and roles may be called; names of object members, `.`, `*` and non-ASCII are refused in any case. */
  readonly namePattern?: RegExp;
  readonly metrics?: Metrics;
  /** Must not throw; what it throws is dropped, because an observer must not change a decision. */
  readonly onEvent?: (event: RbacEvent) => void;
  readonly clock?: Clock;
}

/**
 * Compiles a policy: permissions as `resource.action`, roles with grants, denials and inheritance.
 *
 * A denial overrides every grant, in whatever order and at whatever distance. Wildcards (`*`, `resource.*`, `*.action`) stand in
 * grants only and cover declared permissions only. The definition is copied: changing it afterwards changes nothing.
 *
 * @throws {RbacError} The policy cannot be meant: a name, grant, inherited role or cycle, named in the message.
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { defineRbac } from "@portcullis/rbac";
 *
 * const rbac = defineRbac({
 *   permissions: { workflows: ["read", "create", "delete"] },
 *   roles: {
 *     viewer: { grants: ["*.read"] },
 *     editor: { inherits: ["viewer"], grants: ["workflows.*"], denies: ["workflows.delete"] },
 *   },
 * });
 * console.log(rbac.check({ roles: ["editor"] }, "workflows.delete").reason); // explicit_deny
 * ```
 */
export function defineRbac<const Tree extends PermissionTree, RoleName extends string>(
  definition: RbacDefinition<Tree, RoleName>,
): Rbac<PermissionKey<Tree>, RoleName> {
  return new CompiledRbac<PermissionKey<Tree>, RoleName>(definition);
}

const OPTIONS = ["permissions", "roles", "redactDenials", "policyVersion", "namePattern", "metrics", "onEvent", "clock"] as const;

class CompiledRbac<Key extends string, RoleName extends string> implements Rbac<Key, RoleName> {
  readonly permissions: readonly Key[];
  readonly redactDenials: boolean;
  readonly #universe: Universe;
  readonly #namePattern: RegExp;
  readonly #instruments: Instruments;
  // The whole policy behind one reference: replacing it is one assignment.
  #policy: Policy;

  constructor(definition: RbacDefinition<PermissionTree, string>) {
    const options = ownOptions("defineRbac", definition, OPTIONS);
    const {
      redactDenials = false,
      policyVersion = 1,
      namePattern = DEFAULT_NAME_PATTERN,
      metrics = noMetrics,
      onEvent,
      clock = systemClock,
    } = options;
    if (typeof redactDenials !== "boolean") throw invalidOption("redactDenials", redactDenials, "true or false");
    if (!Number.isSafeInteger(policyVersion) || policyVersion < 1) throw invalidOption("policyVersion", policyVersion, "an integer from 1");
    if (!(namePattern instanceof RegExp)) throw invalidOption("namePattern", namePattern, "a regular expression");
    if (onEvent !== undefined && typeof onEvent !== "function") throw invalidOption("onEvent", onEvent, "a function");
    // A copy without g and y: those make test() depend on the test before.
    this.#namePattern = new RegExp(namePattern.source, namePattern.flags.replaceAll(/[gy]/g, ""));
    this.#universe = new Universe(options.permissions, this.#namePattern);
    this.#instruments = new Instruments(metrics, clock, onEvent, this.#universe.permissions.length);
    // The universe was built from Tree, whose keys are Key.
    this.permissions = this.#universe.keys as readonly Key[];
    this.redactDenials = redactDenials;
    this.#policy = this.#compile(options.roles, policyVersion);
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

  check(identity: Identity | undefined, permission: Key, options?: CheckOptions): Decision {
    const startedAt = this.#instruments.begin();
    const known = this.#universe.find(permission);
    const made = known === undefined ? this.#undeclared(permission) : decide(this.#policy, known, identity, options);
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
    const policy = this.#policy;
    try {
      const union = unionOf(policy, identity, options);
      if (typeof union === "string") return roleDecision(union, undefined, policy.version);
      const exact = options !== undefined && Object.hasOwn(options, "exact") && options.exact === true;
      const found = union.roles.find((role) => roles.some((wanted) => (exact ? role.name === wanted : includesRole(role, wanted))));
      if (found === undefined) return roleDecision(union.roles.length === 0 ? "no_roles" : "missing_role", undefined, policy.version);
      const scopes = scopesOf(identity);
      return roleDecision(scopes === undefined || scopes.includes("*") ? "granted" : "out_of_scope", found.name, policy.version);
    } catch {
      return roleDecision("malformed", undefined, policy.version);
    }
  }

  explain(identity: Identity | undefined, permission: Key, options?: CheckOptions): Explanation {
    const policy = this.#policy;
    const known = this.#universe.find(permission);
    const made = known === undefined ? this.#undeclared(permission) : decide(policy, known, identity, options);
    return explainDecision(policy, known, identity, made);
  }

  permissionsOf(identity: Identity | undefined, options?: CheckOptions): readonly Key[] {
    const allowed = this.#allowedTo(this.#policy, identity, options);
    return Object.freeze(typeof allowed === "string" ? [] : allowed.map(keyOf<Key>));
  }

  canGrant(
    actor: Identity | undefined,
    given: { readonly role: string } | { readonly permissions: readonly GrantOf<Key>[] },
    options?: CheckOptions,
  ): GrantDecision<Key> {
    const policy = this.#policy;
    const answer = (reason: GrantDecision["reason"], missing: readonly Key[] = []): GrantDecision<Key> =>
      Object.freeze({
        allowed: reason === "granted",
        reason,
        missing: Object.freeze(missing),
        policyVersion: policy.version,
        status: statusOf(reason),
      });
    try {
      const mask = new Uint32Array(this.#universe.words);
      const role = own(given, "role");
      const grants = own(given, "permissions");
      // Both at once would leave open which one was asked about.
      if ((role === undefined) === (grants === undefined)) return answer("malformed");
      if (role !== undefined) {
        const union = typeof role === "string" && policy.roles.has(role) ? policy.unions.of([role]) : undefined;
        if (union === undefined) return answer("unknown_role");
        mask.set(union.effective);
      } else {
        if (!Array.isArray(grants)) return answer("malformed");
        for (const grant of grants as readonly unknown[])
          if (typeof grant !== "string" || !this.#universe.addTo(mask, grant)) return answer("unknown_permission");
      }
      const allowed = this.#allowedTo(policy, actor, options);
      if (typeof allowed === "string") return answer(allowed);
      const held = new Set(allowed);
      const missing = this.#universe.permissions.filter((permission) => hasBit(mask, permission.bit) && !held.has(permission));
      const [first] = missing;
      return first === undefined ? answer("granted") : answer(decide(policy, first, actor, options).reason, missing.map(keyOf<Key>));
    } catch {
      return answer("malformed");
    }
  }

  replaceRoles(roles: { readonly [name: string]: RoleDefinition<GrantOf<Key>> }): number {
    const { version: previousVersion } = this.#policy;
    const policyVersion = previousVersion + 1;
    this.#policy = this.#compile(roles, policyVersion);
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
      orgId: principal?.orgId,
      correlationId,
    }));
  }

  #compile(definitions: unknown, version: number): Policy {
    const roles = compileRoles(definitions, this.#universe, this.#namePattern);
    this.#instruments.policyVersion(version);
    return { version, roles, unions: new RoleUnions(roles, this.#universe.words, () => this.#instruments.unknownRole()) };
  }

  #undeclared(permission: unknown): Decision {
    const text = typeof permission === "string" ? permission.slice(0, 128) : "";
    return decision(
      typeof permission !== "string" || permission.includes("*") ? "invalid_permission" : "unknown_permission",
      text,
      this.#policy.version,
    );
  }

  #allowedTo(policy: Policy, identity: Identity | undefined, options: CheckOptions | undefined): readonly Permission[] | DecisionReason {
    try {
      const union = unionOf(policy, identity, options);
      if (typeof union === "string") return union;
      const scopes = scopesOf(identity);
      return this.#universe.permissions.filter(
        (permission) => hasBit(union.effective, permission.bit) && (scopes === undefined || isCovered(scopes, permission)),
      );
    } catch {
      return "malformed";
    }
  }
}

// The universe was built from the tree whose keys are Key.
function keyOf<Key extends string>({ key }: Permission): Key {
  return key as Key;
}
