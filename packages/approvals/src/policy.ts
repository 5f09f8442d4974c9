import { invalidOption, type MaybePromise, type Principal, subjectOf } from "@portcullis/core";
import type { Approval } from "./approval.js";
import { RISK_LEVELS, type RiskLevel } from "./risk.js";

/** Who must agree to operations of one risk level. */
export interface RiskPolicy {
  /**
   * Whether this principal may decide about this approval; asked at the moment of the decision, never cached. Only `true` counts;
   * an exception refuses. No default: who may approve is for the application to say.
   */
  readonly canApprove: (principal: Principal, approval: Approval) => MaybePromise<boolean>;
  /**
   * Whether requesters may decide about their own requests, where `canApprove` lets them. It goes by `subjectOf`: an API key
   * and its owner are one person. Default: `refused` for HIGH and CRITICAL, `allowed` for LOW and MEDIUM.
   */
  readonly selfApproval?: "allowed" | "refused";
}

/** The policy of each risk level; all four must be given. */
export type ApprovalPolicy = Readonly<Record<RiskLevel, RiskPolicy>>;

const DEFAULT_SELF_APPROVAL = Object.freeze({ LOW: "allowed", MEDIUM: "allowed", HIGH: "refused", CRITICAL: "refused" } as const);

/** A validated frozen copy with defaults filled in. @throws {ConfigurationError} `invalid_option`. */
export function readPolicy(policy: ApprovalPolicy): Readonly<Record<RiskLevel, Required<RiskPolicy>>> {
  const read = (level: RiskLevel): Required<RiskPolicy> => {
    // Not trusted to the types: a policy may come from a configuration file.
    const given: Partial<RiskPolicy> | undefined = policy?.[level];
    if (typeof given?.canApprove !== "function")
      throw invalidOption(`policy.${level}.canApprove`, given?.canApprove, "a function that says who may approve");
    const { canApprove, selfApproval = DEFAULT_SELF_APPROVAL[level] } = given;
    if (selfApproval !== "allowed" && selfApproval !== "refused")
      throw invalidOption(`policy.${level}.selfApproval`, selfApproval, '"allowed" or "refused"');
    return Object.freeze({ canApprove, selfApproval });
  };
  const [LOW, MEDIUM, HIGH, CRITICAL] = RISK_LEVELS;
  return Object.freeze({ LOW: read(LOW), MEDIUM: read(MEDIUM), HIGH: read(HIGH), CRITICAL: read(CRITICAL) });
}

/** Why a principal may not decide, or `undefined` when it may. */
export async function whyNotEligible(
  policy: Required<RiskPolicy>,
  principal: Principal,
  approval: Approval,
): Promise<"self_approval" | "not_eligible" | undefined> {
  if (policy.selfApproval === "refused" && subjectOf(principal) === approval.requesterId) return "self_approval";
  return (await policy.canApprove(principal, approval)) === true ? undefined : "not_eligible";
}
