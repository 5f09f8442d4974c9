import { createEncryption, createKeyring, EncryptionError, type EncryptionOptions } from "@portcullis/encryption";

// Fixed, so that a failure is the same every time. Test data, like every key here.
export const KEY_1 = "7f3a9c0d51e8b6427f10c3d2a4985e6b0c1d2e3f405162738495a6b7c8d9eafb";
export const KEY_2 = "b16b00b5c0ffee00112233445566778899aabbccddeeff000102030405060708";

export const PLACE = Object.freeze({ tenant: "acme", table: "users", recordId: "u1" });

export function encryptionWith(options: Partial<EncryptionOptions> & { readonly keys?: string } = {}) {
  const { keys = KEY_1, ...rest } = options;
  return createEncryption({ keyring: createKeyring({ keys }), policy: "strict", namespace: "shop", ...rest });
}

/** The code of the EncryptionError that `run` throws; anything else is returned as text, to fail the comparison readably. */
export function codeOf(run: () => unknown): string {
  try {
    return `returned ${typeof run()}`;
  } catch (error) {
    return error instanceof EncryptionError ? error.code : `threw ${String(error)}`;
  }
}

export function bytesOf(envelope: string): Buffer {
  return Buffer.from(envelope.slice("enc:v1:".length), "base64url");
}

export function envelopeOf(bytes: Uint8Array): string {
  return `enc:v1:${Buffer.from(bytes).toString("base64url")}`;
}
