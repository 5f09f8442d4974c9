import { createDecipheriv } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createKeyring } from "@portcullis/encryption";
import { describe, expect, it } from "vitest";
import { bytesOf, codeOf, encryptionWith, envelopeOf, KEY_1, KEY_2, PLACE } from "./fixture.js";
import { vectorFolder } from "./vector-folder.js";

interface Collision {
  readonly key1: string;
  readonly key2: string;
  readonly nonce: string;
  readonly aad: string;
  readonly ciphertext: string;
  readonly tag: string;
}

describe("ENC-10 an envelope that names no key", () => {
  const ring12 = encryptionWith({ keys: `${KEY_1},${KEY_2}` });
  const ring21 = encryptionWith({ keys: `${KEY_2},${KEY_1}` });

  it("opens under the one key of the ring that its commitment names, whatever the order", () => {
    const { envelope } = readUnnamed();
    for (const encryption of [ring12, ring21]) expect(encryption.decrypt(envelope, PLACE)).toBe("unnamed");
    expect(ring12.needsReencryption(envelope)).toBe(true);
  });

  it("is refused when no key made it", () => {
    const bytes = bytesOf(readUnnamed().envelope).fill(1, 38, 70);
    expect(codeOf(() => ring12.decrypt(envelopeOf(bytes), PLACE))).toBe("auth_failed");
  });

  it("cannot be made from a named one by clearing the id", () => {
    const bytes = bytesOf(ring12.encrypt("x", PLACE)).fill(0, 2, 10);
    expect(codeOf(() => ring12.decrypt(envelopeOf(bytes), PLACE))).toBe("auth_failed");
  });
});

const file = vectorFolder("key-commitment/aes256gcm_two_key_collisions.json");
if (file !== undefined && existsSync(file)) {
  const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { readonly vectors: readonly Collision[] };
  describe("ENC-11 ciphertexts that bare AES-GCM opens under two keys", () => {
    it.each(vectors)("collision %#: refused under both, in both orders, whichever key is named", (collision) => {
      const { key1, key2 } = collision;
      const bare = [key1, key2].map((key) => openBare(key, collision));
      expect(bare[0]).not.toEqual(bare[1]);
      for (const keys of [`${key1},${key2}`, `${key2},${key1}`]) {
        const encryption = encryptionWith({ keys });
        for (const id of [createKeyring({ keys: key1 }).activeKeyId(), createKeyring({ keys: key2 }).activeKeyId(), "00".repeat(8)]) {
          const header = Buffer.concat([
            Buffer.of(1, 1),
            Buffer.from(id, "hex"),
            Buffer.alloc(16),
            Buffer.from(collision.nonce, "hex"),
            Buffer.alloc(32),
          ]);
          const envelope = Buffer.concat([header, Buffer.from(collision.ciphertext, "hex"), Buffer.from(collision.tag, "hex")]);
          expect(codeOf(() => encryption.decrypt(envelopeOf(envelope), PLACE))).toBe("auth_failed");
        }
      }
    });
  });
}

function openBare(key: string, { nonce, aad, ciphertext, tag }: Collision): string {
  const decipher = createDecipheriv("aes-256-gcm", Buffer.from(key, "hex"), Buffer.from(nonce, "hex"), { authTagLength: 16 });
  decipher.setAAD(Buffer.from(aad, "hex")).setAuthTag(Buffer.from(tag, "hex"));
  return decipher.update(ciphertext, "hex", "hex") + decipher.final("hex");
}

// Made by make-unnamed.ts from the specification: the package itself always names its key.
function readUnnamed(): { readonly envelope: string } {
  const path = fileURLToPath(new URL("vectors/unnamed-key.json", import.meta.url));
  return JSON.parse(readFileSync(path, "utf8")) as { readonly envelope: string };
}
