import type { Leases } from "@portcullis/core";
import { keyOf } from "./redis-key.js";
import { isYes } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";

const script = readScript("leases");

/** Leases on Redis. */
export function createRedisLeases(run: RunScript, prefix: string): Leases {
  const keys = (name: string): readonly string[] => [keyOf(prefix, "lease", name)];
  return Object.freeze({
    acquire: async (name: string, holder: string, ttlMs: number) => isYes(await run(script, "leases.acquire", keys(name), [holder, ttlMs])),
    release: async (name: string, holder: string) => isYes(await run(script, "leases.release", keys(name), [holder])),
  });
}
