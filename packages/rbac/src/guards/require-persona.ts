import { ALLOW, callerOf, type Guard, type GuardRequest, invalidOption, type JsonValue, type Verdict } from "@portcullis/core";
import { RbacError } from "../errors.js";
import { ownOptions } from "../own-options.js";
import type { PersonaAccess } from "../policy/compile-personas.js";
import { shown } from "../policy/compile-roles.js";
import type { AnyRbac, Rbac } from "../policy/rbac.js";
import { denial } from "./denial.js";

/** What a persona guard may be told. */
export interface RequirePersonaOptions {
  /** The guard's name, unique within a chain; default the function's, in kebab-case. */
  readonly name?: string;
}

/**
 * Lets a request pass whose principal is one of these personas; 401 without a principal, 403 `persona_required` otherwise. The only
 * way in for internal personas: name them.
 *
 * A persona narrows: put the guard beside one that requires a permission. Alone it says who, not what for.
 *
 * @throws {RbacError} `empty_requirement`, `unknown_persona`: when the guard is made, not when it is asked.
 * @throws {ConfigurationError} `invalid_option`
 */
export function requirePersona<PersonaName extends string>(
  rbac: Rbac<string, string, string, PersonaName>,
  personas: NoInfer<PersonaName> | readonly NoInfer<PersonaName>[],
  options: RequirePersonaOptions = {},
): Guard {
  if (typeof personas !== "string" && !Array.isArray(personas))
    throw invalidOption("requirePersona", personas, "a persona or a list of personas");
  const wanted: readonly PersonaName[] = Object.freeze(typeof personas === "string" ? [personas] : [...personas]);
  if (wanted.length === 0)
    throw new RbacError("empty_requirement", "requirePersona was given no persona. Name at least one; nobody could pass.");
  for (const persona of wanted) {
    if (rbac.personas.includes(persona)) continue;
    throw new RbacError(
      "unknown_persona",
      `requirePersona names ${shown(persona)}, which the policy does not define. Define it under "personas" or correct the name.`,
    );
  }
  return personaGuard("require-persona", rbac, wanted, options);
}

/**
 * Lets a request pass whose principal has a persona that may change things. What the endpoint does decides where to mount it, never
 * the request's method: a GET that writes needs it too.
 *
 * @throws {RbacError} `unknown_persona`: no persona of the policy may, so nobody could pass.
 */
export function requireWriteAccess(rbac: AnyRbac, options: RequirePersonaOptions = {}): Guard {
  return personaGuard("require-write-access", rbac, "write", options);
}

/**
 * Lets a request pass whose principal is a person of the organisation: any persona but an internal one.
 *
 * @throws {RbacError} `unknown_persona`: no persona of the policy may, so nobody could pass.
 */
export function requireReadAccess(rbac: AnyRbac, options: RequirePersonaOptions = {}): Guard {
  return personaGuard("require-read-access", rbac, "read", options);
}

/**
 * Lets a request pass whose principal has a persona that may approve and refuse.
 *
 * @throws {RbacError} `unknown_persona`: no persona of the policy may, so nobody could pass.
 */
export function requireApprovalAccess(rbac: AnyRbac, options: RequirePersonaOptions = {}): Guard {
  return personaGuard("require-approval-access", rbac, "approve", options);
}

/**
 * {@link requireWriteAccess} or {@link requireReadAccess}, by what the policy says of the permission's action (`readActions`).
 *
 * @throws {RbacError} `unknown_permission`, `unknown_persona`: when the guard is made, not when it is asked.
 */
export function requireAccessFor<Key extends string>(
  rbac: Rbac<Key>,
  permission: NoInfer<Key>,
  options: RequirePersonaOptions = {},
): Guard {
  rbac.prepare(permission);
  return rbac.isWrite(permission) ? requireWriteAccess(rbac, options) : requireReadAccess(rbac, options);
}

function personaGuard<PersonaName extends string>(
  defaultName: string,
  rbac: Rbac<string, string, string, PersonaName>,
  wanted: PersonaAccess | readonly PersonaName[],
  options: RequirePersonaOptions,
): Guard {
  const { name = defaultName } = ownOptions(defaultName, options, ["name"]);
  if (typeof name !== "string" || name === "") throw invalidOption(`${defaultName}.name`, name, "a non-empty string");
  if (!rbac.personas.some((persona) => rbac.checkPersona({ roles: [], personas: [persona] }, wanted).allowed))
    throw new RbacError(
      "unknown_persona",
      `${defaultName} can let nobody pass: no persona of the policy may do this. Define one under "personas".`,
    );
  const persona: JsonValue = typeof wanted === "string" ? wanted : wanted;
  return Object.freeze({
    name,
    meta: Object.freeze({ persona }),
    check(request: GuardRequest): Verdict {
      const principal = callerOf(request);
      const decision = rbac.checkPersona(principal, wanted);
      return decision.allowed ? ALLOW : denial({ rbac, guard: name, decision, principal, request, asked: {} });
    },
  } satisfies Guard);
}
