import { createMemoryStore } from "@portcullis/core";
import { createListed } from "./access-lists.js";
import { createExclusion } from "./excluded-paths.js";
import type { Limit } from "./limit-rule.js";
import { dominates, STACK_NAMES } from "./limit-rule.js";
import { describeLimit, limitsOf, type LimitPlan, readPlan } from "./limit-plan.js";
import type { RateLimiterOptions } from "./rate-limiter-options.js";
import { readOptions } from "./read-options.js";

/** Something that a limiter accepts and a person should look at. */
export interface LintFinding {
  /** Stable, for tools that silence it. */
  readonly code:
    | "operation_above_floor"
    | "tier_order"
    | "burst_of_hours"
    | "open_outage"
    | "unshared_store"
    | "wide_exclusion"
    | "anonymous_above_tier"
    | "huge_sustained_rate"
    | "askew_window"
    | "allowed_everywhere";
  /** The option it is about. */
  readonly option: string;
  /** What can happen. */
  readonly message: string;
  /** What to do. */
  readonly fix: string;
}

/** What is linted: the options of a limiter; the store may be left out. */
export type LintedOptions = Omit<RateLimiterOptions, "store"> & Partial<Pick<RateLimiterOptions, "store">>;

const HOURS_MS = 3_600_000;
/** RFC 1918 and RFC 4193: nobody else's. */
const PRIVATE = /^(?:10\.[\d.]*\/8|f[cd][\da-f:]*\/[78])$/i;

/**
 * Looks for settings that are valid and dangerous. What is invalid throws, as it does in `createRateLimiter`.
 *
 * @param options As for `createRateLimiter`; `store` may be left out.
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { limitPresets, lintRateLimits } from "@portcullis/rate-limit";
 *
 * const findings = lintRateLimits({
 *   floor: { limit: 3_000, burst: 6_000 },
 *   unauthenticated: { limit: 10 },
 *   tiers: limitPresets.tiers,
 *   defaultTier: "free",
 *   onOutage: "open",
 * });
 * console.log(findings.map(({ code }) => code).join()); // open_outage
 * ```
 */
export function lintRateLimits(options: LintedOptions): readonly LintFinding[] {
  const plan = readPlan(options, () => 0);
  readOptions({ ...options, store: options.store ?? createMemoryStore() });
  createExclusion(options.exclude ?? []);
  createListed(options.allow, options.deny);
  return Object.freeze([
    ...operationsAboveFloor(plan),
    ...tiersOutOfOrder(plan),
    ...slowBuckets(plan),
    ...askewWindows(plan),
    ...anonymousAboveTier(plan),
    ...circumstances(options),
  ]);
}

function operationsAboveFloor(plan: LimitPlan): LintFinding[] {
  const floor = plan.floor.limits[0] as Limit; // a rule is one limit at least
  return [...plan.operations.values()].flatMap(({ name, limits: [limit] }) =>
    limit === undefined || dominates(floor, limit)
      ? []
      : [
          {
            code: "operation_above_floor",
            option: `operations.${name}`,
            message: `The floor of an address (${describeLimit(floor)}) refuses callers before this limit (${describeLimit(limit)}) can.`,
            fix: "Lower the operation's limit, or raise the floor.",
          },
        ],
  );
}

// Capacity and rate should rise together from tier to tier; where they cross, an upgrade takes something away.
function tiersOutOfOrder(plan: LimitPlan): LintFinding[] {
  const tiers = [...plan.tiers].map(([tier, { limits }]) => ({ tier, limit: limits[0] as Limit })); // a rule is one limit at least
  return tiers.flatMap(({ tier, limit }, index) =>
    tiers.slice(index + 1).flatMap(({ tier: other, limit: otherLimit }) =>
      dominates(limit, otherLimit) || dominates(otherLimit, limit)
        ? []
        : [
            {
              code: "tier_order" as const,
              option: `tiers.${other}`,
              message: `Tiers "${tier}" (${describeLimit(limit)}) and "${other}" (${describeLimit(otherLimit)}) each have more than the other in one respect.`,
              fix: "Give the higher tier both the higher limit and the higher burst.",
            },
          ],
    ),
  );
}

function slowBuckets(plan: LimitPlan): LintFinding[] {
  return limitsOf(plan).flatMap(({ limit, tier }): LintFinding[] => {
    const option = optionOf(limit, tier);
    if (limit.kind !== "bucket") return [];
    const fullMs = limit.capacity * limit.intervalMs;
    if (limit.periodMs < HOURS_MS && fullMs > HOURS_MS) {
      return [
        {
          code: "burst_of_hours",
          option,
          message: `An empty bucket takes ${Math.round(fullMs / 60_000)} minutes to fill up (${describeLimit(limit)}): who used the burst waits long for the next one.`,
          fix: "Lower the burst, or raise the limit.",
        },
      ];
    }
    if (limit.intervalMs >= 0.01) return [];
    return [
      {
        code: "huge_sustained_rate",
        option,
        message: `${describeLimit(limit)} is more than 100,000 a second: it limits nobody.`,
        fix: "Set what one holder may really do.",
      },
    ];
  });
}

/** Where a limit stands in the options. */
function optionOf({ name }: Limit, tier: string | undefined): string {
  if (tier !== undefined) return `tiers.${tier}`;
  const stack: Record<string, string> = { "api-key": "apiKeys", organization: "organizations" };
  return STACK_NAMES.has(name) ? (stack[name] ?? name) : `operations.${name}`;
}

function askewWindows(plan: LimitPlan): LintFinding[] {
  return limitsOf(plan)
    .filter(({ limit, tier }) => limit.kind === "window" && tier === undefined && ["floor", "unauthenticated"].includes(limit.name))
    .map(({ limit }) => ({
      code: "askew_window",
      option: limit.name,
      message: "A sliding-window counter lets uneven arrivals reach nearly twice the limit in a window that lies askew.",
      fix: "Use a bucket where the limit protects the service; windows are for contracts.",
    }));
}

function anonymousAboveTier(plan: LimitPlan): LintFinding[] {
  const [anonymous, lowest] = [plan.unauthenticated.limits[0], plan.defaultTier.limits[0]];
  if (anonymous === undefined || lowest === undefined) return [];
  return anonymous.limit * lowest.periodMs > lowest.limit * anonymous.periodMs
    ? [
        {
          code: "anonymous_above_tier",
          option: "unauthenticated",
          message: `Who sends no credentials (${describeLimit(anonymous)}) may do more than the default tier (${describeLimit(lowest)}).`,
          fix: "Lower the unauthenticated limit below the default tier: it also bounds how fast passwords are guessed.",
        },
      ]
    : [];
}

function circumstances({ onOutage, instances = 1, store, exclude = [], allow }: LintedOptions): LintFinding[] {
  const findings: LintFinding[] = [];
  if (onOutage === "open") {
    findings.push({
      code: "open_outage",
      option: "onOutage",
      message: "While the store is away nothing is limited: whoever can bring it down is unlimited.",
      fix: 'Use "local", which limits in this process, or "closed".',
    });
  }
  if (instances > 1 && store !== undefined && isMemory(store)) {
    findings.push({
      code: "unshared_store",
      option: "store",
      message: `${instances} processes each count for themselves in memory: together they allow ${instances} times every limit.`,
      fix: "Use a store that they share, e.g. @portcullis/store-redis.",
    });
  }
  if (exclude.includes("/")) {
    findings.push({
      code: "wide_exclusion",
      option: "exclude",
      message: "The root path is never limited.",
      fix: "Exclude only what probes ask for, e.g. /health.",
    });
  }
  for (const [index, address] of (allow?.addresses ?? []).entries()) {
    const length = /\/(\d+)$/.exec(address)?.[1];
    if (length === undefined || Number(length) > 8 || PRIVATE.test(address)) continue;
    findings.push({
      code: "allowed_everywhere",
      option: `allow.addresses[${index}]`,
      message: `${address} is a large part of the Internet, and none of it is limited.`,
      fix: "List the addresses of your own probes and jobs.",
    });
  }
  return findings;
}

// Only the memory store says what it holds.
function isMemory({ limits }: NonNullable<LintedOptions["store"]>): boolean {
  return "usage" in limits;
}
