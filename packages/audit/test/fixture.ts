import { DuplicateLogKey, type Log, type LogBatch, type LogHead, type StoredLogEntry } from "@portcullis/core";
import { type AuditOptions, createAudit, createSigner } from "@portcullis/audit";
import { createManualClock } from "@portcullis/testkit";

export const NAME = "example.com/audit";
export const SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"; // RFC 8032 §7.1, a key that everyone has
export const ADA = Object.freeze({ type: "user", id: "ada" } as const);

/** A log whose rows can be edited, as someone with the database's password can. */
export interface EditableLog extends Log {
  readonly books: Map<string, { entries: StoredLogEntry[]; frontier: Uint8Array }>;
}

export function createEditableLog(): EditableLog {
  const books: EditableLog["books"] = new Map();
  // The size is kept beside the rows, as a database keeps it: who deletes rows does not change it.
  const sizes = new Map<string, number>();
  const headOf = (name: string): LogHead => ({ size: sizes.get(name) ?? 0, frontier: books.get(name)?.frontier ?? new Uint8Array() });
  return {
    books,
    async append(name, build) {
      const { size } = headOf(name);
      const batch: LogBatch = build(headOf(name));
      const book = books.get(name) ?? { entries: [], frontier: new Uint8Array() };
      for (const { key } of batch.entries) if (book.entries.some((entry) => entry.key === key)) throw new DuplicateLogKey(key);
      batch.entries.forEach((entry, offset) => book.entries.push({ ...entry, index: size + offset }));
      book.frontier = batch.frontier;
      books.set(name, book);
      sizes.set(name, size + batch.entries.length);
      return headOf(name);
    },
    head: async (name) => headOf(name),
    read: async (name, from, limit) => (books.get(name)?.entries ?? []).filter(({ index }) => index >= from).slice(0, limit),
  };
}

export function auditOver(log: Log, options: Partial<AuditOptions> = {}) {
  return createAudit({
    store: { log },
    name: NAME,
    clock: createManualClock(),
    signer: createSigner({ name: NAME, seed: SEED }),
    ...options,
  });
}

/** A log of that many events, with a checkpoint after each of these sizes. */
export async function filledLog(count: number, checkpointsAt: readonly number[] = []) {
  const log = createEditableLog();
  const clock = createManualClock();
  const audit = auditOver(log, { clock });
  const notes: string[] = [];
  for (let index = 0; index < count; index += 1) {
    clock.advance(1000);
    await audit.data("update", { id: `event-${index}`, actor: ADA, target: { type: "workflow", id: `w${index}` }, details: { n: index } });
    if (checkpointsAt.includes(index + 1)) notes.push((await audit.checkpoint()).note);
  }
  const book = log.books.get(NAME);
  if (book === undefined) throw new Error("nothing was appended");
  return { log, audit, clock, notes, book };
}

export function textOf(entry: StoredLogEntry | undefined): string {
  return Buffer.from(entry?.bytes ?? []).toString("utf8");
}

export async function gather(chunks: AsyncIterable<string>): Promise<string> {
  let text = "";
  for await (const chunk of chunks) text += chunk;
  return text;
}
