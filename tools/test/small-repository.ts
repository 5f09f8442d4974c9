import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { openRepository, type Repository } from "../repository.js";

/** A repository of just these files, gone after the test. */
export function smallRepository(files: Readonly<Record<string, string | object>>): Repository {
  const root = mkdtempSync(join(tmpdir(), "portcullis-small-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
  }
  return openRepository(root);
}
