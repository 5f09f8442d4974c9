import { invalidOption, type Problem, problems } from "@portcullis/core";

/** URIs of the problem types in refusals. */
export interface ProblemTypes {
  /** Too often. */
  readonly quotaExceeded: string;
  /** Too many at once. */
  readonly concurrency: string;
  /** The limiter cannot answer, 503. */
  readonly reducedCapacity: string;
}

// The registry's entries exist once the draft is an RFC: draft-ietf-httpapi-ratelimit-headers §"Problem Types".
const REGISTRY = "https://iana.org/assignments/http-problem-types";

const DEFAULTS: ProblemTypes = Object.freeze({
  quotaExceeded: `${REGISTRY}#quota-exceeded`,
  // Not in the draft: our own, as every problem has one.
  concurrency: problems.concurrencyLimited({ retryAfterMs: 1_000 }).type,
  reducedCapacity: `${REGISTRY}#temporary-reduced-capacity`,
});

/** @throws {ConfigurationError} `invalid_option`: not an absolute URI. */
export function readProblemTypes(given: Partial<ProblemTypes> = {}): ProblemTypes {
  for (const [name, uri] of Object.entries(given)) {
    if (typeof uri !== "string" || !URL.canParse(uri)) throw invalidOption(`problemTypes.${name}`, uri, "an absolute URI");
  }
  return Object.freeze({ ...DEFAULTS, ...given });
}

/** The problem under another type. */
export function withType(problem: Problem, type: string): Problem {
  return Object.freeze({ ...problem, type });
}
