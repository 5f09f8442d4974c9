import type { Leases } from "../ports/leases.js";
import { ConfigurationError, invalidOption } from "../problem/errors.js";
import { type Clock, systemClock } from "./clock.js";
import { type Metrics, noMetrics } from "./metrics.js";
import { quietly } from "./quietly.js";

/** A piece of work that repeats. */
export interface JobOptions {
  /** Unique among the jobs of the service; also the name of its lease and a metric label. */
  readonly name: string;
  /** From the end of one run to the start of the next. */
  readonly intervalMs: number;
  /** `signal` aborts when the job is stopped. What it throws counts as a failed run; the next run comes all the same. */
  readonly run: (signal: AbortSignal) => Promise<unknown>;
  /** With leases one instance of the service runs the job at a time; without, each instance runs its own. */
  readonly leases?: Leases;
  /** After this long a run that hangs loses its lease, and another instance may start. Default: ten times the interval. */
  readonly leaseMs?: number;
  readonly clock?: Clock;
  readonly metrics?: Metrics;
  /** Told of each scheduled run that failed, and of a lease that could not be given back. What it throws is dropped. */
  readonly onError?: (error: unknown) => void;
}

/** How a job is doing. */
export interface JobStatus {
  readonly running: boolean;
  readonly started: boolean;
  readonly totalRuns: number;
  readonly failures: number;
  /** Runs left to another instance that held the lease. */
  readonly skipped: number;
  /** Epoch ms. */
  readonly lastRunAt: number | undefined;
  readonly lastError: string | undefined;
}

/** A background job. Runs never overlap; timers do not keep the process alive. */
export interface Job {
  readonly name: string;
  start(): void;
  /** Starts nothing more, aborts the signal of a run in progress and waits for its end. */
  stop(): Promise<void>;
  status(): JobStatus;
  /** Runs now, or joins the run in progress; also while stopped, with a signal that is aborted. @returns `false` when another instance holds the lease. @throws what the run threw. */
  runNow(): Promise<boolean>;
}

/**
 * Makes a background job: retention, sweeps, workers.
 *
 * @throws {ConfigurationError} `invalid_option`: the name is empty or an interval is not positive.
 * @example
 * ```ts
 * import { createJob } from "@portcullis/core";
 *
 * const job = createJob({ name: "sweep", intervalMs: 60_000, run: async () => {} });
 * await job.runNow();
 * console.log(job.status().totalRuns); // 1
 * ```
 */
export function createJob(options: JobOptions): Job {
  const { name, intervalMs, run, leases, clock = systemClock, metrics = noMetrics } = options;
  const onError = quietly(options.onError ?? (() => {}));
  const { leaseMs = intervalMs * 10 } = options;
  if (name === "") throw new ConfigurationError("invalid_option", 'Option "name" is empty; name the job.');
  for (const [option, value] of Object.entries({ intervalMs, leaseMs }))
    if (!Number.isFinite(value) || value <= 0) throw invalidOption(option, value, "a finite number of ms above 0");

  const runs = metrics.counter({
    name: "job_runs_total",
    help: "Runs of background jobs",
    labelNames: ["job", "outcome"],
  });
  // One holder a job object: two instances in one process exclude each other as well.
  const holder = crypto.randomUUID();
  const state = {
    started: false,
    totalRuns: 0,
    failures: 0,
    skipped: 0,
    lastRunAt: undefined as number | undefined,
    lastError: undefined as string | undefined,
  };
  let current: Promise<boolean> | undefined;
  let abort = new AbortController();
  let cancelTimer = (): void => {};

  async function runOnce(): Promise<boolean> {
    let isHeld = false;
    try {
      isHeld = leases === undefined || (await leases.acquire(name, holder, leaseMs));
      if (!isHeld) {
        state.skipped += 1;
        runs.add({ job: name, outcome: "skipped" });
        return false;
      }
      state.totalRuns += 1;
      state.lastRunAt = clock.now();
      await run(abort.signal);
      state.lastError = undefined;
      runs.add({ job: name, outcome: "ok" });
      return true;
    } catch (error) {
      state.failures += 1;
      state.lastError = error instanceof Error ? error.name : "unknown"; // the message may hold data
      runs.add({ job: name, outcome: "failed" });
      throw error;
    } finally {
      if (isHeld && leases !== undefined) await release(leases);
    }
  }

  // Kept, it runs out by itself: no reason to call the run a failure, or to hide why it was one.
  async function release(held: Leases): Promise<void> {
    try {
      await held.release(name, holder);
    } catch (error) {
      onError(error);
    }
  }

  function runNow(): Promise<boolean> {
    current ??= runOnce().finally(() => {
      current = undefined;
    });
    return current;
  }

  function schedule(): void {
    cancelTimer(); // stopped and started again during a run, there would be two
    cancelTimer = clock.after(intervalMs, () => {
      void runNow()
        .catch(onError)
        .finally(() => {
          if (state.started) schedule();
        });
    });
  }

  return Object.freeze({
    name,
    start() {
      if (state.started) return;
      state.started = true;
      abort = new AbortController();
      schedule();
    },
    async stop() {
      state.started = false;
      cancelTimer();
      abort.abort();
      // Its failure was reported to whoever started the run.
      await current?.catch(() => {});
    },
    status: () => Object.freeze({ ...state, running: current !== undefined }),
    runNow,
  });
}
