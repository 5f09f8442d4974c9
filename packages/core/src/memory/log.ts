import type { Log, LogBatch, LogFilter, LogHead, StoredLogEntry } from "../ports/log.js";
import { DuplicateLogKey } from "../problem/errors.js";

interface Book {
  readonly entries: StoredLogEntry[];
  readonly keys: Set<string>;
  frontier: Uint8Array;
}

/** Logs in this process; they end with it. Bytes are copied on the way in and out: a typed array cannot be frozen, and `slice` of a Buffer shares it. */
export function createMemoryLog(): Log {
  const books = new Map<string, Book>();
  const headOf = (book: Book | undefined): LogHead =>
    Object.freeze({ size: book?.entries.length ?? 0, frontier: Uint8Array.from(book?.frontier ?? []) });

  return Object.freeze({
    append(log: string, build: (head: LogHead) => LogBatch): LogHead {
      const known = books.get(log);
      const batch = build(headOf(known));
      const book = known ?? { entries: [], keys: new Set<string>(), frontier: new Uint8Array() };
      const keys = new Set<string>();
      for (const { key } of batch.entries) {
        if (book.keys.has(key) || keys.has(key)) throw new DuplicateLogKey(key);
        keys.add(key);
      }
      for (const entry of batch.entries) {
        book.entries.push(Object.freeze({ ...entry, bytes: Uint8Array.from(entry.bytes), index: book.entries.length }));
        book.keys.add(entry.key);
      }
      book.frontier = Uint8Array.from(batch.frontier);
      books.set(log, book);
      return headOf(book);
    },
    head: (log: string): LogHead => headOf(books.get(log)),
    read(log: string, fromIndex: number, limit: number, filter: LogFilter = {}): readonly StoredLogEntry[] {
      const entries = books.get(log)?.entries ?? [];
      const found: StoredLogEntry[] = [];
      for (let index = Math.max(0, fromIndex); index < entries.length && found.length < limit; index += 1) {
        const entry = entries[index];
        if (entry !== undefined && matches(entry, filter)) found.push(Object.freeze({ ...entry, bytes: Uint8Array.from(entry.bytes) }));
      }
      return Object.freeze(found);
    },
  });
}

function matches(entry: StoredLogEntry, filter: LogFilter): boolean {
  return (
    (filter.from === undefined || filter.from <= entry.at) &&
    (filter.to === undefined || entry.at < filter.to) &&
    (filter.category === undefined || filter.category === entry.category) &&
    (filter.actor === undefined || filter.actor === entry.actor) &&
    (filter.action === undefined || filter.action === entry.action) &&
    (filter.workspaceId === undefined || filter.workspaceId === entry.workspaceId)
  );
}
