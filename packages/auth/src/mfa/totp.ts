// Time-based one-time passwords: RFC 6238 over RFC 4226, in the one shape that all authenticator apps know.

import { createHmac, timingSafeEqual } from "node:crypto";

/** Of a secret: as long as the hash (RFC 4226 §4, R6). */
export const TOTP_SECRET_BYTES = 20;
export const TOTP_DIGITS = 6;
export const TOTP_PERIOD_SECONDS = 30;
// One step for the network and one for clocks that differ (RFC 6238 §5.2); each more is one more code that a guess may hit.
const WINDOW_STEPS = 1;

/** The time step of an instant. @param nowMs Epoch ms. */
export function stepAt(nowMs: number): number {
  return Math.floor(nowMs / (TOTP_PERIOD_SECONDS * 1000));
}

/** The code of a step (RFC 4226 §5.3). @param digits At most 8. */
export function codeOfStep(secret: Uint8Array, step: number, digits: number = TOTP_DIGITS): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", secret).update(counter).digest();
  const offset = (mac[mac.length - 1] ?? 0) & 0xf;
  const number = mac.readUInt32BE(offset) & 0x7fff_ffff;
  return String(number % 10 ** digits).padStart(digits, "0");
}

/**
 * The step whose code this is, of those around now; `undefined` for a wrong code. All steps are computed, whichever matches.
 *
 * @param code Exactly six ASCII digits.
 * @returns of two steps with the same code the later one: were the earlier one noted as used, the code would pass once more.
 */
export function matchStep(secret: Uint8Array, code: string, nowMs: number): number | undefined {
  const now = stepAt(nowMs);
  const given = Buffer.from(code);
  let matched: number | undefined;
  for (let step = Math.max(0, now - WINDOW_STEPS); step <= now + WINDOW_STEPS; step += 1) {
    const expected = Buffer.from(codeOfStep(secret, step));
    if (given.length === expected.length && timingSafeEqual(given, expected)) matched = step;
  }
  return matched;
}
