// What runs in a worker thread, as text: a file beside the code would be lost where an application bundles this package, and its
// path would differ between source and bundle. The native module is found by the main thread, since text has no place of its own.

import { createRequire } from "node:module";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Options } from "@node-rs/argon2";

/** What a worker is asked. `password` is handed over, not copied: whoever sends it has it no more. */
export type Argon2Job =
  | {
      readonly kind: "hash";
      readonly password: Uint8Array<ArrayBuffer>;
      readonly options: Options;
    }
  | { readonly kind: "verify"; readonly password: Uint8Array<ArrayBuffer>; readonly storedHash: string };

/** What it answers; `refused`: Argon2 cannot work with these parameters or this stored hash. Its reasons stay in the worker. */
export type Argon2Answer =
  | { readonly kind: "hashed"; readonly hash: string }
  | { readonly kind: "verified"; readonly matches: boolean }
  | { readonly kind: "refused" };

// Runs as a script and as a module alike: --input-type=module of the program is also said to its workers. On Linux, and only there,
// a priority belongs to the thread that sets it; elsewhere it would slow down the whole process.
const SOURCE = `"use strict";
const os = process.getBuiltinModule("node:os");
const { createRequire } = process.getBuiltinModule("node:module");
const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
if (process.platform === "linux") {
  try {
    os.setPriority(0, Math.min(19, os.getPriority(0) + workerData.niceness));
  } catch {}
}
const { hashSync, verifySync } = createRequire(workerData.argon2)(workerData.argon2);
parentPort.on("message", (job) => {
  let answer;
  try {
    answer =
      job.kind === "hash"
        ? { kind: "hashed", hash: hashSync(job.password, job.options) }
        : { kind: "verified", matches: verifySync(job.storedHash, job.password) };
  } catch {
    answer = { kind: "refused" };
  }
  job.password.fill(0);
  parentPort.postMessage(answer);
});
`;

// Requests keep nine tenths of a core that they share with a hash; an idle core hashes at full speed.
const NICENESS = 10;

/** Starts a thread that computes one {@link Argon2Job} at a time. */
export function startArgon2Worker(): Worker {
  return new Worker(SOURCE, {
    eval: true,
    // What a program preloads for itself (--import, --require) is not for this thread: it might open a port, or a log, of its own.
    // NODE_OPTIONS still counts: Yarn's Plug'n'Play finds modules by it.
    execArgv: [],
    name: "portcullis-argon2",
    workerData: { argon2: resolveArgon2(), niceness: NICENESS },
  });
}

let resolved: string | undefined;

function resolveArgon2(): string {
  // Empty where an application was bundled as CommonJS; such a bundle runs beside its node_modules.
  const here: string | undefined = import.meta.url;
  resolved ??= createRequire(here ?? join(process.cwd(), "index.js")).resolve("@node-rs/argon2");
  return resolved;
}
