// Our side: limiters as an application makes them, so wide that only what is meant to be refused is.
import type { Clock, Limits, StoreLifecycle } from "@portcullis/core";
import { createRateLimiter, type RateLimiter, type RateLimiterOptions } from "@portcullis/rate-limit";

/** Units that no bench uses up. */
export const WIDE = 1_000_000_000;
/** How long peers count: no window ends within a run. */
export const PEER_WINDOW_MS = 3_600_000;
/** The operation with limits of its own. */
export const OPERATION = "chat.create";
/** The organisation of every subject. */
export const ORGANIZATION = "acme";

/** Longer than the default: on a busy machine an answer may be late, and what is measured is the decision of the store. */
export const DEADLINE_MS = 500;

const MINUTE_MS = 60_000;

/** A store, with what limiters need of it. */
export interface LimitStore extends StoreLifecycle {
  readonly limits: Limits;
}

/** What a limiter has beside its store. */
export interface LimiterSetting {
  /** Of each limit. */
  readonly burst?: number;
  /** In which 60 units come back: long, so that a limit in use stays in use. */
  readonly periodMs?: number;
  readonly clock?: Clock;
}

type Rest = Partial<RateLimiterOptions<"standard", typeof OPERATION>>;

/** One limit for each subject. */
export function oneLimit(
  store: LimitStore,
  { burst = WIDE, periodMs = MINUTE_MS, clock }: LimiterSetting = {},
  rest: Rest = {},
): RateLimiter<typeof OPERATION> {
  const own = { limit: Math.min(60, burst), periodMs, burst };
  const wide = { limit: 60_000, periodMs, burst: WIDE };
  return createRateLimiter<"standard", typeof OPERATION>({
    store,
    floor: wide,
    unauthenticated: wide,
    tiers: { standard: own },
    defaultTier: "standard",
    deadlineMs: DEADLINE_MS,
    ...(clock === undefined ? {} : { clock }),
    ...rest,
  });
}

/** A limit of the subject, one of its organisation and one of the whole service: three holders. */
export function threeHolders(store: LimitStore, setting: LimiterSetting = {}): RateLimiter<typeof OPERATION> {
  const { burst = WIDE, periodMs = MINUTE_MS } = setting;
  const wide = { limit: 60_000, periodMs, burst: WIDE };
  return oneLimit(store, { ...setting, burst }, { organizations: wide, service: wide });
}

/**
 * A limit of the subject and two of one of its operations: three limits of one holder.
 *
 * @param lease Also bounds how many of its requests run at once.
 */
export function threeLimits(
  store: LimitStore,
  setting: LimiterSetting = {},
  { lease = false, ...rest }: Rest & { readonly lease?: boolean } = {},
): RateLimiter<typeof OPERATION> {
  const { burst = WIDE, periodMs = MINUTE_MS } = setting;
  const ceiling = { kind: "window", limit: WIDE, periodMs: PEER_WINDOW_MS } as const;
  const operation = { limit: Math.min(60, burst), periodMs, burst, ceiling, ...(lease ? { maxInFlight: 1_000_000 } : {}) };
  return oneLimit(store, setting, { operations: { [OPERATION]: operation }, ...rest });
}
