import { ALLOW, callerOf, type Guard, invalidOption, type Verdict } from "@portcullis/core";
import { internalsOf } from "../auth-internals.js";
import type { Auth } from "../create-auth.js";
import { mfaRefusal } from "./mfa-policy.js";

/**
 * Asks for a second factor by the roles of now: for chains in which a guard behind `authenticate` finds out what somebody's roles are,
 * e.g. `loadAssignments` of `@portcullis/rbac`. Mount it behind that guard.
 *
 * 403 `mfaRequired` for whoever has one of `mfa.requiredRoles` and proved no second factor. Callers without these roles, and without a
 * principal, pass.
 *
 * @throws {ConfigurationError} `invalid_option`: the auth was made without `mfa`, so that this could refuse nobody.
 */
export function requireMfaForRoles(auth: Auth): Guard {
  const { settings } = internalsOf("requireMfaForRoles", auth);
  if (settings.mfa === undefined) throw invalidOption("requireMfaForRoles", undefined, "an auth that was made with the option mfa");
  return Object.freeze({
    name: "require-mfa-for-roles",
    check(request): Verdict {
      const principal = callerOf(request);
      return (principal === undefined ? undefined : mfaRefusal(principal, settings)) ?? ALLOW;
    },
  } satisfies Guard);
}
