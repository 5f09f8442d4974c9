import type { Log, LogFilter, StoredLogEntry } from "@portcullis/core";
import { AuditError } from "../errors.js";
import type { AuditEvent } from "../event/audit-event.js";
import { readEvent } from "../event/prepare-event.js";
import { readEntry, readHead } from "../tree/log-entry.js";
import { leafHash, MerkleFrontier } from "../tree/merkle.js";
import { alignedSubtrees, RangeHashes } from "../tree/proof-ranges.js";
import { readEntries } from "../tree/read-entries.js";
import { csvRecord } from "./csv.js";

/** What an export is about; the first line of it. */
export interface ExportHeader {
  readonly export: "portcullis-audit";
  readonly version: 1;
  readonly log: string;
  readonly treeSize: number;
  /** Base64; the root the log keeps for this size. */
  readonly root: string;
  readonly filter: LogFilter;
}

/** What an export ends with: one without it was cut short. */
export interface ExportFooter {
  readonly events: number;
  readonly treeSize: number;
  /** Base64; computed from the entries as they were read for the export. */
  readonly root: string;
}

/** Formats of an export. */
export type ExportFormat = "json" | "ndjson" | "csv";

/** What to export. */
export interface ExportRequest {
  readonly log: Log;
  readonly logId: string;
  readonly filter: LogFilter;
  /** Export the log as it was at this size, to get the same bytes again. */
  readonly treeSize: number | undefined;
}

type Item =
  | { readonly entry: StoredLogEntry }
  | { readonly gap: { readonly from: number; readonly to: number; readonly hashes: readonly Buffer[] } };

/** The media type of each format. */
export const EXPORT_MEDIA_TYPES: Readonly<Record<ExportFormat, string>> = Object.freeze({
  json: "application/json",
  ndjson: "application/x-ndjson",
  csv: "text/csv; charset=utf-8; header=present",
});

/** An export, ready to be streamed once. */
export interface OpenExport {
  readonly header: ExportHeader;
  readonly chunks: AsyncGenerator<string, void, undefined>;
}

/**
 * Opens an export of the log at one size. Chunks hold some hundred events each; memory does not grow with the log.
 *
 * JSON and NDJSON carry each event exactly as it is stored, and for the entries that the filter leaves out the hashes of their
 * subtrees: whoever has the export computes the root of the whole log from it.
 *
 * @throws {AuditError} `out_of_range`: the log is shorter than `treeSize`; `log_corrupt`. @throws {StoreUnavailable}
 */
export async function openExport(request: ExportRequest, format: ExportFormat): Promise<OpenExport> {
  const { log, logId, filter } = request;
  const { size, root } = await snapshot(request);
  const header: ExportHeader = Object.freeze({
    export: "portcullis-audit",
    version: 1,
    log: logId,
    treeSize: size,
    root: root.toString("base64"),
    filter: Object.freeze({ ...filter }),
  });
  const frontier = new MerkleFrontier();
  const items = walk(log, logId, filter, size, frontier);
  return { header, chunks: inChunks(format === "csv" ? csvLines(header, items) : jsonLines(header, items, frontier, format)) };
}

async function snapshot({ log, logId, treeSize }: ExportRequest): Promise<{ readonly size: number; readonly root: Buffer }> {
  const head = await log.head(logId);
  if (treeSize === undefined || treeSize === head.size) return { size: head.size, root: readHead(head).frontier.root() };
  if (treeSize > head.size)
    throw new AuditError("out_of_range", `The audit log has ${head.size} entries; there is no tree of ${treeSize}.`);
  const frontier = new MerkleFrontier();
  for await (const { bytes } of readEntries(log, logId, 0, treeSize)) frontier.push(leafHash(bytes));
  return { size: treeSize, root: frontier.root() };
}

async function* walk(
  log: Log,
  logId: string,
  filter: LogFilter,
  size: number,
  frontier: MerkleFrontier,
): AsyncGenerator<Item, void, undefined> {
  let gapFrom: number | undefined;
  let skipped: Buffer[] = [];
  for await (const entry of readEntries(log, logId, 0, size)) {
    const index = frontier.size;
    if (entry.index !== index)
      throw new AuditError("log_corrupt", `Entry ${index} of the audit log is missing. Run verify, and restore the log.`);
    const leaf = leafHash(entry.bytes);
    frontier.push(leaf);
    if (!matches(entry, filter)) {
      gapFrom ??= index;
      skipped.push(leaf);
      // A gap is closed now and then, so that a million left-out entries do not wait in memory.
      if (skipped.length === MAX_GAP) {
        yield gapOf(gapFrom, skipped);
        [gapFrom, skipped] = [undefined, []];
      }
      continue;
    }
    if (gapFrom !== undefined) yield gapOf(gapFrom, skipped);
    [gapFrom, skipped] = [undefined, []];
    yield { entry };
  }
  if (gapFrom !== undefined) yield gapOf(gapFrom, skipped);
}

const MAX_GAP = 4096;

function gapOf(from: number, leaves: readonly Buffer[]): Item {
  const to = from + leaves.length;
  const hashes = new RangeHashes(alignedSubtrees({ from, to }));
  leaves.forEach((leaf, offset) => hashes.push(from + offset, leaf));
  return { gap: { from, to, hashes: hashes.hashes() } };
}

/** The filter of the port, asked here: an export reads every entry, to hash it. */
function matches(entry: StoredLogEntry, { from, to, category, actor, action, workspaceId }: LogFilter): boolean {
  return (
    (from === undefined || entry.at >= from) &&
    (to === undefined || entry.at < to) &&
    (category === undefined || entry.category === category) &&
    (actor === undefined || entry.actor === actor) &&
    (action === undefined || entry.action === action) &&
    (workspaceId === undefined || entry.workspaceId === workspaceId)
  );
}

async function* jsonLines(
  header: ExportHeader,
  items: AsyncIterable<Item>,
  frontier: MerkleFrontier,
  format: "json" | "ndjson",
): AsyncGenerator<string, void, undefined> {
  // One item a line in both, so that a reader of lines sees the stored bytes whatever the format.
  const [open, between, close, end] = format === "json" ? ['{"header":', ',\n"items":[', '],\n"footer":', "}\n"] : ["", "", "", "\n"];
  yield `${open}${JSON.stringify(header)}${between}\n`;
  let events = 0;
  let isFirst = true;
  for await (const item of items) {
    const comma = format === "json" && !isFirst ? "," : "";
    isFirst = false;
    if ("entry" in item) events += 1;
    yield `${comma}${"entry" in item ? Buffer.from(item.entry.bytes).toString("utf8") : gapLine(item.gap)}\n`;
  }
  const footer: ExportFooter = { events, treeSize: frontier.size, root: frontier.root().toString("base64") };
  yield `${close}${JSON.stringify(footer)}${end}`;
}

function gapLine({ from, to, hashes }: Extract<Item, { readonly gap: unknown }>["gap"]): string {
  return JSON.stringify({ gap: { from, to, hashes: hashes.map((hash) => hash.toString("base64")) } });
}

const COLUMNS = [
  "index",
  "time",
  "id",
  "category",
  "action",
  "outcome",
  "actor_type",
  "actor_id",
  "actor_name",
  "on_behalf_of_type",
  "on_behalf_of_id",
  "target_type",
  "target_id",
  "target_name",
  "reason",
  "ip",
  "user_agent",
  "correlation_id",
  "workspace_id",
  "details",
  "redacted",
  "truncated",
  "tree_size",
  "tree_root",
] as const;

async function* csvLines(header: ExportHeader, items: AsyncIterable<Item>): AsyncGenerator<string, void, undefined> {
  yield csvRecord(COLUMNS);
  for await (const item of items) {
    if (!("entry" in item)) continue;
    const event = readEvent(readEntry(item.entry.bytes)?.json);
    if (event === undefined)
      throw new AuditError("log_corrupt", `Entry ${item.entry.index} of the audit log is not readable. Run verify, and restore the log.`);
    yield csvRow(item.entry.index, event, header);
  }
}

function csvRow(index: number, event: AuditEvent, header: ExportHeader): string {
  const { actor, onBehalfOf, target } = event;
  return csvRecord([
    index,
    new Date(event.at).toISOString(),
    event.id,
    event.category,
    event.action,
    event.outcome,
    actor.type,
    actor.id,
    actor.name,
    onBehalfOf?.type,
    onBehalfOf?.id,
    target?.type,
    target?.id,
    target?.name,
    event.reason,
    event.ip,
    event.userAgent,
    event.correlationId,
    event.workspaceId,
    event.details === undefined ? undefined : JSON.stringify(event.details),
    event.redacted?.join(" "),
    event.truncated?.join(" "),
    header.treeSize,
    header.root,
  ]);
}

const CHUNK_LENGTH = 64 * 1024;

async function* inChunks(lines: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let chunk = "";
  for await (const line of lines) {
    chunk += line;
    if (chunk.length < CHUNK_LENGTH) continue;
    yield chunk;
    chunk = "";
  }
  if (chunk !== "") yield chunk;
}
