import { type ApiKeyPrincipal, freezePrincipal, problems, type SystemPrincipal } from "@portcullis/core";
import { type AuthResult, denied, ok } from "../auth-result.js";
import type { Instruments } from "../instruments.js";
import type { BypassRegister } from "./bypasses.js";
import { MFA_CONTROL } from "./mfa-event.js";
import { needsMfa } from "./mfa-policy.js";
import type { MfaSettings } from "./mfa-settings.js";

/**
 * Lets programs in. One whose roles need a second factor needs a bypass in force, which its principal carries from here on, and which
 * only services have: what a person's key may do, a person may do, who has to prove it.
 *
 * Denied: `mfaRequired`.
 *
 * @param service Its id; `undefined` for what belongs to a person.
 */
export type ProgramGate = <Program extends ApiKeyPrincipal | SystemPrincipal>(
  program: Program,
  service: string | undefined,
) => Promise<AuthResult<Program>>;

const OF_A_PERSON =
  "This API key is a person's and has a role that needs a second factor, which no key can prove. Use a key of a service account.";
const WITHOUT_BYPASS = "This service has a role that needs a second factor. An administrator must grant it a bypass.";

export function createProgramGate(mfa: MfaSettings, bypasses: BypassRegister, instruments: Instruments): ProgramGate {
  return async (program, service) => {
    const bypass = service === undefined ? undefined : await bypasses.inForceFor(service);
    if (bypass === undefined || service === undefined) {
      if (!needsMfa(mfa, program)) return ok(program);
      return denied(problems.mfaRequired({ detail: service === undefined ? OF_A_PERSON : WITHOUT_BYPASS }));
    }
    const { id, expiresAt } = bypass;
    const keyId = program.type === "apiKey" ? program.keyId : undefined;
    // Also where these roles need none: guards behind may take the bypass for a proof, and cannot tell of it.
    instruments.emit({ kind: "mfa_bypass_used", control: MFA_CONTROL, bypassId: id, serviceId: service, keyId });
    return ok(freezePrincipal({ ...program, mfaBypass: { id, expiresAt } }) as typeof program); // the same, and the bypass
  };
}
