import { type Clock, deny, hasSecondFactor, type Principal, problems, type Verdict } from "@portcullis/core";
import type { MfaSettings } from "./mfa-settings.js";

/** What of somebody decides whether they need a second factor. */
export interface RolesHeld {
  readonly roles: readonly string[];
  readonly orgRoles: readonly string[];
}

/** Whether one of the roles, those within an organisation too, is used with a second factor only. */
export function needsMfa({ requiredRoles }: Pick<MfaSettings, "requiredRoles">, held: RolesHeld): boolean {
  return (
    requiredRoles.size > 0 && (held.roles.some((role) => requiredRoles.has(role)) || held.orgRoles.some((role) => requiredRoles.has(role)))
  );
}

const REFUSAL = deny(problems.mfaRequired());

/**
 * Refuses a principal whose roles need a second factor that was not proven (AUTH-M2): decided on each request, by the roles that the
 * principal has on this one, whatever was true at login.
 *
 * @param settings Without `mfa`, nobody is refused.
 */
export function mfaRefusal(
  principal: Principal,
  settings: { readonly mfa: MfaSettings | undefined; readonly clock: Clock },
): Verdict | undefined {
  const { mfa, clock } = settings;
  if (mfa === undefined || !needsMfa(mfa, principal)) return undefined;
  return hasSecondFactor(principal, clock.now()) ? undefined : REFUSAL;
}
