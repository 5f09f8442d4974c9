import type { Logger } from "pino";

/** How long requests in flight and deliveries may take to end. */
const DRAIN_MS = 15_000;

/**
 * On SIGTERM or SIGINT runs the steps in order, then ends the process with 0. A second signal, or a step that hangs, ends it with 1.
 */
export function shutDownOnSignal(logger: Logger, steps: readonly (() => Promise<unknown>)[]): void {
  let isStopping = false;
  const stop = async (signal: string): Promise<void> => {
    logger.info({ signal }, "stopping: no new connections, finishing what runs");
    for (const step of steps) await step();
    logger.info("stopped");
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (isStopping) {
      logger.warn({ signal }, "second signal: stopping at once");
      process.exit(1);
    }
    isStopping = true;
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    stop(signal).then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, "shutdown failed");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}
