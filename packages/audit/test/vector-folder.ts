import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** A file or folder of the shared test vectors; `undefined` where they are not present, and then the tests that need them are not defined. */
export function vectorFolder(path: string): string | undefined {
  const beside = fileURLToPath(new URL("../../../../shared/vectors", import.meta.url));
  const file = resolve(process.env.PORTCULLIS_VECTORS ?? beside, path);
  return existsSync(file) ? file : undefined;
}
