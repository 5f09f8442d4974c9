import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { leafHash, nodeHash, verifyConsistency, verifyInclusion } from "@portcullis/audit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emptyRoot, MerkleFrontier } from "../src/tree/merkle.js";
import { alignedSubtrees, consistencyRanges, inclusionRanges, type LeafRange, RangeHashes } from "../src/tree/proof-ranges.js";
import { vectorFolder } from "./vector-folder.js";

const leaves = Array.from({ length: 70 }, (_, index) => leafHash(Buffer.from(`entry ${index}`)));

/** RFC 6962 §2.1 as it is written: recursive, and over all leaves at once. */
function rootByDefinition(hashes: readonly Uint8Array[]): Uint8Array {
  const [only] = hashes;
  if (only === undefined) return emptyRoot();
  if (hashes.length === 1) return only;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return nodeHash(rootByDefinition(hashes.slice(0, split)), rootByDefinition(hashes.slice(split)));
}

function hashesOf(ranges: readonly LeafRange[]): readonly Buffer[] {
  const hashes = new RangeHashes(ranges);
  leaves.forEach((leaf, index) => hashes.push(index, leaf));
  return hashes.hashes();
}

describe("the tree", () => {
  it("AUD-1 has the root that RFC 6962 defines, at every size, also after its frontier was stored", () => {
    let frontier = new MerkleFrontier();
    for (let size = 0; size <= leaves.length; size += 1) {
      expect(frontier.root()).toEqual(Buffer.from(rootByDefinition(leaves.slice(0, size))));
      expect(frontier.size).toBe(size);
      frontier = MerkleFrontier.fromBytes(frontier.toBytes(), size) ?? new MerkleFrontier();
      const leaf = leaves[size];
      if (leaf !== undefined) frontier.push(leaf);
    }
  });

  it("AUD-1 a frontier of another length than its size needs is none", () => {
    expect(MerkleFrontier.fromBytes(Buffer.alloc(32), 3)).toBeUndefined();
    expect(MerkleFrontier.fromBytes(Buffer.alloc(96), 3)).toBeUndefined();
    expect(MerkleFrontier.fromBytes(Buffer.alloc(64), 3)?.size).toBe(3);
    expect(() => new MerkleFrontier().push(Buffer.alloc(31))).toThrow(RangeError);
    expect(() => new MerkleFrontier().pushSubtree(Buffer.alloc(32), 3)).toThrow(RangeError);
  });

  it("AUD-1 proves each leaf in each tree, and no other leaf, place, size or root", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: leaves.length }), fc.nat(), (size, seed) => {
        const index = seed % size;
        const root = rootByDefinition(leaves.slice(0, size));
        const claim = { index, size, leafHash: leaves[index] ?? root, root, proof: hashesOf(inclusionRanges(index, size)) };
        expect(verifyInclusion(claim)).toBe(true);
        expect(verifyInclusion({ ...claim, leafHash: emptyRoot() })).toBe(false);
        expect(verifyInclusion({ ...claim, root: emptyRoot() })).toBe(false);
        expect(verifyInclusion({ ...claim, proof: [...claim.proof, root] })).toBe(false);
        expect(verifyInclusion({ ...claim, proof: claim.proof.map((hash) => hash.subarray(1)) })).toBe(size === 1);
        expect(verifyInclusion({ ...claim, index: size })).toBe(false);
        expect(verifyInclusion({ ...claim, index: -1 })).toBe(false);
        if (size > 1) expect(verifyInclusion({ ...claim, proof: claim.proof.slice(1) })).toBe(false);
      }),
    );
  });

  it("AUD-1 proves that each tree begins with each smaller one", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: leaves.length }), fc.nat(), (size2, seed) => {
        const size1 = seed % (size2 + 1);
        const [root1, root2] = [rootByDefinition(leaves.slice(0, size1)), rootByDefinition(leaves.slice(0, size2))];
        const claim = { size1, size2, root1, root2, proof: hashesOf(consistencyRanges(size1, size2)) };
        expect(verifyConsistency(claim)).toBe(true);
        expect(verifyConsistency({ ...claim, root1: Buffer.alloc(32) })).toBe(false);
        expect(verifyConsistency({ ...claim, proof: [...claim.proof, root1] })).toBe(false);
        if (size1 !== size2) expect(verifyConsistency({ ...claim, size1: size2, size2: size1 })).toBe(false);
        if (size1 > 0) expect(verifyConsistency({ ...claim, root2: Buffer.alloc(32) })).toBe(false);
      }),
    );
  });

  it("a tree built of subtrees is the tree built of leaves", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 69 }), { maxLength: 8 }), (cuts) => {
        const frontier = new MerkleFrontier();
        const edges = [0, ...cuts.sort((a, b) => a - b), leaves.length];
        for (const [index, to] of edges.slice(1).entries()) {
          const subtrees = alignedSubtrees({ from: edges[index] ?? 0, to });
          hashesOf(subtrees).forEach((hash, at) => frontier.pushSubtree(hash, (subtrees[at]?.to ?? 0) - (subtrees[at]?.from ?? 0)));
        }
        expect(frontier.root()).toEqual(Buffer.from(rootByDefinition(leaves)));
      }),
    );
  });

  it("AUD-1 sizes up to 2^64 - 1 are exact", () => {
    const size = 2n ** 64n - 1n;
    const proof = Array.from({ length: 64 }, () => emptyRoot());
    const claim = { index: 0n, size, leafHash: emptyRoot(), root: proof.reduce((hash) => nodeHash(hash, emptyRoot()), emptyRoot()), proof };
    expect(verifyInclusion(claim)).toBe(true);
    expect(verifyInclusion({ ...claim, index: size })).toBe(false);
  });
});

const folder = vectorFolder("merkle-rfc6962");
if (folder !== undefined) {
  const { leafInputsHex, rootsBySize, emptyLeaf, leaf_L123456, node_N123_N456 } = read<{
    readonly leafInputsHex: readonly string[];
    readonly rootsBySize: readonly string[];
    readonly emptyLeaf: string;
    readonly leaf_L123456: string;
    readonly node_N123_N456: string;
  }>(join(folder, "roots.json"));

  describe("AUD-1 the vectors of transparency-dev/merkle", () => {
    it("leaf and node hashes", () => {
      expect(leafHash(Buffer.alloc(0)).toString("hex")).toBe(emptyLeaf);
      expect(leafHash(Buffer.from("L123456")).toString("hex")).toBe(leaf_L123456);
      expect(nodeHash(Buffer.from("N123"), Buffer.from("N456")).toString("hex")).toBe(node_N123_N456);
    });

    it("roots of sizes 0 to 8", () => {
      const frontier = new MerkleFrontier();
      rootsBySize.forEach((root, size) => {
        expect(frontier.root().toString("hex")).toBe(root);
        frontier.push(leafHash(Buffer.from(leafInputsHex[size] ?? "", "hex")));
      });
    });

    it.each(casesIn(join(folder, "testdata/inclusion")))("inclusion $name", ({ file }) => {
      const { leafIdx, treeSize, root, leafHash: leaf, proof, wantErr } = read<Case>(file);
      const claim = { index: leafIdx, size: treeSize, root: hash(root), leafHash: hash(leaf), proof: (proof ?? []).map(hash) };
      expect(verifyInclusion(claim)).toBe(!wantErr);
    });

    it.each(casesIn(join(folder, "testdata/consistency")))("consistency $name", ({ file }) => {
      const { size1, size2, root1, root2, proof, wantErr } = read<Case>(file);
      const claim = { size1, size2, root1: hash(root1), root2: hash(root2), proof: (proof ?? []).map(hash) };
      // One good case has roots of 12 bytes; here a hash has 32, whatever the sizes.
      const isPossible = claim.root1.length === 32 && claim.root2.length === 32;
      expect(verifyConsistency(claim)).toBe(!wantErr && isPossible);
    });
  });
}

type Sizes = Readonly<Record<"leafIdx" | "treeSize" | "size1" | "size2", bigint>>;
type Hashes = Readonly<Record<"root" | "leafHash" | "root1" | "root2", string | null>>;
type Case = Sizes & Hashes & { readonly proof: readonly (string | null)[] | null; readonly wantErr: boolean };

function casesIn(path: string): readonly { readonly name: string; readonly file: string }[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".json"))
    .map((name) => ({ name, file: join(path, name) }));
}

function hash(base64: string | null): Buffer {
  return Buffer.from(base64 ?? "", "base64");
}

// Sizes go up to 2^64 - 1, which JSON.parse rounds: they are read as text.
function read<T>(file: string): T {
  const text = readFileSync(file, "utf8").replaceAll(/"(leafIdx|treeSize|size1|size2)":\s*(\d+)/g, '"$1":"$2"');
  return JSON.parse(text, (name, value: unknown) =>
    ["leafIdx", "treeSize", "size1", "size2"].includes(name) ? BigInt(String(value)) : value,
  ) as T; // data of the vectors
}
