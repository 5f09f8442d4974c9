export { RateLimitError } from "./errors.js";
export { rateLimitFact } from "./limit-guards.js";
export { limitPresets } from "./limit-rule.js";
export { createRateLimiter } from "./rate-limiter.js";

export type { Decision, DecisionCode, LimitReport, OutagePolicy, Phase } from "./decision.js";
export type { RateLimitErrorCode } from "./errors.js";
export type { LimitCheck, LimitHolder } from "./limit-check.js";
export type { LimitGuards, LimitOperationOptions, RateLimitState } from "./limit-guards.js";
export type { LimitRule } from "./limit-rule.js";
export type { RateLimitHeaders } from "./rate-limit-headers.js";
export type { RateLimiter } from "./rate-limiter.js";
export type { OperationRule, RateLimiterOptions, RateLimitEvent } from "./rate-limiter-options.js";
