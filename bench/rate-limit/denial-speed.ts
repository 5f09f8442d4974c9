// Refusals that this process knows of, so that Redis is not asked.
import { Redis } from "ioredis";
import { systemClock } from "@portcullis/core";
import type { Decision } from "@portcullis/rate-limit";
import { oneLimit, PEER_WINDOW_MS } from "./limiters.js";
import type { Variant } from "../harness/measure.js";
import { decidedNow, promised } from "./memory-speed.js";
import { flexibleRedis } from "./redis-peers.js";
import { storeOn } from "./redis-speed.js";
import { subjectsOf, visitsOf } from "./subjects.js";

export const KNOWN_DENIAL = "portcullis, with the time to wait";
export const FLEXIBLE_BLOCK = "rate-limiter-flexible, in-memory block";

const SUBJECTS = 1_000;

/** Subjects that have used up everything, and asked once more. */
export async function denialVariants(url: string): Promise<{ readonly variants: readonly Variant[]; close(): void }> {
  const client = new Redis(url);
  const subjects = subjectsOf(SUBJECTS);
  const visits = visitsOf(subjects);
  // One unit in 60 hours: nothing comes back meanwhile.
  let skippedMs = 0;
  const clock = { ...systemClock, monotonic: () => performance.now() + skippedMs };
  const limiter = oneLimit(storeOn(client, "denied:"), { burst: 1, periodMs: PEER_WINDOW_MS, clock });
  const flexible = flexibleRedis(client, { limit: 1 }, true);
  // What is remembered is asked again after a second: before a turn, and so not within it.
  const refresh = async (): Promise<void> => {
    skippedMs += 1_001;
    await Promise.all(subjects.map(async (subject) => limiter.check({ phase: "identified", subject })));
  };
  await refresh();
  for (const subject of subjects) for (let time = 0; time < 2; time += 1) await flexible.ask(subject);
  const ours = (name: string, isRefused: (decision: Decision) => boolean): Variant => {
    let next = 0;
    return {
      name,
      yesShare: 0,
      prepare: refresh,
      turn(count) {
        let yes = 0;
        for (let index = 0; index < count; index += 1) {
          const subject = visits[next++ & (visits.length - 1)] as string; // masked
          if (!isRefused(decidedNow(limiter.check({ phase: "identified", subject })))) yes += 1;
        }
        return yes;
      },
    };
  };
  const block = promised(flexible, visits, 0);
  return {
    variants: [
      // rate-limiter-flexible says how long to wait with each refusal, so ours is asked for it too.
      ours(KNOWN_DENIAL, ({ allowed, decidedBy, retryAfterMs = 0 }) => !allowed && decidedBy === "denials" && retryAfterMs > 0),
      ours("portcullis, the verdict alone", ({ allowed }) => !allowed),
      ours("portcullis, with problem and header fields", (decision) => decision.problem() !== undefined && decision.headers().length > 0),
      { ...block, name: FLEXIBLE_BLOCK },
    ],
    close: () => client.disconnect(),
  };
}
