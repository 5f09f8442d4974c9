import type { GuardRequest } from "../guard/guard.js";
import { problems } from "../problem/catalogue.js";
import type { Problem } from "../problem/problem.js";

/** The strong entity tag of a revision: `"7"`. */
export function entityTag(revision: number): string {
  return `"${revision}"`;
}

/**
 * Compares `If-Match` with the current revision: `undefined` when the change may go on, else the version conflict that names
 * the current one. Without `If-Match`, or with `*`, there is nothing to compare.
 *
 * @see RFC 9110 §13.1.1: weak tags never match.
 */
export function checkIfMatch(request: Pick<GuardRequest, "header">, currentRevision: number): Problem | undefined {
  const sent = request.header("if-match")?.trim();
  if (sent === undefined || sent === "*") return undefined;
  const matches = sent.split(",").some((tag) => tag.trim() === entityTag(currentRevision));
  return matches ? undefined : problems.versionConflict({ extensions: { currentRevision } });
}
