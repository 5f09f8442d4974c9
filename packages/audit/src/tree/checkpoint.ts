import { AuditError } from "../errors.js";
import { HASH_BYTES } from "./merkle.js";
import { openNote } from "./signed-note.js";

/** What a checkpoint states: the log of this origin had this size and root. */
export interface CheckpointStatement {
  readonly origin: string;
  readonly size: number;
  readonly root: Buffer;
}

/** The text that is signed. @see C2SP tlog-checkpoint */
export function checkpointText({ origin, size, root }: CheckpointStatement): string {
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
}

/**
 * Opens a checkpoint: a signed note that states a log's origin, size and root. Further lines are ignored.
 *
 * @param verifierKeys Of the log's signers.
 * @throws {AuditError} `malformed_note`, `untrusted_note`, `bad_signature`.
 * @see C2SP tlog-checkpoint
 */
export function openCheckpoint(note: string, verifierKeys: readonly string[]): CheckpointStatement {
  const [origin, size, root] = openNote(note, verifierKeys).text.split("\n");
  const bytes = Buffer.from(root ?? "", "base64");
  if (
    origin === undefined ||
    origin === "" ||
    !/^(?:0|[1-9]\d{0,15})$/.test(size ?? "") ||
    bytes.length !== HASH_BYTES ||
    bytes.toString("base64") !== root
  ) {
    throw new AuditError("malformed_note", "The note is signed, but it is no checkpoint: an origin, a size and a root are missing.");
  }
  return { origin, size: Number(size), root: bytes };
}
