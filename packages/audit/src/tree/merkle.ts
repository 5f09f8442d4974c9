import { createHash } from "node:crypto";

/** Bytes of a hash. */
export const HASH_BYTES = 32;

const LEAF = Buffer.of(0x00);
const NODE = Buffer.of(0x01);

/** Hash of an entry: SHA-256(0x00 ‖ bytes). @see RFC 6962 §2.1 */
export function leafHash(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(LEAF).update(bytes).digest();
}

/** Hash of two subtrees: SHA-256(0x01 ‖ left ‖ right). The first byte keeps a node from passing for an entry. @see RFC 6962 §2.1 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash("sha256").update(NODE).update(left).update(right).digest();
}

/** Root of the tree without entries: SHA-256 of nothing. @see RFC 6962 §2.1 */
export function emptyRoot(): Buffer {
  return createHash("sha256").digest();
}

interface Peak {
  readonly hash: Uint8Array;
  /** How many leaves it stands for; a power of two. */
  readonly leaves: number;
}

/** The right edge of a tree: the roots of its largest complete subtrees, from which it grows and its root follows. 32 bytes for each bit of its size. */
export class MerkleFrontier {
  readonly #peaks: Peak[] = [];
  #size = 0;

  /** How many leaves there are. */
  get size(): number {
    return this.#size;
  }

  /** Adds the hash of the next entry. */
  push(leaf: Uint8Array): void {
    this.pushSubtree(leaf, 1);
  }

  /**
   * Adds the root of a complete subtree.
   *
   * @param leaves A power of two that divides the size.
   * @throws {RangeError} It cannot stand here.
   */
  pushSubtree(hash: Uint8Array, leaves: number): void {
    if (hash.length !== HASH_BYTES) throw new RangeError("A hash has 32 bytes.");
    if (!(leaves >= 1) || !Number.isInteger(Math.log2(leaves)) || this.#size % leaves !== 0) {
      throw new RangeError(`A subtree of ${leaves} leaves cannot stand at ${this.#size}.`);
    }
    let peak: Peak = { hash, leaves };
    for (let last = this.#peaks.at(-1); last?.leaves === peak.leaves; last = this.#peaks.at(-1)) {
      this.#peaks.pop();
      peak = { hash: nodeHash(last.hash, peak.hash), leaves: peak.leaves * 2 };
    }
    this.#peaks.push(peak);
    this.#size += leaves;
  }

  root(): Buffer {
    const last = this.#peaks.at(-1);
    if (last === undefined) return emptyRoot();
    let root: Buffer = Buffer.from(last.hash);
    for (let index = this.#peaks.length - 2; index >= 0; index -= 1) root = nodeHash((this.#peaks[index] as Peak).hash, root); // 0 <= index < length
    return root;
  }

  /** The peaks from left to right, each with the leaves it stands for. */
  peaks(): readonly { readonly hash: Uint8Array; readonly from: number; readonly to: number }[] {
    let from = 0;
    return this.#peaks.map(({ hash, leaves }) => ({ hash, from, to: (from += leaves) }));
  }

  toBytes(): Buffer {
    return Buffer.concat(this.#peaks.map(({ hash }) => hash));
  }

  /** The frontier of a tree of that size; `undefined` where the bytes cannot be one. */
  static fromBytes(bytes: Uint8Array, size: number): MerkleFrontier | undefined {
    const frontier = new MerkleFrontier();
    let at = 0;
    for (let leaves = 2 ** 52, left = size; leaves >= 1; leaves /= 2) {
      if (left < leaves) continue;
      if (at + HASH_BYTES > bytes.length) return undefined;
      frontier.#peaks.push({ hash: Buffer.from(bytes.subarray(at, at + HASH_BYTES)), leaves });
      at += HASH_BYTES;
      left -= leaves;
    }
    frontier.#size = size;
    return at === bytes.length ? frontier : undefined;
  }
}

/** What an inclusion proof claims: the leaf stands at `index` in the tree of `size` leaves with this root. */
export interface InclusionClaim {
  readonly index: number | bigint;
  readonly size: number | bigint;
  readonly leafHash: Uint8Array;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/** Whether an inclusion proof holds. Sizes up to 2^64 - 1. @see RFC 9162 §2.1.3.2 */
export function verifyInclusion(claim: InclusionClaim): boolean {
  const { proof, root, leafHash: leaf } = claim;
  let position = BigInt(claim.index);
  let last = BigInt(claim.size) - 1n;
  if (position < 0n || position > last || !areHashes([leaf, root, ...proof])) return false;
  let hash: Uint8Array = leaf;
  for (const sibling of proof) {
    if (last === 0n) return false;
    if (isOdd(position) || position === last) {
      hash = nodeHash(sibling, hash);
      // A node without a right sibling has moved up unchanged until now.
      while (!isOdd(position) && position !== 0n) {
        position >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    position >>= 1n;
    last >>= 1n;
  }
  return last === 0n && Buffer.compare(hash, root) === 0;
}

/** What a consistency proof claims: the tree of `size2` begins with the tree of `size1`. */
export interface ConsistencyClaim {
  readonly size1: number | bigint;
  readonly size2: number | bigint;
  readonly root1: Uint8Array;
  readonly root2: Uint8Array;
  readonly proof: readonly Uint8Array[];
}

/**
 * Whether a consistency proof holds. Every tree begins with the empty one: from size 0 the proof is empty and the first root the
 * empty tree's, or the claim is refused.
 *
 * @see RFC 9162 §2.1.4.2
 */
export function verifyConsistency(claim: ConsistencyClaim): boolean {
  const { root1, root2, proof } = claim;
  const [size1, size2] = [BigInt(claim.size1), BigInt(claim.size2)];
  if (size1 < 0n || size1 > size2 || !areHashes([root1, root2, ...proof])) return false;
  if (size1 === 0n && Buffer.compare(root1, emptyRoot()) !== 0) return false;
  if (size1 === size2) return proof.length === 0 && Buffer.compare(root1, root2) === 0;
  if (size1 === 0n) return proof.length === 0;
  // A complete first tree is a node of the second: its root is left out of the proof.
  const isComplete = (size1 & (size1 - 1n)) === 0n;
  const [first, ...rest] = isComplete ? [root1, ...proof] : proof;
  if (first === undefined) return false;
  let position = size1 - 1n;
  let last = size2 - 1n;
  while (isOdd(position)) {
    position >>= 1n;
    last >>= 1n;
  }
  let [hash1, hash2]: [Uint8Array, Uint8Array] = [first, first];
  for (const sibling of rest) {
    if (last === 0n) return false;
    if (isOdd(position) || position === last) {
      hash1 = nodeHash(sibling, hash1);
      hash2 = nodeHash(sibling, hash2);
      while (!isOdd(position) && position !== 0n) {
        position >>= 1n;
        last >>= 1n;
      }
    } else {
      hash2 = nodeHash(hash2, sibling);
    }
    position >>= 1n;
    last >>= 1n;
  }
  return last === 0n && Buffer.compare(hash1, root1) === 0 && Buffer.compare(hash2, root2) === 0;
}

function isOdd(value: bigint): boolean {
  return (value & 1n) === 1n;
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.every((hash) => hash.length === HASH_BYTES);
}
