import { readFileSync } from "node:fs";
import { StoreUnavailable } from "@portcullis/core";
import { createSigner, generateSigningSeed, leafHash } from "@portcullis/audit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readHead, sealEntry, writeHead } from "../src/tree/log-entry.js";
import { checkpointText } from "../src/tree/checkpoint.js";
import { MerkleFrontier } from "../src/tree/merkle.js";
import { signNote } from "../src/tree/signed-note.js";
import { auditOver, createEditableLog, filledLog, NAME, textOf } from "./fixture.js";
import { vectorFolder } from "./vector-folder.js";

const COUNT = 24;

type Filled = Awaited<ReturnType<typeof filledLog>>;

/** The log after someone with the database's password edited it; the notes are outside of it. */
async function tamperedWith(edit: (log: Filled) => void | Promise<void>) {
  const filled = await filledLog(COUNT, [10, 20]);
  await edit(filled);
  return filled;
}

function replaceBytes({ book }: Filled, index: number, change: (text: string) => string): void {
  book.entries = book.entries.map((entry) => (entry.index === index ? { ...entry, bytes: Buffer.from(change(textOf(entry))) } : entry));
}

/** Rewrites every entry from `index` on, links and head included: what someone does who has read how this works. */
function rewriteFrom({ book }: Filled, index: number, change: (text: string) => string): void {
  const frontier = new MerkleFrontier();
  let previous = Buffer.alloc(32).toString("base64url");
  book.entries = book.entries.map((entry, at) => {
    const text = textOf(entry);
    const body = `${text.slice(0, text.lastIndexOf(',"log":'))}}`;
    const bytes = at < index ? entry.bytes : sealEntry(at === index ? change(body) : body, { log: NAME, index: at, previous });
    const leaf = leafHash(bytes);
    previous = leaf.toString("base64url");
    frontier.push(leaf);
    return { ...entry, index: at, bytes };
  });
  book.frontier = writeHead({ frontier, previous });
}

function renumber({ book }: Filled): void {
  book.entries = book.entries.map((entry, index) => ({ ...entry, index }));
}

describe("verify", () => {
  it("an untouched log is intact; without a pinned checkpoint its end is not provable, and it says so (AUD-5)", async () => {
    const { audit, notes, book } = await filledLog(COUNT, [10, 20]);
    const root = readHead({ size: COUNT, frontier: book.frontier }).frontier.root().toString("base64");
    expect(await audit.verify()).toEqual({ verdict: "intact", size: COUNT, root, provenSize: 0, tail: "not_provable", clockSteps: 0 });
    expect(await audit.verify({ expectedCheckpoint: notes })).toEqual({
      verdict: "intact",
      size: COUNT,
      root,
      provenSize: 20,
      tail: "proven",
      clockSteps: 0,
    });
  });

  it("an empty log is intact, as far as anyone can tell", async () => {
    expect(await auditOver(createEditableLog()).verify()).toMatchObject({ verdict: "intact", size: 0, tail: "not_provable" });
  });

  it("one byte flipped anywhere in any entry is found, with the entry's index", async () => {
    const filled = await filledLog(9, [5]);
    const original = filled.book.entries;
    await fc.assert(
      fc.asyncProperty(fc.nat(8), fc.nat(), fc.integer({ min: 1, max: 255 }), async (index, seed, mask) => {
        filled.book.entries = original.map((entry) => {
          if (entry.index !== index) return entry;
          const bytes = Buffer.from(entry.bytes);
          const at = seed % bytes.length;
          bytes[at] = (bytes[at] ?? 0) ^ mask;
          return { ...entry, bytes };
        });
        expect(await filled.audit.verify()).toMatchObject({ verdict: "tampered", firstBad: index });
      }),
      { numRuns: 1500 },
    );
  });

  it("a changed column, which searches go by, is found", async () => {
    for (const change of [
      { actor: "bob" },
      { action: "data.read" },
      { category: "admin" },
      { at: 0 },
      { workspaceId: "w" },
      { key: "other" },
    ]) {
      const { audit } = await tamperedWith(({ book }) => {
        book.entries = book.entries.map((entry) => (entry.index === 4 ? { ...entry, ...change } : entry));
      });
      expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "changed_columns", firstBad: 4 });
    }
  });

  it("a changed head is found, whole or in part", async () => {
    for (const at of [0, 31, 32, 95]) {
      const { audit } = await tamperedWith(({ book }) => {
        const frontier = Buffer.from(book.frontier);
        frontier[at] = (frontier[at] ?? 0) ^ 1;
        book.frontier = frontier;
      });
      expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "changed_head" });
    }
    const { audit } = await tamperedWith(({ book }) => void (book.frontier = Buffer.alloc(5)));
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "changed_head" });
  });

  it("a changed stored checkpoint is found", async () => {
    for (const change of ["{}", "no JSON"]) {
      const { audit } = await tamperedWith(({ log }) => {
        const book = log.books.get(`${NAME}#checkpoints`);
        if (book !== undefined) book.entries = book.entries.map((entry) => ({ ...entry, bytes: Buffer.from(change) }));
      });
      expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "changed_checkpoint" });
    }
    const { audit } = await tamperedWith(({ log }) => {
      const book = log.books.get(`${NAME}#checkpoints`);
      if (book !== undefined)
        book.entries = book.entries.map((entry) => ({ ...entry, bytes: Buffer.from(textOf(entry).replace(/(\u2014 \S+ .{20})./, "$1A")) }));
    });
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "changed_checkpoint" });
  });

  it("a stored checkpoint of another log is found, and a dead store is no verdict", async () => {
    const { audit, log } = await tamperedWith(async (filled) => {
      const other = createEditableLog();
      await auditOver(other, { name: "tenant-b" }).checkpoint();
      filled.log.books.set(`${NAME}#checkpoints`, other.books.get("tenant-b#checkpoints") ?? { entries: [], frontier: new Uint8Array() });
    });
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "changed_checkpoint" });
    log.read = async () => Promise.reject(new StoreUnavailable("log.read"));
    await expect(audit.verify()).rejects.toBeInstanceOf(StoreUnavailable);
  });

  it("grows while it is read without a false alarm", async () => {
    const { audit, log } = await filledLog(5);
    const read = log.read;
    let isFirst = true;
    log.read = async (...given) => {
      if (isFirst) await ((isFirst = false), audit.logout({ actor: { type: "user", id: "ada" } }));
      return read(...given);
    };
    expect(await audit.verify()).toMatchObject({ verdict: "intact", size: 5 });
  });
});

// vectors/audit-tamper: who did what, and what must be said of it. Those about pruning, stubs, files and erasure come with them.
const ATTACKS: Readonly<Record<string, () => Promise<void>>> = {
  "modify-field": async () => {
    const { audit } = await tamperedWith((log) => replaceBytes(log, 7, (text) => text.replace("w7", "w8")));
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "changed_entry", firstBad: 7 });
  },
  "modify-and-rehash": async () => {
    const { audit, log, notes } = await tamperedWith((filled) => rewriteFrom(filled, 7, (text) => text.replace("w7", "w8")));
    // The stored checkpoints contradict it, the pinned ones too; who removes those that are stored is found by the pinned one only.
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "contradicts_checkpoint", within: { from: 0, to: 10 } });
    log.books.delete(`${NAME}#checkpoints`);
    const unaware = auditOver({ ...log, head: async (name) => (name === NAME ? log.head(name) : { size: 0, frontier: new Uint8Array() }) });
    expect(await unaware.verify()).toMatchObject({ verdict: "intact", tail: "not_provable" });
    expect(await unaware.verify({ expectedCheckpoint: notes[1] ?? "" })).toMatchObject({
      verdict: "tampered",
      reason: "contradicts_checkpoint",
    });
  },
  "delete-middle": async () => {
    const { audit } = await tamperedWith(({ book }) => void (book.entries = book.entries.filter(({ index }) => index !== 5)));
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "missing_entry", firstBad: 5 });
    const renumbered = await tamperedWith((log) => {
      log.book.entries = log.book.entries.filter(({ index }) => index !== 5);
      renumber(log);
    });
    expect(await renumbered.audit.verify()).toMatchObject({ verdict: "tampered", reason: "moved_entry", firstBad: 5 });
  },
  "delete-first": async () => {
    const { audit } = await tamperedWith(({ book }) => void book.entries.splice(0, 3));
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "missing_entry", firstBad: 0 });
  },
  "delete-tail": async () => {
    const cut = await tamperedWith(({ book }) => void book.entries.splice(15));
    expect(await cut.audit.verify()).toMatchObject({ verdict: "tampered", reason: "missing_entry", firstBad: 15 });
    await expectRollback(15);
  },
  "delete-all": async () => {
    const { notes } = await filledLog(COUNT, [20]);
    const fresh = auditOver(createEditableLog());
    expect(await fresh.verify()).toMatchObject({ verdict: "intact", size: 0, tail: "not_provable" });
    expect(await fresh.verify({ expectedCheckpoint: notes })).toMatchObject({ verdict: "tampered", reason: "truncated", firstBad: 0 });
  },
  "swap-two": async () => {
    const { audit } = await tamperedWith(({ book }) => {
      book.entries = book.entries.map((entry, index, all) => ({ ...(all[index === 4 ? 9 : index === 9 ? 4 : index] ?? entry), index }));
    });
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "moved_entry", firstBad: 4 });
  },
  duplicate: async () => {
    const { audit } = await tamperedWith(
      ({ book }) => void book.entries.push({ ...(book.entries[3] as (typeof book.entries)[number]), index: COUNT, key: "again" }),
    ); // COUNT > 3
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "unrecorded_entry", firstBad: COUNT });
  },
  "insert-forged": async () => {
    const { audit } = await tamperedWith((log) => {
      log.book.entries.splice(8, 0, { ...(log.book.entries[8] as (typeof log.book.entries)[number]), key: "forged" }); // COUNT > 8
      renumber(log);
    });
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", firstBad: 8 });
  },
  rollback: () => expectRollback(12),
  fork: async () => {
    const { audit } = await tamperedWith((log) => {
      const body = textOf(log.book.entries[12]);
      replaceBytes(log, 13, () => body.replace('"index":12', '"index":13').replace("event-12", "event-13"));
    });
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", firstBad: 12 });
  },
  "split-view": async () => {
    const { audit, notes } = await filledLog(COUNT, [20]);
    const signer = createSigner({ name: NAME, seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60" });
    const other = await signNote(checkpointText({ origin: NAME, size: 20, root: Buffer.alloc(32, 7) }), [signer]);
    expect(await audit.verify({ expectedCheckpoint: [notes[0] ?? "", other] })).toMatchObject({
      verdict: "tampered",
      reason: "contradicts_checkpoint",
    });
  },
  "cross-log-splice": async () => {
    const { audit } = await tamperedWith((log) => replaceBytes(log, 6, (text) => text.replace(`"log":"${NAME}"`, '"log":"tenant-b"')));
    expect(await audit.verify()).toMatchObject({ verdict: "tampered", reason: "foreign_entry", firstBad: 6 });
  },
  "checkpoint-swap": async () => {
    const { audit } = await filledLog(COUNT);
    const signer = createSigner({ name: NAME, seed: "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60" });
    const note = await signNote(checkpointText({ origin: "tenant-b", size: 0, root: Buffer.alloc(32) }), [signer]);
    expect(await audit.verify({ expectedCheckpoint: note })).toEqual({
      verdict: "undecided",
      size: COUNT,
      reason: "checkpoint_of_another_log",
    });
    expect(await audit.verify({ expectedCheckpoint: "no note" })).toEqual({
      verdict: "undecided",
      size: COUNT,
      reason: "checkpoint_malformed",
    });
  },
  "sig-unknown-key": async () => {
    const { audit, log } = await filledLog(COUNT);
    const stranger = auditOver(log, { signer: createSigner({ name: NAME, seed: generateSigningSeed() }) });
    const { note } = await stranger.checkpoint();
    expect(await audit.verify({ expectedCheckpoint: note })).toEqual({ verdict: "undecided", size: COUNT, reason: "checkpoint_untrusted" });
  },
  "sig-known-bad": async () => {
    const { audit, log } = await filledLog(COUNT);
    const good = createSigner({ name: "good", seed: generateSigningSeed() });
    const { note } = await auditOver(log, { signer: good }).checkpoint();
    const bad = `${note}\u2014 ${NAME} ${Buffer.concat([Buffer.from(keyIdOf(audit.verifierKeys[0] ?? ""), "hex"), Buffer.alloc(64)]).toString("base64")}\n`;
    const verdict = await audit.verify({ expectedCheckpoint: bad, verifierKeys: [good.verifierKey, ...audit.verifierKeys] });
    expect(verdict).toEqual({ verdict: "undecided", size: COUNT, reason: "checkpoint_bad_signature" });
  },
  "clock-back": async () => {
    const { audit, clock } = await filledLog(3);
    clock.set(0);
    await audit.logout({ actor: { type: "user", id: "ada" } });
    expect(await audit.verify()).toMatchObject({ verdict: "intact", clockSteps: 1 });
  },
};

describe("AUD-4 attacks on the trail", () => {
  it.each(Object.entries(ATTACKS))("%s", async (_id, attack) => attack());

  it("AUD-4 a tampered log is tampered whatever checkpoint is given", async () => {
    const { audit } = await tamperedWith((log) => replaceBytes(log, 7, (text) => text.replace("w7", "w8")));
    expect(await audit.verify({ expectedCheckpoint: "no note" })).toMatchObject({ verdict: "tampered", firstBad: 7 });
  });

  const list = vectorFolder("audit-tamper/attacks.json");
  if (list !== undefined) {
    it("are those of the shared list, but for pruning, stubs, files, re-serialising stores and erasure", () => {
      const { attacks } = JSON.parse(readFileSync(list, "utf8")) as { readonly attacks: readonly { readonly id: string }[] };
      const missing = attacks.map(({ id }) => id).filter((id) => !(id in ATTACKS));
      expect(missing).toEqual(["prune-beyond", "prune-unrecorded", "redact-stub-forge", "torn-last-line", "key-order", "crypto-shred"]);
    });
  }
});

/** The whole database as it was at an earlier size: consistent in itself, shorter than what was signed. */
async function expectRollback(size: number): Promise<void> {
  const { notes } = await filledLog(COUNT, [10, 20]);
  const { audit } = await filledLog(size, [10]);
  expect(await audit.verify()).toMatchObject({ verdict: "intact", tail: "not_provable" });
  expect(await audit.verify({ expectedCheckpoint: notes })).toMatchObject({ verdict: "tampered", reason: "truncated", firstBad: size });
}

function keyIdOf(verifierKey: string): string {
  return verifierKey.split("+")[1] ?? "";
}
