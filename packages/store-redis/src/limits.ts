import { createHash } from "node:crypto";
import { type LimitCell, type LimitResult, type Limits, limitState, roomFor, spanOf } from "@portcullis/core";
import { keyOf } from "./redis-key.js";
import { isYes, toList, toNumber } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";

const script = readScript("limits");
// Limit ids come from the configuration, so there are few; a program that makes them up forgets and digests again.
const MOST_IDS = 10_000;

/** Rate limits on Redis: all limits of a subject in one string, all checks of a call in one round trip. */
export function createRedisLimits(run: RunScript, prefix: string): Limits {
  const shortIds = new Map<string, string>();
  const keys = (subject: string): readonly string[] => [keyOf(prefix, "limit", subject)];

  /** 48 bits of a digest, in the eight bytes that the packed string has room for. */
  function shortId(id: string): string {
    const known = shortIds.get(id);
    if (known !== undefined) return known;
    if (shortIds.size >= MOST_IDS) shortIds.clear();
    const made = createHash("sha256").update(id, "utf16le").digest("base64url").slice(0, 8);
    shortIds.set(id, made);
    return made;
  }

  return Object.freeze({
    async consume(subject: string, cells: readonly LimitCell[]): Promise<LimitResult> {
      const asked = cells.flatMap((cell) => [shortId(cell.id), spanOf(cell), roomFor(cell), cell.cost * cell.intervalMs]);
      const [allowed, ...debts] = toList(await run(script, "limits.consume", keys(subject), asked));
      const isAllowed = isYes(allowed);
      const states = cells.map((cell, index) => limitState(cell, toNumber(debts[index]), isAllowed));
      return Object.freeze({ allowed: isAllowed, cells: Object.freeze(states) });
    },
    async refund(subject: string, cells: readonly LimitCell[]): Promise<void> {
      await run(
        script,
        "limits.refund",
        keys(subject),
        cells.flatMap((cell) => [shortId(cell.id), spanOf(cell), cell.cost * cell.intervalMs]),
      );
    },
    reset: async (subject: string): Promise<void> => void (await run(script, "limits.reset", keys(subject))),
  });
}
