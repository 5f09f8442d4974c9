import { ALLOW, callerOf, type Guard, type GuardRequest, invalidOption, type Verdict } from "@portcullis/core";
import type { CheckOptions } from "../decision/decision.js";
import { shown } from "../policy/compile-roles.js";
import { RbacError } from "../errors.js";
import { ownOptions } from "../own-options.js";
import type { Rbac } from "../policy/rbac.js";
import { denial } from "./denial.js";

/** What a role guard may be told. */
export interface RequireRolesOptions {
  /** `true`: only the roles themselves. `false` (default): roles that inherit one of them pass too. */
  readonly exact?: boolean;
  /** The guard's name, unique within a chain; default `require-roles`. */
  readonly name?: string;
  /** The organisation that owns the resource. `undefined` denies. */
  readonly org?: (request: GuardRequest) => string | undefined;
}

/**
 * Lets a request pass whose principal has one of the roles; 401 without a principal, 403 with one that has none of them.
 *
 * Prefer `requirePermission`: a permission says what an endpoint does, a role who happens to do it today. A credential bounded
 * by scopes passes only with `*` among them.
 *
 * @throws {RbacError} `empty_requirement`, `unknown_role`: when the guard is made, not when it is asked.
 * @throws {ConfigurationError} `invalid_option`
 */
export function requireRoles<RoleName extends string>(
  rbac: Rbac<string, RoleName>,
  roles: NoInfer<RoleName> | readonly NoInfer<RoleName>[],
  options: RequireRolesOptions = {},
): Guard {
  const { exact = false, name = "require-roles", org } = ownOptions("requireRoles", options, ["exact", "name", "org"]);
  if (typeof exact !== "boolean") throw invalidOption("requireRoles.exact", exact, "true or false");
  if (typeof name !== "string" || name === "") throw invalidOption("requireRoles.name", name, "a non-empty string");
  if (org !== undefined && typeof org !== "function") throw invalidOption("requireRoles.org", org, "a function of the request");
  if (typeof roles !== "string" && !Array.isArray(roles)) throw invalidOption("requireRoles", roles, "a role or a list of roles");
  const wanted: readonly RoleName[] = Object.freeze(typeof roles === "string" ? [roles] : [...roles]);
  if (wanted.length === 0)
    throw new RbacError(
      "empty_requirement",
      "requireRoles was given no role. Name at least one; a guard of nothing would let everybody or nobody pass.",
    );
  for (const role of wanted)
    if (!rbac.roles.includes(role))
      throw new RbacError(
        "unknown_role",
        `requireRoles names ${shown(role)}, which the policy does not define. Define it or correct the name.`,
      );
  return Object.freeze({
    name,
    meta: Object.freeze({ roles: wanted }),
    check(request: GuardRequest): Verdict {
      const principal = callerOf(request);
      // An organisation that cannot be told is passed on as such: the check denies it.
      const checkOptions = { exact, ...(org === undefined ? {} : ({ org: org(request) } as CheckOptions)) };
      const decision = rbac.checkRoles(principal, wanted, checkOptions);
      return decision.allowed ? ALLOW : denial({ rbac, guard: name, decision, principal, request, asked: {} });
    },
  });
}
