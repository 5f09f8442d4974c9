import type { Log, StoredLogEntry } from "@portcullis/core";

const PAGE = 500;

/** The entries of a log in order, a page at a time: memory does not grow with the log. Ends early where the store has no more. */
export async function* readEntries(log: Log, name: string, from: number, to: number): AsyncGenerator<StoredLogEntry, void, undefined> {
  for (let next = from; next < to;) {
    const page = await log.read(name, next, Math.min(PAGE, to - next));
    for (const entry of page) {
      if (entry.index >= to) return;
      yield entry;
    }
    const last = page.at(-1);
    if (last === undefined) return;
    next = last.index + 1;
  }
}
