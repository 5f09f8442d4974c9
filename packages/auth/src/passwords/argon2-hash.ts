/** Cost parameters of a stored Argon2id hash. */
export interface Argon2Cost {
  readonly memoryKiB: number;
  readonly iterations: number;
  readonly parallelism: number;
}

// The PHC string format: $argon2id$v=19$m=19456,t=2,p=1$salt$tag, both parts unpadded base64.
const PHC = /^\$argon2id\$v=19\$m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,2})\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{16,172}$/;

/** The cost of a stored hash; `undefined` when it is no Argon2id hash. */
export function costOf(hash: string): Argon2Cost | undefined {
  const match = PHC.exec(hash);
  return match === null ? undefined : { memoryKiB: Number(match[1]), iterations: Number(match[2]), parallelism: Number(match[3]) };
}

/**
 * Whether verifying may be attempted. A hash from an import or a manipulated row could ask for gigabytes, and one login would
 * take the process down.
 */
export function isAffordable(cost: Argon2Cost, configured: Argon2Cost): boolean {
  return (
    cost.memoryKiB <= 4 * configured.memoryKiB &&
    cost.memoryKiB * cost.iterations <= 8 * configured.memoryKiB * configured.iterations &&
    cost.parallelism <= 16
  );
}

/** Whether a stored hash is cheaper to attack than a new one would be. */
export function isWeaker(cost: Argon2Cost, configured: Argon2Cost): boolean {
  return cost.memoryKiB < configured.memoryKiB || cost.iterations < configured.iterations;
}

/**
 * The cost of what verifying a cheaper hash leaves undone (Argon2's work is memory times passes); `undefined` when it is nothing,
 * or less than Argon2 can do.
 */
export function shortfall(cost: Argon2Cost, configured: Argon2Cost): Argon2Cost | undefined {
  const missing = configured.memoryKiB * configured.iterations - cost.memoryKiB * cost.iterations;
  if (missing < LEAST_MEMORY_KIB * configured.parallelism) return undefined;
  const iterations = Math.ceil(missing / configured.memoryKiB);
  return { memoryKiB: Math.round(missing / iterations), iterations, parallelism: configured.parallelism };
}

// Per lane: RFC 9106 §3.1.
const LEAST_MEMORY_KIB = 8;

/** A hash of the configured cost that no password has: what is verified for accounts that do not exist. */
export function unmatchableHash(cost: Argon2Cost, random: (bytes: number) => Uint8Array): string {
  const part = (bytes: number): string => Buffer.from(random(bytes)).toString("base64").replace(/=+$/, "");
  return `$argon2id$v=19$m=${cost.memoryKiB},t=${cost.iterations},p=${cost.parallelism}$${part(16)}$${part(32)}`;
}
