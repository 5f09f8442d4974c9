import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { createSecretRing } from "../src/jwt/secret-ring.js";
import { passwordSignature } from "../src/tokens/password-signature.js";
import { OLD_SECRET, SECRET } from "./auth-fixture.js";

const expected = (secret: string, subject: string, version: number): string =>
  createHmac("sha256", secret).update(`pwd_sig\0${subject}\0${version}`).digest("base64url").slice(0, 22);

describe("pwd_sig", () => {
  const ring = createSecretRing("secrets", [SECRET, OLD_SECRET]);
  const [first, second] = [ring.current, ring.all[1] ?? ring.current];

  it("is the keyed hash of subject and version under each secret, remembered or not", () => {
    for (const subject of ["ada", "a", "", "é", "\u{1F600}", "x".repeat(128), "é".repeat(128), "ada\0", "x".repeat(600)]) {
      for (const version of [1, 2, 1, 1, 2 ** 53 - 1, 2]) {
        expect(passwordSignature(first, subject, version)).toBe(expected(SECRET, subject, version));
        expect(passwordSignature(second, subject, version)).toBe(expected(OLD_SECRET, subject, version));
      }
    }
  });

  it("stays right for more subjects than are remembered", () => {
    for (const round of [1, 2]) {
      for (let index = 0; index < 10_500; index += 1) passwordSignature(first, `user-${index}`, round);
      for (const index of [0, 1, 499, 500, 10_499]) {
        expect(passwordSignature(first, `user-${index}`, round)).toBe(expected(SECRET, `user-${index}`, round));
      }
    }
  });
});
