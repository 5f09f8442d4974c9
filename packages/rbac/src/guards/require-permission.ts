import { accessFact, ALLOW, callerOf, type Facts, type Guard, type GuardRequest, invalidOption, type Verdict } from "@portcullis/core";
import type { CheckOptions, Decision, Identity } from "../decision/decision.js";
import { RbacError } from "../errors.js";
import { own, ownOptions } from "../own-options.js";
import type { PreparedCheck, Rbac } from "../policy/rbac.js";
import { publishScope } from "./checked-scope.js";
import { denial } from "./denial.js";
import { ownerReader, RESOURCE_OWNER, type ResourceOwner } from "./resource-owner.js";

/** One permission, or several of which any one or all are needed. */
export type PermissionRequirement<Key extends string = string> = Key | { readonly any: readonly Key[] } | { readonly all: readonly Key[] };

/** What a permission guard may be told. */
export interface RequirePermissionOptions extends ResourceOwner {
  /** The guard's name, unique within a chain; default `require-permission`. */
  readonly name?: string;
}

/**
 * Lets a request pass whose principal has the permission; 401 without a principal, 403 with one that may not.
 *
 * Reads the principal that authentication published and nothing of the request's own. Synchronous, and without allocation where
 * it allows. Publishes core's `accessFact`; carries `meta.permission`, which OpenAPI shows as `x-permission`.
 *
 * @throws {RbacError} `unknown_permission`, `empty_requirement`: when the guard is made, not when it is asked.
 * @example
 * ```ts
 * import { defineRbac, requirePermission, standardPermissions, standardRoles } from "@portcullis/rbac";
 *
 * const rbac = defineRbac({ permissions: standardPermissions, roles: standardRoles });
 * const guard = requirePermission(rbac, "workflows.execute");
 * console.log(guard.meta); // { permission: "workflows.execute" }
 * ```
 */
export function requirePermission<Key extends string>(
  rbac: Rbac<Key>,
  requirement: PermissionRequirement<NoInfer<Key>>,
  options: RequirePermissionOptions = {},
): Guard {
  const given = ownOptions("requirePermission", options, ["name", ...RESOURCE_OWNER]);
  const { name = "require-permission", departmentParam } = given;
  if (typeof name !== "string" || name === "") throw invalidOption("requirePermission.name", name, "a non-empty string");
  const ownerOf = ownerReader("requirePermission", given);
  const { mode, keys } = parseRequirement<Key>(requirement);
  const checks = keys.map((key) => rbac.prepare(key));
  const [first] = checks;
  const verdict = mode === "any" ? anyOf : allOf;
  // One check is asked directly: a loop over it costs a quarter of the guard.
  const decide =
    mode === "one" && first !== undefined
      ? first
      : (identity: Identity | undefined, asked?: CheckOptions) => verdict(checks, identity, asked);
  const permission = mode === "one" ? (keys[0] as Key) : { [mode]: keys }; // parseRequirement gives one key for "one"
  const asked = mode === "any" ? { permissions: keys } : undefined;
  return Object.freeze({
    name,
    meta: Object.freeze({
      permission,
      ...(departmentParam === undefined ? {} : { params: Object.freeze([departmentParam]) }),
    }),
    check(request: GuardRequest): Verdict {
      const principal = callerOf(request);
      const owner = ownerOf?.(request);
      const decision = decide(principal, owner);
      if (!decision.allowed)
        return denial({ rbac, guard: name, decision, principal, request, asked: asked ?? { permission: decision.permission } });
      if (owner !== undefined) publishScope(request.facts, owner);
      publish(request.facts, decision);
      return ALLOW;
    },
  });
}

function anyOf(checks: readonly PreparedCheck[], identity: Identity | undefined, options: CheckOptions | undefined): Decision {
  let first: Decision | undefined;
  for (const check of checks) {
    const decision = check(identity, options);
    if (decision.allowed) return decision;
    first ??= decision;
  }
  return first as Decision; // parseRequirement refuses an empty list
}

function allOf(checks: readonly PreparedCheck[], identity: Identity | undefined, options: CheckOptions | undefined): Decision {
  let first: Decision | undefined;
  for (const check of checks) {
    const decision = check(identity, options);
    if (!decision.allowed) return decision;
    first ??= decision;
  }
  return first as Decision; // parseRequirement refuses an empty list
}

// The guard that admitted the request first says by what right; later ones only narrow it.
function publish(facts: Facts, decision: Decision): void {
  if (facts.get(accessFact) !== undefined) return;
  facts.set(accessFact, decision);
}

/** Takes a requirement apart. @throws {RbacError} `empty_requirement` @throws {ConfigurationError} `invalid_option` */
export function parseRequirement<Key extends string>(
  requirement: PermissionRequirement<Key>,
): { readonly mode: "one" | "any" | "all"; readonly keys: readonly Key[] } {
  if (typeof requirement === "string") return { mode: "one", keys: [requirement] };
  if (typeof requirement === "object" && (requirement as unknown) !== null) {
    const any = own(requirement, "any");
    const all = own(requirement, "all");
    const list = any ?? all;
    if ((any === undefined) !== (all === undefined) && Array.isArray(list)) {
      if (list.length === 0)
        throw new RbacError(
          "empty_requirement",
          "requirePermission was given no permission. Name at least one; a guard of nothing would let everybody pass.",
        );
      // prepare() refuses each that is not a Key.
      return { mode: any === undefined ? "all" : "any", keys: Object.freeze([...(list as readonly Key[])]) };
    }
  }
  throw invalidOption("requirePermission", requirement, "a permission, { any: [...] } or { all: [...] }");
}
