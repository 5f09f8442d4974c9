import { limitPresets, type RateLimiterOptions } from "@portcullis/rate-limit";
import type { Config } from "./config.js";

const HOUR_MS = 3_600_000;

/**
 * How often who may do what, from the outside in. One address, then one caller by tier, one API key, one organisation, the service;
 * on top of them the operations that cost more than others.
 */
export function serviceLimits({ instances, redisUrl, rateLimitAllow, rateLimitDeny }: Config) {
  return {
    floor: { limit: 3_000, burst: 6_000 },
    // No more than the lowest tier: it also bounds how fast passwords are guessed.
    unauthenticated: { limit: 10, burst: 60 },
    tiers: {
      ...limitPresets.tiers,
      // Ten a minute, and no more than 5,000 between two midnights: what costs nothing is no substitute for a plan.
      free: { ...limitPresets.tiers.free, ceiling: { kind: "calendar", period: "day", limit: 5_000 } },
    },
    defaultTier: "free" as const,
    apiKeys: { limit: 600, burst: 1_200 },
    organizations: { limit: 10_000, burst: 20_000 },
    service: { limit: 60_000, burst: 120_000 },
    operations: {
      // Attempts of one address that fail. That an account is guessed from many is for the lockout to find out.
      login: { limit: 5, burst: 20 },
      "workflows.execute": { limit: 600, burst: 600, maxInFlight: 64 },
      "decisions.create": { limit: 600, burst: 600 },
      // Reads the whole log.
      "audit.export": { kind: "window", limit: 60, periodMs: HOUR_MS, maxInFlight: 2, leaseMs: 60_000 },
    },
    exclude: ["/api/health", "/api/metrics"],
    allow: { addresses: rateLimitAllow },
    deny: { addresses: rateLimitDeny },
    onOutage: "local",
    instances,
    // Each holder is a round trip of its own. Organisations and the service are busy ones: most requests find units of theirs here.
    batches: redisUrl !== undefined,
  } satisfies Omit<RateLimiterOptions, "store">;
}
