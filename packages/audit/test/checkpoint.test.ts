import { createMemoryStore, type Log, StoreUnavailable } from "@portcullis/core";
import {
  createSigner,
  generateSigningSeed,
  openCheckpoint,
  type Signer,
  verifyConsistency,
  verifyInclusion,
  leafHash,
} from "@portcullis/audit";
import { describe, expect, it } from "vitest";
import { openNote, signNote } from "../src/tree/signed-note.js";
import { ADA, auditOver, createEditableLog, filledLog, NAME, SEED } from "./fixture.js";

const signer = createSigner({ name: NAME, seed: SEED });
const keys = [signer.verifierKey];
const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return (error as { readonly code?: string }).code;
  }
};

describe("a signed note", () => {
  it("AUD-7 has the form of C2SP signed-note, under the key of RFC 8032's first test", async () => {
    const publicKey = Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex");
    expect(signer.verifierKey).toMatch(/^example\.com\/audit\+[0-9a-f]{8}\+/);
    expect(Buffer.from(signer.verifierKey.split("+").slice(2).join("+"), "base64")).toEqual(Buffer.concat([Buffer.of(1), publicKey]));
    const note = await signNote("one\n\nthree\n", [signer]);
    expect(note).toMatch(/^one\n\nthree\n\n\u2014 example\.com\/audit [A-Za-z0-9+/]+=*\n$/);
    expect(openNote(note, keys)).toEqual({ text: "one\n\nthree\n", signedBy: keys });
  });

  it("AUD-7 signatures by unknown keys are ignored; by none but those, it is untrusted", async () => {
    const stranger = createSigner({ name: NAME, seed: generateSigningSeed() });
    const note = await signNote("text\n", [stranger, signer]);
    expect(openNote(note, keys).signedBy).toEqual(keys);
    expect(codeOf(() => openNote(note, []))).toBe("untrusted_note");
    expect(codeOf(() => openNote(note, [createSigner({ name: "other", seed: SEED }).verifierKey]))).toBe("untrusted_note");
  });

  it("AUD-7 one bad signature by a known key refuses the note, beside good ones too", async () => {
    const other = createSigner({ name: "other", seed: generateSigningSeed() });
    const [mine, theirs] = [await signNote("text\n", [signer]), await signNote("else\n", [other])];
    const mixed = mine + theirs.slice(theirs.indexOf("\u2014"));
    expect(codeOf(() => openNote(mixed, [signer.verifierKey, other.verifierKey]))).toBe("bad_signature");
    expect(openNote(mixed, keys).signedBy).toEqual(keys);
    expect(codeOf(() => openNote(mine.replace("text", "test"), keys))).toBe("bad_signature");
  });

  it("AUD-7 what is not exactly a note is malformed", async () => {
    const note = await signNote("text\n", [signer]);
    const line = note.slice(note.indexOf("\u2014"));
    const wrong = [
      "",
      "text\n",
      "text\n\n",
      note.slice(0, -1),
      note.replace("text", "te\u0000xt"),
      note.replace("text", "te\rxt"),
      note.replace("text", "te\ud800xt"),
      note.replace("\u2014 ", "- "),
      note.replace(`\u2014 ${NAME}`, "\u2014 a+b"),
      `${note}${line.slice(0, -3)}\n`,
      `text\n\n${line.repeat(17)}`,
      `${"x".repeat(70_000)}${note}`,
      `text\n\n\u2014 ${NAME} AAAA\n`,
    ];
    for (const text of wrong)
      expect(
        codeOf(() => openNote(text, keys)),
        JSON.stringify(text.slice(0, 80)),
      ).toBe("malformed_note");
    expect(codeOf(() => openNote(7 as unknown as string, keys))).toBe("malformed_note"); // what a program without types can pass
    for (const key of ["", "name", `${signer.verifierKey}AAAA`, signer.verifierKey.replace("example", "another")])
      expect(codeOf(() => openNote(note, [key]))).toBe("invalid_option");
  });

  it("AUD-7 a good signature on a text that is no checkpoint is no checkpoint", async () => {
    const root = Buffer.alloc(32).toString("base64");
    for (const text of ["origin\n", "origin\n01\n" + root + "\n", "origin\n-1\n" + root + "\n", "origin\n1\nAAAA\n", `\n1\n${root}\n`]) {
      const note = await signNote(text, [signer]);
      expect(
        codeOf(() => openCheckpoint(note, keys)),
        text,
      ).toBe("malformed_note");
    }
    expect(openCheckpoint(await signNote(`origin\n7\n${root}\nfurther line\n`, [signer]), keys)).toMatchObject({
      origin: "origin",
      size: 7,
    });
  });

  it.each([
    { name: "two words" },
    { name: "a+b" },
    { name: "" },
    { seed: "" },
    { seed: "ab".repeat(31) },
    { seed: "ab".repeat(32) },
    { seed: "x".repeat(44) },
    { seed: Buffer.alloc(16) },
    { seed: undefined },
  ])("a signer is not made of %j", (wrong) => {
    const make = () => createSigner({ name: NAME, seed: SEED, ...wrong } as Parameters<typeof createSigner>[0]); // wrong on purpose
    expect(make).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });

  it("hex, base64, base64url and bytes of a seed are one key, and none of it is in the signer", () => {
    const bytes = Buffer.from(SEED, "hex");
    const same = [SEED, bytes.toString("base64"), bytes.toString("base64url"), new Uint8Array(bytes)].map(
      (seed) => createSigner({ name: NAME, seed }).verifierKey,
    );
    expect(new Set(same)).toEqual(new Set(keys));
    expect(JSON.stringify(signer)).not.toContain(bytes.toString("base64").slice(0, 10));
  });
});

describe("checkpoint", () => {
  it("states origin, size and root; of an unchanged log the same again", async () => {
    const { audit } = await filledLog(7);
    const checkpoint = await audit.checkpoint();
    expect(checkpoint.note.startsWith(`${NAME}\n7\n${(await audit.head()).root}\n\n\u2014 ${NAME} `)).toBe(true);
    expect(openCheckpoint(checkpoint.note, audit.verifierKeys)).toMatchObject({ origin: NAME, size: 7 });
    expect(await audit.checkpoint()).toEqual(checkpoint);
    expect((await auditOver(createEditableLog()).checkpoint()).size).toBe(0);
  });

  it("needs a signer", async () => {
    await expect(auditOver(createEditableLog(), { signer: [] }).checkpoint()).rejects.toMatchObject({ code: "no_signer" });
  });

  it("AUD-8 a hundred at once, while the log grows, from two processes: one for each size, each beginning with the one before", async () => {
    const { log } = createMemoryStore();
    const [one, two] = [auditOver(log), auditOver(log)];
    const made = await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        await (n % 2 === 0 ? one : two).logout({ actor: ADA });
        return (n % 3 === 0 ? one : two).checkpoint();
      }),
    );
    const roots = new Map(made.map(({ size, root }) => [size, root]));
    for (const { size, root } of made) expect(roots.get(size)).toBe(root);
    const sizes = [...roots.keys()].sort((a, b) => a - b);
    for (const [index, size] of sizes.slice(1).entries()) {
      const proof = await one.proveConsistency(sizes[index] ?? 0, size);
      expect(proof).toMatchObject({ fromRoot: roots.get(sizes[index] ?? 0), toRoot: roots.get(size) });
    }
    expect(await one.verify({ expectedCheckpoint: made.map(({ note }) => note) })).toMatchObject({ verdict: "intact", tail: "proven" });
  });

  it("AUD-8 is stored before it is handed out: when that fails, nothing was published, and the next one does not contradict it", async () => {
    const editable = createEditableLog();
    let isDead = false;
    const log: Log = {
      ...editable,
      append: async (name, build) =>
        isDead && name.endsWith("#checkpoints") ? Promise.reject(new StoreUnavailable("log.append")) : editable.append(name, build),
    };
    const signed: string[] = [];
    const spying: Signer = { ...signer, sign: (message) => (signed.push(Buffer.from(message).toString()), signer.sign(message)) };
    const audit = auditOver(log, { signer: spying });
    for (let crash = 0; crash < 100; crash += 1) {
      await audit.logout({ actor: ADA });
      isDead = true;
      await expect(audit.checkpoint()).rejects.toBeInstanceOf(StoreUnavailable);
      isDead = false;
      if (crash % 3 === 0) await audit.checkpoint();
    }
    const bySize = new Map<string, string>();
    for (const text of signed) {
      const [, size = "", root = ""] = text.split("\n");
      expect(bySize.get(size) ?? root).toBe(root);
      bySize.set(size, root);
    }
  });

  it("AUD-8 refuses to sign a log that contradicts what was signed: rolled back, cut, or rewritten", async () => {
    const shorter = await filledLog(5);
    const { log } = await filledLog(9, [8]);
    const checkpoints = log.books.get(`${NAME}#checkpoints`);
    const rolledBack: Log = {
      ...shorter.log,
      head: async (name) => (name === NAME ? shorter.log.head(name) : { size: 1, frontier: new Uint8Array() }),
      read: async (name, from, limit) => (name === NAME ? shorter.log.read(name, from, limit) : (checkpoints?.entries ?? [])),
    };
    await expect(auditOver(rolledBack).checkpoint()).rejects.toMatchObject({ code: "inconsistent_checkpoint" });

    const missing = await filledLog(9, [4]);
    missing.book.entries.splice(6, 1);
    await expect(missing.audit.checkpoint()).rejects.toMatchObject({ code: "inconsistent_checkpoint" });

    const changed = await filledLog(9, [4]);
    changed.book.entries = changed.book.entries.map((entry) => (entry.index === 6 ? { ...entry, bytes: Buffer.from("{}") } : entry));
    await expect(changed.audit.checkpoint()).rejects.toMatchObject({ code: "inconsistent_checkpoint" });
  });

  it("AUD-9 while the key is replaced both sign, and the old one still opens old checkpoints", async () => {
    const { log, notes } = await filledLog(3, [3]);
    const next = createSigner({ name: NAME, seed: generateSigningSeed() });
    const both = auditOver(log, { signer: [signer, next] });
    await both.logout({ actor: ADA });
    const { note } = await both.checkpoint();
    for (const key of [signer.verifierKey, next.verifierKey]) expect(openCheckpoint(note, [key]).size).toBe(4);
    const alone = auditOver(log, { signer: next });
    expect(await alone.verify({ expectedCheckpoint: notes, verifierKeys: [signer.verifierKey] })).toMatchObject({
      verdict: "intact",
      provenSize: 3,
    });
    // What the old key signed is no evidence for who trusts the new one only, but no false alarm either.
    expect(await alone.verify()).toMatchObject({ verdict: "intact" });
  });

  it("a signer that gives a wrong signature does not get it published", async () => {
    const { log } = await filledLog(1);
    const broken = auditOver(log, { signer: { ...signer, sign: () => Buffer.alloc(64) } });
    await expect(broken.checkpoint()).rejects.toMatchObject({ code: "bad_signature" });
  });
});

describe("proofs", () => {
  it("AUD-1 of inclusion and consistency verify against the log's root", async () => {
    const { audit } = await filledLog(13);
    const bytes = (base64: string): Buffer => Buffer.from(base64, "base64");
    for (let index = 0; index < 13; index += 1) {
      const proof = await audit.proveInclusion(index);
      expect(proof.root).toBe((await audit.head()).root);
      expect(leafHash(Buffer.from(proof.entry)).toString("base64")).toBe(proof.leafHash);
      expect(
        verifyInclusion({
          index,
          size: proof.treeSize,
          leafHash: bytes(proof.leafHash),
          root: bytes(proof.root),
          proof: proof.hashes.map(bytes),
        }),
      ).toBe(true);
    }
    for (let size = 0; size <= 13; size += 1) {
      const { fromRoot, toRoot, hashes } = await audit.proveConsistency(size);
      expect(verifyConsistency({ size1: size, size2: 13, root1: bytes(fromRoot), root2: bytes(toRoot), proof: hashes.map(bytes) })).toBe(
        true,
      );
    }
    expect((await audit.proveInclusion(2, 5)).treeSize).toBe(5);
  });

  it("are refused for what is not there, and of a log that was tampered with", async () => {
    const { audit, book } = await filledLog(5);
    for (const [index, size] of [[5], [-1], [0.5], [0, 6], [4, 4], [0, -1]] as const)
      await expect(audit.proveInclusion(index, size)).rejects.toMatchObject({ code: "out_of_range" });
    for (const [from, to] of [[6], [-1], [3, 2], [1, 9]] as const)
      await expect(audit.proveConsistency(from, to)).rejects.toMatchObject({ code: "out_of_range" });
    book.entries = book.entries.map((entry) => (entry.index === 3 ? { ...entry, bytes: Buffer.from("{}") } : entry));
    await expect(audit.proveInclusion(0)).rejects.toMatchObject({ code: "log_corrupt" });
    book.entries.splice(1, 1);
    await expect(audit.proveInclusion(0)).rejects.toMatchObject({ code: "log_corrupt" });
  });
});
