/** How much harm an operation can do; the policy says for each level who must agree. */
export type RiskLevel = "LOW" | "MEDIUM" | "HIGH" | "CRITICAL";

/** Every risk level, the lowest first. */
export const RISK_LEVELS = Object.freeze(["LOW", "MEDIUM", "HIGH", "CRITICAL"] as const satisfies readonly RiskLevel[]);

/** Whether a value is a risk level, spelled in capitals. */
export function isRiskLevel(value: unknown): value is RiskLevel {
  return RISK_LEVELS.some((level) => level === value);
}
