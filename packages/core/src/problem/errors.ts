import type { Problem } from "./problem.js";

/** Codes of mistakes in how Portcullis is set up or called by the program; never caused by a request. */
export type ConfigurationErrorCode =
  | "fact_set_twice"
  | "invalid_option"
  | "duplicate_route"
  | "invalid_verdict"
  | "mounted_after_parser"
  | "no_secrets"
  | "stored_secrets_unusable"
  | "wrong_adapter";

/** The program that uses Portcullis is wrong: fix the code or the configuration. Nothing was changed by the failed call. */
export class ConfigurationError extends Error {
  override readonly name = "ConfigurationError";
  constructor(
    readonly code: ConfigurationErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Throw it to answer a request with a problem from deep inside; the adapters write the problem as the response. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";
  readonly code: number;
  constructor(
    readonly problem: Problem,
    options?: ErrorOptions,
  ) {
    super(problem.detail, options);
    this.code = problem.code;
  }
}

/** The store did not answer or answered that it cannot serve. Whether the operation took effect is unknown. */
export class StoreUnavailable extends Error {
  override readonly name = "StoreUnavailable";
  readonly code = "store_unavailable";
  constructor(operation: string, options?: ErrorOptions) {
    super(`The store did not complete "${operation}"; whether it took effect is unknown.`, options);
  }
}

/** Names an option that is wrong: its path, the kind of value given (never the value: it may be a secret) and what is accepted. */
export function invalidOption(option: string, given: unknown, accepted: string): ConfigurationError {
  return new ConfigurationError("invalid_option", `Option "${option}" is ${kindOf(given)}; it must be ${accepted}.`);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "number") return `the number ${value}`;
  if (typeof value === "string") return value === "" ? "an empty string" : `a string of ${value.length} characters`;
  return value === undefined ? "missing" : `of type ${typeof value}`;
}

/** An entry with this key is in the log already; nothing was appended. */
export class DuplicateLogKey extends Error {
  override readonly name = "DuplicateLogKey";
  readonly code = "duplicate_log_key";
  constructor(readonly key: string) {
    super("An entry with this key is in the log already; nothing was appended. Append each event under its own key.");
  }
}
