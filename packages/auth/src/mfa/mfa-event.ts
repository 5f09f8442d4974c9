/** What happens around second factors; part of `AuthEvent`. */
export type MfaEvent =
  /** The first factor was right; a second one is asked for, or its enrolment. */
  | { readonly kind: "mfa_challenged"; readonly userId: string; readonly enrolled: boolean }
  | { readonly kind: "mfa_enrolment_started"; readonly userId: string }
  /** A factor is in force from now on; all sessions from before are over. */
  | { readonly kind: "mfa_enrolled"; readonly userId: string; readonly sessionId: string }
  | {
      readonly kind: "mfa_verified";
      readonly userId: string;
      readonly sessionId: string;
      readonly factor: SecondFactor;
      readonly backupCodesLeft: number;
    }
  | { readonly kind: "mfa_failed"; readonly userId: string; readonly reason: MfaFailure }
  | { readonly kind: "mfa_backup_codes_replaced"; readonly userId: string }
  | { readonly kind: "mfa_disabled"; readonly userId: string; readonly by: "user" | "administrator" }
  | {
      readonly kind: "mfa_bypass_granted" | "mfa_bypass_revoked" | "mfa_bypass_expired";
      readonly control: "CC5-01";
      readonly bypassId: string;
      readonly serviceId: string;
      readonly reason: string;
      readonly approvedBy: string;
      /** Epoch ms. */
      readonly expiresAt: number;
    }
  /** A program authenticated and had a bypass in the place of a second factor. */
  | {
      readonly kind: "mfa_bypass_used";
      readonly control: "CC5-01";
      readonly bypassId: string;
      readonly serviceId: string;
      /** The API key; `undefined` for a system token. */
      readonly keyId: string | undefined;
    };

/** What proved it. */
export type SecondFactor = "totp" | "backup_code";

/** Why a code was refused; for the record only: the client sees one answer for wrong and used ones. */
export type MfaFailure = "wrong_code" | "used_code" | "locked";

/** The control of SOC 2 that bypasses are evidence for. */
export const MFA_CONTROL = "CC5-01" satisfies Extract<MfaEvent, { readonly control: string }>["control"];
