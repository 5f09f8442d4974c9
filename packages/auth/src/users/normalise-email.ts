/**
 * The one spelling of an e-mail address that is stored and compared: NFKC, lower case, no white space around it.
 *
 * Normalise first, then validate, then compare: full-width letters and the Kelvin sign become plain letters here, so that
 * an address which only looks different is not a second account.
 *
 * @returns `undefined` when it is no address: more than 254 bytes (RFC 5321 §4.5.3.1.3), no single `@`, white space or
 *   control characters inside.
 * @example
 * ```ts
 * import { normaliseEmail } from "@portcullis/auth";
 *
 * console.log(normaliseEmail(" Ada@Example.COM ")); // ada@example.com
 * console.log(normaliseEmail("not an address")); // undefined
 * ```
 */
export function normaliseEmail(email: string): string | undefined {
  if (email.length > MAX_INPUT_CHARACTERS) return undefined;
  // Lower-casing can leave a composed form that NFKC changes again: normalising after it makes the result stable.
  const normal = email.normalize("NFKC").toLowerCase().normalize("NFKC").trim();
  return Buffer.byteLength(normal) <= MAX_BYTES && ADDRESS.test(normal) ? normal : undefined;
}

const MAX_INPUT_CHARACTERS = 512;
const MAX_BYTES = 254;
// Deliverability is proven by a delivered letter, not by a pattern; this keeps out what cannot be an address at all.
const ADDRESS = /^[^\s@\p{C}]+@[^\s@\p{C}]+$/u;
