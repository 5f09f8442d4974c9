import type { Decision, LimitReport } from "./decision.js";

/** Why a check was decided as it was, in sentences for an administrator; never for the client: it tells how the limits are set. */
export function explain(decision: Decision): readonly string[] {
  const { allowed, code, policy, retryAfterMs, limits, concurrency } = decision;
  const by = code === "BLOCKED" ? "" : `, by ${decision.violated.join(", ") || policy}`;
  const verdict = allowed ? "Allowed." : `Refused: ${code}${by}.`;
  const wait = allowed ? [] : [retryAfterMs === undefined ? "Waiting does not help." : `The same check can pass in ${ms(retryAfterMs)}.`];
  const cap = concurrency === undefined ? [] : [`${concurrency.name}: ${concurrency.remaining} of ${concurrency.capacity} places left.`];
  return Object.freeze([verdict, ...wait, ...limits.map(describe), ...cap, decider(decision)]);
}

function describe({ name, kind, allowed, capacity, intervalMs, remaining, resetMs, retryAfterMs }: LimitReport): string {
  const refill = kind === "bucket" ? `one more every ${ms(intervalMs)}` : `by ${kind}`;
  const state = allowed ? "" : retryAfterMs === undefined ? ", too small for this cost" : `, refuses for ${ms(retryAfterMs)}`;
  return `${name}: ${remaining} of ${capacity} left, ${refill}, full in ${ms(resetMs)}${state}.`;
}

function decider({ decidedBy, degraded, degradedReason }: Decision): string {
  switch (decidedBy) {
    case "store":
      return "Decided by the store.";
    case "denials":
      return "Decided by a refusal that this process remembers: the store was not asked.";
    case "batch":
      return "Decided by a batch that this process holds: the store was not asked.";
    case "local":
      return `The store was not heard (${degradedReason}): decided by the limits of this process.`;
    case "policy":
      return `The store was not heard (${degradedReason}): decided by the policy "${degraded}".`;
    case "list":
      return "Decided by a list; no limit was asked.";
  }
}

function ms(value: number): string {
  return `${Math.ceil(value * 1000) / 1000} ms`;
}
