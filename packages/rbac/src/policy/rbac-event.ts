import type { DecisionReason } from "../decision/decision.js";

/** What happened; feed it into audit and logs. */
export type RbacEvent =
  | {
      /** A guard denied a request. */
      readonly kind: "access_denied";
      readonly guard: string;
      readonly reason: DecisionReason;
      /** The permission asked for; `undefined` for role checks. */
      readonly permission: string | undefined;
      readonly role: string | undefined;
      readonly grant: string | undefined;
      readonly policyVersion: number;
      /** Whom the caller acts for; `undefined` without an identity. */
      readonly subjectId: string | undefined;
      readonly orgId: string | undefined;
      /** The trusted caller that vouches for it. */
      readonly via: string | undefined;
      readonly correlationId: string | undefined;
    }
  | {
      /** Roles were replaced; from now on decisions carry the new version. */
      readonly kind: "policy_replaced";
      readonly policyVersion: number;
      readonly previousVersion: number;
    };
