import { createHmac, randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadSigningKeys, type SigningKeys } from "@portcullis/auth";
import { z } from "zod";
import type { Config } from "./config.js";

/** The secrets the server runs with. */
export interface Secrets {
  readonly jwtSecrets: string;
  readonly encryptionKeys: string;
  readonly apiKeyPeppers: string;
  /** 32 bytes, base64: the seed of the Ed25519 key that signs audit checkpoints. */
  readonly auditSigningKey: string;
  /** Seal what authenticators and we have in common. */
  readonly mfaKeys: string;
  /** Signs access tokens where there is one; else `jwtSecrets` do. */
  readonly signing?: SigningKeys;
  /** Whether any of them was made up here, for development. */
  readonly generated: boolean;
}

const FILE = "development-secrets.json";
const fileSchema = z.object({
  jwtSecrets: z.string(),
  encryptionKeys: z.string(),
  apiKeyPeppers: z.string(),
  auditSigningKey: z.string(),
  // Files of before there were second factors have none.
  mfaKeys: z.string().optional(),
});

/**
 * The configured secrets; in development the missing ones are generated and kept beside the data, so that restarts keep
 * sessions and encrypted fields readable. Production never gets here with one missing: the configuration refuses to parse.
 */
export async function loadSecrets(config: Config): Promise<Secrets> {
  const { jwtSecrets, encryptionKeys, apiKeyPeppers, auditSigningKey, mfaKeys, authSigningKey } = config;
  const signing = authSigningKey === undefined ? {} : { signing: await loadSigningKeys(authSigningKey) };
  if (
    jwtSecrets !== undefined &&
    encryptionKeys !== undefined &&
    apiKeyPeppers !== undefined &&
    auditSigningKey !== undefined &&
    mfaKeys !== undefined
  ) {
    return { jwtSecrets, encryptionKeys, apiKeyPeppers, auditSigningKey, mfaKeys, ...signing, generated: false };
  }
  const kept = await keptSecrets(config.dataDirectory);
  return {
    jwtSecrets: jwtSecrets ?? kept.jwtSecrets,
    encryptionKeys: encryptionKeys ?? kept.encryptionKeys,
    apiKeyPeppers: apiKeyPeppers ?? kept.apiKeyPeppers,
    auditSigningKey: auditSigningKey ?? kept.auditSigningKey,
    mfaKeys: mfaKeys ?? kept.mfaKeys ?? createHmac("sha256", kept.jwtSecrets).update("second factors").digest("base64url"),
    ...signing,
    generated: true,
  };
}

async function keptSecrets(directory: string): Promise<z.infer<typeof fileSchema>> {
  const path = join(directory, FILE);
  await mkdir(directory, { recursive: true });
  const secrets = {
    jwtSecrets: randomBytes(48).toString("base64url"),
    encryptionKeys: randomBytes(32).toString("hex"),
    apiKeyPeppers: randomBytes(48).toString("base64url"),
    auditSigningKey: randomBytes(32).toString("base64"),
    mfaKeys: randomBytes(48).toString("base64url"),
  };
  try {
    // "wx": of two servers that start at once the first one's secrets win, and both use them.
    await writeFile(path, `${JSON.stringify(secrets, undefined, 2)}\n`, { flag: "wx", mode: 0o600 });
    return secrets;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return fileSchema.parse(JSON.parse(await readFile(path, "utf8")));
  }
}
