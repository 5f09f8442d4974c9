import { createHmac, timingSafeEqual } from "node:crypto";
import type { SecretRing } from "../jwt/secret-ring.js";

/**
 * Tokens by which a device is known again, so that strangers who guess at an account do not lock out those who have logged in to it
 * before (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). They prove no password and open nothing.
 *
 * Bound to the address, and to the password's version: after a change of password, what somebody collected before is worthless.
 */
export interface DeviceTokens {
  issue(email: string, passwordVersion: number): string;
  /** @returns the device's id; `undefined` where the token is not ours, of another account, or expired. */
  read(token: string, email: string, passwordVersion: number): string | undefined;
}

const ID_BYTES = 12;
// Id, expiry in seconds, HMAC-SHA-256.
const FORM = /^([A-Za-z0-9_-]{16})\.([1-9]\d{0,11})\.([A-Za-z0-9_-]{43})$/;

/** @param ttlMs Whole seconds of it count. @param now Epoch ms. */
export function createDeviceTokens(
  secrets: SecretRing,
  ttlMs: number,
  random: (bytes: number) => Uint8Array,
  now: () => number,
): DeviceTokens {
  const macOf = (secret: SecretRing["current"], parts: readonly (string | number)[]): Buffer =>
    createHmac("sha256", secret.key)
      .update(["known device", ...parts].join("\0"))
      .digest();

  return Object.freeze({
    issue(email: string, passwordVersion: number): string {
      const id = Buffer.from(random(ID_BYTES)).toString("base64url");
      const expiry = Math.floor((now() + ttlMs) / 1000);
      return `${id}.${expiry}.${macOf(secrets.current, [id, expiry, passwordVersion, email]).toString("base64url")}`;
    },
    read(token: string, email: string, passwordVersion: number): string | undefined {
      const [, id = "", expiry = "", mac = ""] = FORM.exec(token) ?? [];
      const sent = Buffer.from(mac, "base64url");
      // All of them, whichever fits: the time says nothing.
      const fits = secrets.all.map((secret) => {
        const expected = macOf(secret, [id, expiry, passwordVersion, email]);
        return sent.length === expected.length && timingSafeEqual(sent, expected);
      });
      return fits.includes(true) && now() < Number(expiry) * 1000 ? id : undefined;
    },
  });
}
