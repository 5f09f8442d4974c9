import type { GuardRequest } from "../guard/guard.js";
import { type HeaderField, type HeaderList, mergeHeaders } from "../guard/header-list.js";
import { problems } from "../problem/catalogue.js";
import { type Problem, problemBody } from "../problem/problem.js";
import { correlationIdFact } from "./correlation-id.js";

/** How the body of a problem looks on the wire. */
export type RenderProblem = (problem: Problem, request: GuardRequest) => { readonly contentType: string; readonly body: string };

/** A problem as a response: all that an adapter has to write. */
export interface ProblemResponse {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string;
}

/** RFC 9457: the bare problem as `application/problem+json`, the correlation id as `instance`. */
export const renderProblemJson: RenderProblem = (problem, request) => ({
  contentType: "application/problem+json",
  body: JSON.stringify(problemBody(problem, request.facts.get(correlationIdFact))),
});

const STEP_UP_CODE = problems.stepUpRequired().code;
// RFC 9470 §3: the token is good, and another one of the same kind will not do.
const STEP_UP_CHALLENGE = 'Bearer error="insufficient_user_authentication"';

/**
 * The response to a denied request: never cached, with `Retry-After` where the problem says when, with a
 * `WWW-Authenticate` challenge on 401 (RFC 9110 §11.6.1) unless a guard gave one.
 *
 * @param headers What the guards added.
 */
export function problemResponse(
  problem: Problem,
  request: GuardRequest,
  headers: HeaderList,
  render: RenderProblem = renderProblemJson,
): ProblemResponse {
  const { contentType, body } = render(problem, request);
  const fields: HeaderField[] = [
    ["content-type", contentType],
    ["cache-control", "no-store"],
  ];
  if (problem.retryAfter !== undefined) fields.push(["retry-after", String(problem.retryAfter)]);
  if (problem.status === 401 && !headers.some(([name]) => name === "www-authenticate")) {
    fields.push(["www-authenticate", problem.code === STEP_UP_CODE ? STEP_UP_CHALLENGE : "Bearer"]);
  }
  return { status: problem.status, headers: mergeHeaders(headers, fields), body };
}
