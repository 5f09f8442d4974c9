import { createClientIpResolver, defineRoute, type Facts, type Route } from "@portcullis/core";
import type { RateLimiter } from "@portcullis/rate-limit";
import { z } from "zod";
import { ok } from "../envelope.js";
import type { Permit } from "../permissions.js";
import type { LimitChange } from "./audit-recorder.js";

/** What the routes of the rate limiter work with. */
export interface RateLimitServices {
  readonly permit: Permit;
  readonly limiter: Pick<RateLimiter, "status" | "reset" | "block">;
  /** Resolves once the change is in the audit trail. */
  readonly record: (facts: Facts, change: LimitChange) => Promise<unknown>;
}

const TAGS = ["system"];
const MOST_BLOCK_MS = 366 * 86_400_000;
/** Shared by all whose address cannot be read. */
const UNKNOWN_ADDRESS = "unknown";

const statusSchema = z.object({
  breaker: z.enum(["closed", "open", "half_open"]),
  rememberedDenials: z.number(),
  localCells: z.number(),
  outagePolicy: z.enum(["closed", "open", "local"]),
  policies: z
    .array(
      z.object({
        name: z.string(),
        tier: z.string().optional(),
        kind: z.enum(["bucket", "window", "calendar"]),
        limit: z.number(),
        periodMs: z.number(),
        capacity: z.number(),
        description: z.string(),
        outcomes: z.object({ allowed: z.number(), denied: z.number(), open: z.number(), closed: z.number() }),
      }),
    )
    .readonly(),
  caps: z.array(z.object({ name: z.string(), capacity: z.number(), held: z.number() })).readonly(),
  batchedUnits: z.number(),
  /** What the store holds, where it is the memory of this process. */
  store: z.object({ cells: z.number(), isFull: z.boolean(), leases: z.number(), blocks: z.number() }).optional(),
  refused: z
    .array(
      z.object({
        key: z.string(),
        /** As reset and block take it. */
        holder: z.record(z.enum(["subject", "ipKey", "apiKey", "organization"]), z.string().optional()).optional(),
        count: z.number(),
        missed: z.number(),
      }),
    )
    .readonly(),
});

const name = z.string().min(1).max(256);
const ipKey = z
  .string()
  .max(64)
  .transform((text, context) => {
    const key = limitKeyOf(text);
    if (key !== undefined) return key;
    context.addIssue("Write an IP address, or the key of one as the status shows it.");
    return z.NEVER;
  })
  .describe("An IP address. Whoever shares its limits (an IPv6 /64) is meant with it.");

/** Exactly one holder, with what else the body has. */
function oneHolder<Rest extends z.core.$ZodLooseShape>(rest: Rest) {
  return z.union(
    [
      z.strictObject({ subject: name, ...rest }),
      z.strictObject({ ipKey, ...rest }),
      z.strictObject({ apiKey: name, ...rest }),
      z.strictObject({ organization: name, ...rest }),
    ],
    "Give one of subject, ipKey (an IP address), apiKey and organization; to block also ms, 0 to 366 days; nothing else.",
  );
}

const resetBody = oneHolder({});
const blockBody = oneHolder({ ms: z.int().min(0).max(MOST_BLOCK_MS).describe("How long; 0 ends a block.") });

/** `/api/system/rate-limits`: how the limiter is doing, and whose limits to fill or to close. */
export function rateLimitRoutes({ permit, limiter, record }: RateLimitServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/system/rate-limits",
      operationId: "rateLimitStatus",
      summary: "Shows every rate limit, what it allowed and refused, and who is refused most",
      tags: TAGS,
      guards: [permit("system.read")],
      responses: { 200: { description: "As this process counted since it started", schema: statusSchema } },
      handle: () => ok(limiter.status() satisfies z.input<typeof statusSchema>),
    }),
    defineRoute({
      method: "POST",
      path: "/api/system/rate-limits/reset",
      operationId: "resetRateLimits",
      summary: "Fills all limits of a holder and ends its block",
      tags: TAGS,
      guards: [permit("system.manage")],
      input: { body: resetBody },
      responses: { 200: { description: "The holder" } },
      async handle(_request, { facts, body }) {
        await record(facts, { action: "rate_limit.reset", holder: body });
        await limiter.reset(body);
        return ok(body);
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/system/rate-limits/block",
      operationId: "blockRateLimits",
      summary: "Refuses everything to a holder for a while",
      tags: TAGS,
      guards: [permit("system.manage")],
      input: { body: blockBody },
      responses: { 200: { description: "The holder, and for how long" } },
      async handle(_request, { facts, body }) {
        const { ms, ...holder } = body;
        await record(facts, { action: "rate_limit.block", holder, ms });
        await limiter.block(holder, ms);
        return ok(body);
      },
    }),
  ];
}

const resolve = createClientIpResolver();

function limitKeyOf(text: string): string | undefined {
  if (text === UNKNOWN_ADDRESS) return text;
  const { address, key } = resolve({ ip: text.replace(/\/64$/, ""), header: () => undefined, headerCount: () => 0 });
  return address === undefined ? undefined : key;
}
