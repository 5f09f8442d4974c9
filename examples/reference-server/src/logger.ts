import { type DestinationStream, type Logger, pino } from "pino";
import type { Config } from "./config.js";

/** JSON lines, secrets left out by name as a second line of defence: nothing here logs headers or bodies. */
export function createLogger(config: Pick<Config, "logLevel">, destination?: DestinationStream): Logger {
  const options = {
    level: config.logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: ["password", "*.password", "token", "*.token", "secret", "*.secret", "authorization", "*.authorization"],
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}
