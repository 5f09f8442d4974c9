import { createHash } from "node:crypto";

/**
 * A string as part of a key: short plain ones as they are, all others as a digest. Injective (a digest starts with `#`, which no plain one contains),
 * of bounded length, and without braces, so that nobody chooses the slot of a key or breaks out of its hash tag.
 */
export function keyPart(text: string): string {
  if (/^[A-Za-z0-9_.:@/+=-]{1,64}$/.test(text)) return text;
  // UTF-16, because UTF-8 has one replacement for all lone surrogates.
  return `#${createHash("sha256").update(text, "utf16le").digest("base64url")}`;
}

/** The key of a thing. All keys of one script carry the same `{tag}`: Cluster keeps them in one slot. */
export function keyOf(prefix: string, kind: string, id: string): string {
  return `${prefix}${kind}:{${keyPart(id)}}`;
}
