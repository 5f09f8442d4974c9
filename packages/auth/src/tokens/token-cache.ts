import { SIGNATURE_CHARACTERS } from "../jwt/compact-jws.js";
import type { VerifiedEntry } from "./verified-token.js";

/**
 * Verified tokens by their whole text, a bounded number of them. The oldest gives way; whoever was asked for meanwhile is passed over
 * once. A hit changes one field: bringing lists into order would cost more than all the checks that follow.
 */
export class TokenCache {
  // By the signature, which is short to hash; an entry is taken only for the very text it was made for, so nothing collides.
  readonly #entries = new Map<string, VerifiedEntry>();

  constructor(private readonly maxEntries: number) {}

  get size(): number {
    return this.#entries.size;
  }

  get(token: string): VerifiedEntry | undefined {
    const entry = this.#entries.get(signatureOf(token));
    if (entry === undefined || entry.token !== token) return undefined;
    entry.isInUse = true;
    return entry;
  }

  add(entry: VerifiedEntry): void {
    if (this.maxEntries === 0) return;
    const key = signatureOf(entry.token);
    this.#entries.delete(key);
    if (this.#entries.size >= this.maxEntries) this.#makeRoom();
    this.#entries.set(key, entry);
  }

  delete(entry: VerifiedEntry): void {
    const key = signatureOf(entry.token);
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }

  // Ends: who is passed over is not in use the second time.
  #makeRoom(): void {
    for (const [key, entry] of this.#entries) {
      this.#entries.delete(key);
      if (!entry.isInUse) return;
      entry.isInUse = false;
      this.#entries.set(key, entry);
    }
  }
}

function signatureOf(token: string): string {
  return token.slice(-SIGNATURE_CHARACTERS);
}
