/** The closed set of problem categories; the first digit of a code is its category's group. */
export type ProblemCategory = keyof typeof CATEGORIES;

/** What each category is called, and the first digit of its codes. */
export const CATEGORIES = Object.freeze({
  auth: { group: 1, title: "Authentication or authorization error" },
  validation: { group: 2, title: "Validation error" },
  not_found: { group: 3, title: "Not found" },
  conflict: { group: 4, title: "Conflict" },
  rate_limit: { group: 5, title: "Rate limit exceeded" },
  budget_exhausted: { group: 6, title: "Budget exhausted" },
  provider_error: { group: 7, title: "Upstream provider error" },
  internal: { group: 8, title: "Internal error" },
} as const);

/** JSON, as a problem's extension members may hold it. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue };

/** An RFC 9457 problem, without `instance`: the correlation id is added when it is written. */
export interface Problem {
  /** URI of the category's documentation. */
  readonly type: string;
  /** The category's title, the same for every occurrence. */
  readonly title: string;
  readonly status: number;
  /** What is wrong with this request and what to do. Never a secret, a token or another caller's data. */
  readonly detail: string;
  /** Four digits; the first is the category's group. Stable: programs branch on it. */
  readonly code: number;
  readonly category: ProblemCategory;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** Seconds, rounded up; only where `retryable`. Also sent as `Retry-After`. */
  readonly retryAfter?: number;
  /** Further members, e.g. `errors` of a validation. */
  readonly extensions?: { readonly [name: string]: JsonValue };
}

/** What makes one occurrence of a problem. */
export interface ProblemOptions {
  /** Replaces the definition's detail; ignored for 5xx, whose causes belong in the log. */
  readonly detail?: string;
  /** Milliseconds; refused unless the problem is retryable. */
  readonly retryAfterMs?: number;
  readonly extensions?: { readonly [name: string]: JsonValue };
}

/** A kind of problem. */
export interface ProblemDefinition {
  readonly code: number;
  readonly category: ProblemCategory;
  readonly status: number;
  /** The default detail. */
  readonly detail: string;
  readonly retryable?: boolean;
}

/** Makes occurrences of one kind of problem. */
export interface ProblemFactory {
  (options?: ProblemOptions): Problem;
  readonly definition: Readonly<ProblemDefinition>;
}

// Where every code is documented; the fragment is the category.
const DOCUMENTATION = "https://portcullis.dev/errors";

/**
 * Defines a kind of problem.
 *
 * @throws {TypeError} The code is outside its category's group, or the status is not an error status. Thrown where the
 *   problem is defined, so a wrong definition never reaches a request.
 * @see RFC 9457
 * @example
 * ```ts
 * import { defineProblem } from "@portcullis/core";
 *
 * const workflowArchived = defineProblem({ code: 4901, category: "conflict", status: 409, detail: "The workflow is archived." });
 * console.log(workflowArchived().code); // 4901
 * ```
 */
export function defineProblem(definition: ProblemDefinition): ProblemFactory {
  const { code, category, status, retryable = false } = definition;
  const { group, title } = CATEGORIES[category];
  if (!Number.isInteger(code) || Math.floor(code / 1000) !== group) {
    throw new TypeError(`Problem code ${code} is outside the group ${group}xxx of the category "${category}".`);
  }
  if (!Number.isInteger(status) || status < 400 || status > 599) {
    throw new TypeError(`Problem ${code} has status ${status}; a problem's status is 400 to 599.`);
  }
  const frozen = Object.freeze({ ...definition, retryable });
  const type = `${DOCUMENTATION}#${category}`;
  const factory = (options: ProblemOptions = {}): Problem => {
    const { retryAfterMs, extensions } = options;
    if (retryAfterMs !== undefined && !retryable) {
      throw new TypeError(`Problem ${code} is not retryable and cannot carry retryAfterMs.`);
    }
    return Object.freeze({
      type,
      title,
      status,
      // A 5xx never says more than its definition: the cause is for the log, under the correlation id.
      detail: status < 500 && options.detail !== undefined ? options.detail : frozen.detail,
      code,
      category,
      retryable,
      ...(retryAfterMs === undefined ? {} : { retryAfter: Math.max(1, Math.ceil(retryAfterMs / 1000)) }),
      ...(extensions === undefined ? {} : { extensions }),
    });
  };
  return Object.assign(factory, { definition: frozen });
}

/** The members of a problem as they are written to the wire, `instance` (the correlation id) included. */
export function problemBody(problem: Problem, instance: string | undefined): { [name: string]: JsonValue } {
  const { extensions, ...members } = problem;
  // Extensions first: they cannot overwrite a member that programs branch on.
  return { ...extensions, ...members, ...(instance === undefined ? {} : { instance }) };
}
