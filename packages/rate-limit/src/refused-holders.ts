/** A holder that is refused often. */
export interface RefusedHolder {
  /** `ip:` and the address key, `user:` and the subject, and so on. */
  readonly key: string;
  /** Refusals counted, at most `error` too many. */
  readonly count: number;
  readonly error: number;
}

/**
 * Who is refused most, in bounded memory: whoever is refused more often than one in so many is among them, however many others
 * there are (Metwally et al. 2005, "Efficient computation of frequent and top-k elements in data streams": Space-Saving).
 */
export function createRefusedHolders(most: number): { add(key: string): void; list(): readonly RefusedHolder[] } {
  const counted = new Map<string, { count: number; error: number }>();
  return {
    add(key) {
      const known = counted.get(key);
      if (known !== undefined) known.count += 1;
      else if (counted.size < most) counted.set(key, { count: 1, error: 0 });
      else {
        let least: { key: string; count: number } | undefined;
        for (const [other, { count }] of counted) if (least === undefined || count < least.count) least = { key: other, count };
        if (least === undefined) return;
        counted.delete(least.key);
        counted.set(key, { count: least.count + 1, error: least.count });
      }
    },
    list: () =>
      Object.freeze([...counted].map(([key, { count, error }]) => Object.freeze({ key, count, error })).sort((a, b) => b.count - a.count)),
  };
}
