import { setMaxListeners } from "node:events";
import type { ClaimedDelivery, Clock, Outbox } from "@portcullis/core";
import type { WebhookEvent } from "../webhook-event.js";

/** What the worker stands on. */
export interface WorkerOptions {
  readonly outbox: Outbox;
  readonly attempt: (delivery: ClaimedDelivery, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly concurrency: number;
  readonly perEndpoint: number;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly onEvent: (event: WebhookEvent) => void;
}

/** Claims what is due and has it attempted. */
export interface Worker {
  start(): void;
  /**
   * Claims no more and waits for attempts under way, `graceMs` at most; then gives them up, and others may have them at once. A
   * store that does not take them back in 5 s more is not waited for: their leases run out.
   */
  stop(graceMs: number): Promise<void>;
  /** Attempts everything that is due now. */
  drain(): Promise<void>;
  /** Something may have become due. */
  wake(): void;
}

// What is due but cannot be claimed (another worker holds the endpoint's places) is asked for again after this, not in a loop.
const MIN_WAIT_MS = 50;
const HANDOVER_MS = 5_000;

/** A worker that claims only what it can run at once, so that no lease runs out in a queue of its own. */
export function createWorker({ outbox, attempt, clock, concurrency, perEndpoint, leaseMs, pollMs, onEvent }: WorkerOptions): Worker {
  const inFlight = new Set<Promise<void>>();
  let abort = createAbort();
  let isStarted = false;
  let pumping: Promise<void> | undefined;
  let isWoken = false;
  let cancelTimer = (): void => {};

  const launch = (delivery: ClaimedDelivery): void => {
    const running = attempt(delivery, abort.signal).finally(() => {
      inFlight.delete(running);
      wake();
    });
    inFlight.add(running);
  };

  // @returns ms until more is due, 0 when there may be more now.
  const claim = async (): Promise<number> => {
    const limit = concurrency - inFlight.size;
    if (limit <= 0) return pollMs; // the next attempt that ends wakes us
    const { deliveries, nextDueMs } = await outbox.claim({ limit, perEndpoint, leaseMs });
    for (const delivery of deliveries) launch(delivery);
    if (deliveries.length > 0) return 0;
    return nextDueMs === 0 ? MIN_WAIT_MS : Math.min(nextDueMs ?? pollMs, pollMs);
  };

  const pump = async (): Promise<void> => {
    cancelTimer();
    let waitMs = 0;
    const isMoreDue = (): boolean => isStarted && (isWoken || waitMs === 0);
    while (isMoreDue()) {
      isWoken = false;
      try {
        waitMs = await claim();
      } catch (error) {
        waitMs = pollMs;
        onEvent({ type: "webhook.fault", source: "claim", error });
      }
    }
    pumping = undefined;
    if (isStarted) cancelTimer = clock.after(waitMs, wake);
  };

  const wake = (): void => {
    isWoken = true;
    if (isStarted && pumping === undefined) pumping = pump();
  };

  const becomeIdle = async (): Promise<void> => {
    await pumping; // a claim under way may still add some
    while (inFlight.size > 0) await Promise.all(inFlight);
  };

  return {
    wake,
    start() {
      if (isStarted) return;
      isStarted = true;
      if (abort.signal.aborted) abort = createAbort();
      wake();
    },
    async stop(graceMs) {
      isStarted = false;
      cancelTimer();
      const cancelGrace = clock.after(graceMs, () => abort.abort());
      let cancelHandover = (): void => {};
      const isOver = new Promise<void>((resolve) => {
        cancelHandover = clock.after(graceMs + HANDOVER_MS, resolve);
      });
      await Promise.race([becomeIdle(), isOver]);
      cancelGrace();
      cancelHandover();
    },
    async drain() {
      if (abort.signal.aborted) abort = createAbort();
      for (;;) {
        const waitMs = await claim();
        if (waitMs === 0) continue;
        if (inFlight.size === 0) return;
        await Promise.race(inFlight);
      }
    },
  };
}

// Each attempt under way listens, and there may be many: no leak to be warned of.
function createAbort(): AbortController {
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  return abort;
}
