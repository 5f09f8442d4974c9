import { DuplicateLogKey, type Log } from "@portcullis/core";
import { AuditError } from "../errors.js";
import { checkpointText } from "./checkpoint.js";
import { readHead } from "./log-entry.js";
import { leafHash, MerkleFrontier } from "./merkle.js";
import { readEntries } from "./read-entries.js";
import { type Signer, signNote } from "./signed-note.js";

/** A signed statement of the log's size and root. Keep copies where whoever can write the database cannot. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** Base64. */
  readonly root: string;
  /** The signed note: text to publish and to pin. */
  readonly note: string;
}

/** A checkpoint and the frontier of its tree, from which the next one is derived. */
interface StoredCheckpoint extends Checkpoint {
  readonly frontier: MerkleFrontier;
}

/**
 * The checkpoints of a log, kept in a log of their own beside it. Each is stored before it is handed out, one for each size; and
 * each is derived from the one before by the entries between, so that two of them cannot contradict each other.
 */
export class CheckpointBook {
  readonly #name: string;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly log: Log,
    private readonly logId: string,
    private readonly signers: readonly Signer[],
  ) {
    this.#name = `${logId}#checkpoints`;
  }

  /** The checkpoint of the log as it is now. @throws {AuditError} `no_signer`, `inconsistent_checkpoint`. @throws {StoreUnavailable} */
  sign(): Promise<Checkpoint> {
    const turn = this.#turn.then(() => this.#sign());
    this.#turn = turn.catch(() => {}); // its caller sees the error
    return turn;
  }

  /** All stored checkpoints, oldest first. @throws {AuditError} `log_corrupt`: one of them is not what this class writes. */
  async *stored(): AsyncGenerator<Checkpoint, void, undefined> {
    const { size } = await this.log.head(this.#name);
    for await (const { bytes } of readEntries(this.log, this.#name, 0, size)) yield readStored(bytes);
  }

  async #sign(): Promise<Checkpoint> {
    if (this.signers.length === 0) throw new AuditError("no_signer", "The audit log has no signer. Pass one: createAudit({ signer }).");
    for (;;) {
      const book = await this.log.head(this.#name);
      const [entry] = book.size === 0 ? [] : await this.log.read(this.#name, book.size - 1, 1);
      const last = entry === undefined ? undefined : readStored(entry.bytes);
      const next = await this.#derive(last);
      if (last !== undefined && next.size === last.size) return published(last);
      const text = checkpointText({ origin: this.logId, size: next.size, root: next.root() });
      const note = await signNote(text, this.signers);
      const checkpoint = { origin: this.logId, size: next.size, root: next.root().toString("base64"), note };
      if (await this.#store(checkpoint, next, book.size)) return Object.freeze(checkpoint);
    }
  }

  /** The frontier now, derived from the last checkpoint and the entries since, and equal to the one that the log itself keeps. */
  async #derive(last: StoredCheckpoint | undefined): Promise<MerkleFrontier> {
    const head = await this.log.head(this.logId);
    const frontier = last?.frontier ?? new MerkleFrontier();
    if (head.size < frontier.size) throw inconsistent(`it has ${head.size} entries, and ${frontier.size} were signed for`);
    for await (const { index, bytes } of readEntries(this.log, this.logId, frontier.size, head.size)) {
      if (index !== frontier.size) throw inconsistent(`entry ${frontier.size} is missing`);
      frontier.push(leafHash(bytes));
    }
    if (frontier.size !== head.size || !frontier.toBytes().equals(readHead(head).frontier.toBytes())) {
      throw inconsistent("its entries do not give the root that it keeps");
    }
    return frontier;
  }

  /** @returns `false` when another process stored a checkpoint meanwhile. */
  async #store(checkpoint: Checkpoint, frontier: MerkleFrontier, expectedSize: number): Promise<boolean> {
    const bytes = Buffer.from(JSON.stringify({ ...checkpoint, frontier: frontier.toBytes().toString("base64") }));
    const columns = { at: 0, category: "checkpoint", actor: "", action: "", workspaceId: "" };
    const key = `size:${checkpoint.size}`;
    try {
      await this.log.append(this.#name, (head) => {
        // Derived from the one that was last then: another process was faster, and ours is not consistent with its by construction.
        if (head.size !== expectedSize) throw new DuplicateLogKey(key);
        return { entries: [{ key, bytes, ...columns }], frontier: head.frontier };
      });
      return true;
    } catch (error) {
      if (error instanceof DuplicateLogKey) return false;
      throw error;
    }
  }
}

function readStored(bytes: Uint8Array): StoredCheckpoint {
  try {
    const { origin, size, root, note, frontier } = JSON.parse(Buffer.from(bytes).toString("utf8")) as Readonly<Record<string, unknown>>; // checked below
    const tree =
      typeof frontier === "string" && typeof size === "number"
        ? MerkleFrontier.fromBytes(Buffer.from(frontier, "base64"), size)
        : undefined;
    if (tree !== undefined && typeof origin === "string" && typeof note === "string") {
      const stated = { origin, size: tree.size, root: tree.root() };
      if (stated.root.toString("base64") === root && note.startsWith(checkpointText(stated)))
        return { origin, size: tree.size, root, note, frontier: tree };
    }
  } catch {
    // Answered below, like everything else that is not one.
  }
  throw new AuditError(
    "log_corrupt",
    "A stored checkpoint is not one that audit wrote. Run verify with a checkpoint that was kept elsewhere.",
  );
}

function published({ origin, size, root, note }: StoredCheckpoint): Checkpoint {
  return Object.freeze({ origin, size, root, note });
}

function inconsistent(what: string): AuditError {
  return new AuditError(
    "inconsistent_checkpoint",
    `The audit log contradicts what was signed: ${what}. Nothing was signed. Run verify, and restore the log.`,
  );
}
