/** Readers of what the scripts reply: 1 and 0, strings, lists of them, nothing. */

/** Whether the script said yes. */
export function isYes(reply: unknown): boolean {
  return reply === 1;
}

export function toText(reply: unknown): string {
  return typeof reply === "string" ? reply : String(reply);
}

export function toOptionalText(reply: unknown): string | undefined {
  return reply === null || reply === undefined ? undefined : toText(reply);
}

/** Numbers are replied as digits: an integer reply would lose fractions. */
export function toNumber(reply: unknown): number {
  return Number(reply);
}

/** @returns An empty list where the script replied nothing. */
export function toList(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : [];
}
