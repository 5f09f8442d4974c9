import { openCheckpoint } from "../tree/checkpoint.js";
import { readEntry } from "../tree/log-entry.js";
import { leafHash, MerkleFrontier } from "../tree/merkle.js";
import { alignedSubtrees } from "../tree/proof-ranges.js";

/** What an export proves. */
export type ExportVerdict =
  | {
      readonly kind: "intact";
      readonly log: string;
      readonly events: number;
      readonly treeSize: number;
      /** Base64. */
      readonly root: string;
      /** `not_provable`: no checkpoint of this size was given; the export agrees with itself, and whoever made it could have made another. */
      readonly origin: "proven" | "not_provable";
    }
  | { readonly kind: "tampered"; readonly line: number | undefined; readonly reason: string };

/** What the export is held against. */
export interface VerifyExportOptions {
  /** A checkpoint of the same tree size, kept elsewhere. */
  readonly expectedCheckpoint?: string;
  readonly verifierKeys?: readonly string[];
}

/**
 * Verifies a JSON or NDJSON export without the log: the root of the whole log follows from its lines.
 *
 * @param text The export, whole or in chunks of any size.
 * @throws {AuditError} `malformed_note`, `untrusted_note`, `bad_signature`: the checkpoint cannot be used.
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 * import { createAudit, verifyExport } from "@portcullis/audit";
 *
 * const audit = createAudit({ store: createMemoryStore(), name: "example.com/audit" });
 * await audit.login({ actor: { type: "user", id: "ada" } });
 * console.log((await verifyExport(audit.exportNdjson())).kind); // intact
 * ```
 */
export async function verifyExport(
  text: string | Iterable<string> | AsyncIterable<string>,
  options: VerifyExportOptions = {},
): Promise<ExportVerdict> {
  const { expectedCheckpoint, verifierKeys = [] } = options;
  const pinned = expectedCheckpoint === undefined ? undefined : openCheckpoint(expectedCheckpoint, verifierKeys);
  const reader = new ExportReader();
  let number = 0;
  for await (const line of linesOf(typeof text === "string" ? [text] : text)) {
    number += 1;
    const problem = reader.take(line);
    if (problem !== undefined) return { kind: "tampered", line: number, reason: problem };
  }
  const verdict = reader.end();
  if (verdict.kind === "tampered" || pinned === undefined) return verdict;
  if (pinned.origin !== verdict.log) return { kind: "tampered", line: 1, reason: "The checkpoint is of another log." };
  if (pinned.size !== verdict.treeSize) return verdict;
  const isSigned = pinned.root.toString("base64") === verdict.root;
  return isSigned
    ? { ...verdict, origin: "proven" }
    : { kind: "tampered", line: undefined, reason: "The root is not the one that was signed for this size." };
}

class ExportReader {
  readonly #frontier = new MerkleFrontier();
  #header: { readonly log: string; readonly treeSize: number; readonly root: string } | undefined;
  #footer: { readonly events: number; readonly treeSize: number; readonly root: string } | undefined;
  #events = 0;

  /** @returns what is wrong with the line. */
  take(line: string): string | undefined {
    // The JSON form is the NDJSON form in a wrapper that never shares a line with an item's own bytes.
    const bare = line
      .replace(/^\{"header":(.*),$/, "$1")
      .replace(/^\],$/, "")
      .replace(/^"items":\[$/, "")
      .replace(/^"footer":(.*)\}$/, "$1")
      .replace(/^,/, "");
    if (bare === "") return undefined;
    if (this.#footer !== undefined) return "There are lines after the end.";
    if (this.#header === undefined) return this.#takeHeader(bare);
    if (bare.startsWith('{"gap":')) return this.#takeGap(bare);
    return bare.startsWith('{"events":') ? this.#takeFooter(bare) : this.#takeEntry(bare, this.#header.log);
  }

  end(): ExportVerdict {
    const [header, footer] = [this.#header, this.#footer];
    const root = this.#frontier.root().toString("base64");
    if (header === undefined || footer === undefined) return wrong("The export was cut short.");
    if (footer.events !== this.#events) return wrong("Events were added or left out.");
    if (this.#frontier.size !== header.treeSize || footer.treeSize !== header.treeSize) return wrong("The lines do not cover the log.");
    if (root !== header.root || root !== footer.root) return wrong("The lines do not give the root of the log.");
    return { kind: "intact", log: header.log, events: this.#events, treeSize: header.treeSize, root, origin: "not_provable" };
  }

  #takeHeader(line: string): string | undefined {
    const { export: kind, version, log, treeSize, root } = parse(line);
    if (kind !== "portcullis-audit" || version !== 1 || typeof log !== "string" || typeof treeSize !== "number" || typeof root !== "string")
      return "This is no export of version 1.";
    this.#header = { log, treeSize, root };
    return undefined;
  }

  #takeFooter(line: string): string | undefined {
    const { events, treeSize, root } = parse(line);
    if (typeof events !== "number" || typeof treeSize !== "number" || typeof root !== "string") return "The end is not readable.";
    this.#footer = { events, treeSize, root };
    return undefined;
  }

  #takeEntry(line: string, log: string): string | undefined {
    const bytes = Buffer.from(line);
    const place = readEntry(bytes)?.place;
    if (place === undefined) return "This is no entry.";
    if (place.log !== log) return "This is an entry of another log.";
    if (place.index !== this.#frontier.size) return `This is entry ${place.index}; entry ${this.#frontier.size} stands here.`;
    this.#frontier.push(leafHash(bytes));
    this.#events += 1;
    return undefined;
  }

  #takeGap(line: string): string | undefined {
    const { from, to, hashes } = (parse(line).gap ?? {}) as { readonly from?: unknown; readonly to?: unknown; readonly hashes?: unknown }; // checked below
    if (from !== this.#frontier.size || !Number.isSafeInteger(to) || Number(to) <= from || !Array.isArray(hashes))
      return "This gap cannot stand here.";
    // Exactly as the exporter writes it: nothing beside it is smuggled along.
    if (JSON.stringify({ gap: { from, to, hashes } }) !== line) return "This gap holds more than it should.";
    const subtrees = alignedSubtrees({ from, to: Number(to) });
    if (subtrees.length !== hashes.length) return "This gap has not the hashes of its entries.";
    for (const [index, subtree] of subtrees.entries()) {
      const hash = Buffer.from(String(hashes[index]), "base64");
      if (hash.length !== 32 || hash.toString("base64") !== hashes[index]) return "This gap has a hash of another length.";
      this.#frontier.pushSubtree(hash, subtree.to - subtree.from);
    }
    return undefined;
  }
}

const MAX_LINE_LENGTH = 4 * 1024 * 1024;

async function* linesOf(chunks: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
    // A file without line ends is no export, and must not be gathered whole.
    if (rest.length > MAX_LINE_LENGTH) break;
  }
  if (rest !== "") yield rest;
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {}; // members are checked by the caller
  } catch {
    return {};
  }
}

function wrong(reason: string): ExportVerdict {
  return { kind: "tampered", line: undefined, reason };
}
