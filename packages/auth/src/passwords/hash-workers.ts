import type { Worker } from "node:worker_threads";
import { AuthError } from "../errors.js";
import type { Argon2Answer, Argon2Job } from "./argon2-worker.js";

/** Threads that hash, so that neither the event loop nor libuv's pool (files, DNS, WebCrypto) waits for a password. */
export interface HashWorkers {
  /**
   * Has a thread do the job. The caller bounds how many run at once; there are never more threads than that.
   *
   * @throws {AuthError} `hashing_failed`: the thread died or did not start; the next job gets another one. `closed`.
   */
  run(job: Argon2Job): Promise<Argon2Answer>;
  /** Ends the threads, each after the job it has. No job is taken afterwards. */
  close(): Promise<void>;
}

interface Lane {
  readonly worker: Worker;
  readonly ended: Promise<void>;
  job: { readonly resolve: (answer: Argon2Answer) => void; readonly reject: (error: Error) => void } | undefined;
}

/** @param start Starts a thread; called when there is a job and no idle thread. */
export function createHashWorkers(start: () => Worker): HashWorkers {
  const lanes = new Set<Lane>();
  const idle: Lane[] = [];
  let isClosed = false;

  function open(): Lane {
    const worker = start();
    let cause: unknown;
    const lane: Lane = {
      worker,
      job: undefined,
      ended: new Promise((resolve) => {
        worker.once("exit", () => {
          lanes.delete(lane);
          const at = idle.indexOf(lane);
          if (at >= 0) idle.splice(at, 1);
          lane.job?.reject(new AuthError("hashing_failed", "The thread that hashed a password ended. Try again.", { cause }));
          lane.job = undefined;
          resolve();
        });
      }),
    };
    // Without a listener it would be thrown in the main thread. "exit" follows, and tells whoever waits.
    worker.on("error", (error) => void (cause = error));
    worker.on("message", (answer: Argon2Answer) => {
      const { job } = lane;
      lane.job = undefined;
      if (isClosed) void worker.terminate();
      else {
        // An idle thread keeps no process alive; one at work does, or a program would end in the middle of a login.
        worker.unref();
        idle.push(lane);
      }
      job?.resolve(answer);
    });
    lanes.add(lane);
    return lane;
  }

  function openOrFail(): Lane {
    try {
      return open();
    } catch (cause) {
      throw new AuthError("hashing_failed", "No thread could be started to hash passwords. See the cause.", { cause });
    }
  }

  return Object.freeze({
    async run(job: Argon2Job): Promise<Argon2Answer> {
      if (isClosed) throw new AuthError("closed", "This Auth was closed. Make no calls after close().");
      const lane = idle.pop() ?? openOrFail();
      return new Promise<Argon2Answer>((resolve, reject) => {
        lane.job = { resolve, reject };
        lane.worker.ref();
        lane.worker.postMessage(job, [job.password.buffer]);
      });
    },
    async close(): Promise<void> {
      isClosed = true;
      for (const { worker } of idle.splice(0)) void worker.terminate();
      await Promise.all([...lanes].map(async ({ ended }) => ended));
    },
  });
}
