import {
  ALLOW,
  ConfigurationError,
  deny,
  type Guard,
  type GuardRequest,
  invalidOption,
  jsonAnswer,
  JsonRefused,
  type JsonValue,
  type MaybePromise,
  type Outcome,
  principalFact,
  problems,
  subjectOf,
  type Verdict,
} from "@portcullis/core";
import type { Approval } from "./approval.js";
import type { Approvals } from "./create-approvals.js";
import { deskOf } from "./desk.js";
import { digestBody, parseJsonBody } from "./digest.js";
import { ApprovalError } from "./errors.js";
import { approvalFact, type Attempt } from "./execution.js";
import { type ApprovalSubject, homeWorkspaceOf, isTtlMs, readSubject } from "./new-approval.js";
import type { RiskLevel } from "./risk.js";

/** Options of {@link requireApproval}. */
export interface RequireApprovalOptions {
  readonly riskLevel: RiskLevel;
  /** `category:action`. */
  readonly operationType: string;
  readonly title?: string;
  /** What the approver reads; 1 to 4096 characters. */
  readonly description: string | ((request: GuardRequest) => string);
  readonly metadata?: Readonly<Record<string, string>>;
  /** Which requests need approval; default all. An exception refuses the request. */
  readonly when?: (request: GuardRequest) => MaybePromise<boolean>;
  /** Joins the digest: the permission under which the operation runs. It is no substitute for checking it. */
  readonly permission?: string;
  /** The workspace whose approvers are asked. Default: the principal's workspace, else its organisation. */
  readonly workspaceOf?: (request: GuardRequest) => string;
  /** Request header fields that the digest covers beside `content-type`; lower case. */
  readonly headers?: readonly string[];
  /** Show the approver the JSON body, redacted, and store it. Default `false`: the digest covers it unseen. */
  readonly showBody?: boolean;
  /** Bodies longer than this are refused. Default 1 MiB. */
  readonly maxBodyBytes?: number;
  /** Approve-by; 60,000 to 604,800,000, whole seconds. */
  readonly ttlMs?: number;
}

const DEFAULTS = Object.freeze({ maxBodyBytes: 1_048_576 });
const HEADER = "approval-id";

/**
 * Lets a request through only after people approved exactly it, and only once.
 *
 * The first request is answered 202 with `Location`, `Retry-After` and `{ approvalId, status, expiresAt }`. The client polls, then
 * sends the same request again with `Approval-Id`. Approved, it is claimed and runs; denied 403, expired 410, used before or
 * not the same request 409. Mount it last: a guard after it that denies uses the approval up. Fails closed when the store is down.
 *
 * @throws {ConfigurationError} `invalid_option`, at construction.
 * @example
 * ```ts
 * import { createApprovals, requireApproval } from "@portcullis/approvals";
 * import { createMemoryStore, type Principal } from "@portcullis/core";
 *
 * const byAdmins = { canApprove: (principal: Principal) => principal.roles.includes("admin") };
 * const approvals = createApprovals({
 *   store: createMemoryStore(),
 *   policy: { LOW: byAdmins, MEDIUM: byAdmins, HIGH: byAdmins, CRITICAL: byAdmins },
 * });
 * export const approved = requireApproval(approvals, {
 *   riskLevel: "HIGH",
 *   operationType: "workflow:delete",
 *   description: (request) => `Delete workflow ${request.param("id")}`,
 * });
 * ```
 */
export function requireApproval(approvals: Approvals, options: RequireApprovalOptions): Guard {
  const desk = deskOf(approvals);
  const { when, workspaceOf, permission, ttlMs, showBody = false, maxBodyBytes = DEFAULTS.maxBodyBytes, description } = options;
  const fixed = Object.freeze({
    riskLevel: options.riskLevel,
    operationType: options.operationType,
    ...(options.title === undefined ? {} : { title: options.title }),
    ...(options.metadata === undefined ? {} : { metadata: { ...options.metadata } }),
  });
  requireSubject({ ...fixed, description: typeof description === "string" ? description : "computed for each request" });
  if (ttlMs !== undefined && !isTtlMs(ttlMs)) throw invalidOption("ttlMs", ttlMs, "60,000 to 604,800,000, whole seconds");
  if (!Number.isInteger(maxBodyBytes) || maxBodyBytes < 0) throw invalidOption("maxBodyBytes", maxBodyBytes, "a whole number, 0 or more");
  const coveredHeaders = [...(options.headers ?? [])];
  if (coveredHeaders.some((name) => name !== name.toLowerCase())) throw invalidOption("headers", coveredHeaders, "names in lower case");

  const gate = async (request: GuardRequest): Promise<Verdict> => {
    const by = request.facts.get(principalFact);
    if (by === undefined) return deny(problems.unauthenticated());
    if (request.facts.get(approvalFact) !== undefined) {
      throw new ConfigurationError(
        "fact_set_twice",
        "Two requireApproval guards ran for one request; an approval is for one operation. Mount one.",
      );
    }
    if (request.headerCount(HEADER) > 1) return deny(problems.malformedRequest({ detail: "Send one Approval-Id." }));
    const id = request.header(HEADER);
    const workspaceId = workspaceOf === undefined ? homeWorkspaceOf(by) : workspaceOf(request);
    const covered = await readCovered(request);
    if (covered === undefined) return deny(problems.malformedRequest({ detail: "The JSON body is malformed or ambiguous." }));
    const digest = desk.digest(
      { kind: "http", ...fixed, metadata: fixed.metadata ?? {}, permission: permission ?? null, ...covered.content },
      by,
      workspaceId,
    );
    if (id === undefined) {
      const subject = readSubject({ ...fixed, description: typeof description === "string" ? description : description(request) });
      const shown = desk.redact(covered.shown);
      return pending((await desk.open({ subject, by, workspaceId, digest, shown, ttlMs })).approval);
    }
    const admission = await desk.admit(id, { digest, workspaceId, subject: subjectOf(by) });
    switch (admission.kind) {
      case "wait":
        return pending(admission.approval);
      case "refuse":
        return deny(admission.problem);
      case "run":
        request.facts.set(approvalFact, admission.attempt.grant);
        return { kind: "allow", settle: (outcome) => settle(admission.attempt, outcome) };
    }
  };

  const readCovered = async (
    request: GuardRequest,
  ): Promise<
    { readonly content: { readonly [name: string]: JsonValue }; readonly shown: { readonly [name: string]: JsonValue } } | undefined
  > => {
    const bytes = await request.rawBody(maxBodyBytes);
    const { method, route = null } = request;
    const { path, query } = splitTarget(request.target);
    const params = paramsOf(request);
    const contentType = request.header("content-type");
    try {
      const headers = Object.fromEntries(coveredHeaders.map((name) => [name, request.header(name) ?? null]));
      const content = { method, route, path, params, query, headers, body: { ...digestBody(bytes, contentType) } };
      const body = showBody ? parseJsonBody(bytes, contentType)?.value : undefined;
      // The path as sent may hold a secret in a parameter; the pattern and the parameters by name can be redacted.
      const place = route === null ? { path } : { route, params };
      return {
        content,
        shown: { method, ...place, query: shownQuery(query), bodyBytes: bytes.length, ...(body === undefined ? {} : { body }) },
      };
    } catch (error) {
      if (error instanceof JsonRefused || error instanceof ApprovalError) return undefined;
      throw error;
    }
  };

  const pending = (approval: Approval): Verdict => {
    const retryAfterSeconds = approval.status === "PENDING" ? Math.ceil(desk.pollAfterMs / 1000) : 0;
    const body = {
      approvalId: approval.id,
      status: approval.status,
      expiresAt: new Date(approval.executeBy ?? approval.expiresAt).toISOString(),
    };
    const headers = [
      ["location", `${desk.prefix}/approvals/${approval.id}`],
      ["retry-after", String(retryAfterSeconds)],
      ["cache-control", "no-store"],
    ] as const;
    return { kind: "answer", answer: jsonAnswer(202, body, headers) };
  };

  return Object.freeze({
    name: "require-approval",
    check(request: GuardRequest): MaybePromise<Verdict> {
      if (when === undefined) return gate(request);
      const applies = when(request);
      if (applies instanceof Promise) return applies.then((isNeeded) => (isNeeded === false ? ALLOW : gate(request)));
      // Only an explicit false lets a request pass ungated.
      return applies === false ? ALLOW : gate(request);
    },
  });
}

async function settle({ finish, isReported }: Attempt, outcome: Outcome): Promise<void> {
  if (isReported()) return;
  // The client left: whether the handler went on is not known here, and not knowing is what UNKNOWN is for.
  if (outcome.kind === "aborted") return;
  await finish(outcome.status < 400 ? "executed" : "failed", outcome.status);
}

function requireSubject(subject: ApprovalSubject): void {
  try {
    readSubject(subject);
  } catch (error) {
    throw new ConfigurationError(
      "invalid_option",
      "riskLevel, operationType, title, description or metadata of requireApproval is out of bounds; see ApprovalSubject.",
      {
        cause: error,
      },
    );
  }
}

function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const mark = target.indexOf("?");
  return mark === -1 ? { path: target, query: "" } : { path: target.slice(0, mark), query: target.slice(mark + 1) };
}

function paramsOf(request: GuardRequest): { readonly [name: string]: JsonValue } {
  const names = [...(request.route ?? "").matchAll(/:([A-Za-z_][A-Za-z0-9_]*)/g)].map(([, name = ""]) => name);
  return Object.fromEntries(names.map((name) => [name, request.param(name) ?? null]));
}

// Pairs by name for redaction; only shown, the digest covers the query as sent.
function shownQuery(query: string): { readonly [name: string]: JsonValue } {
  const shown = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(query)) shown.set(name, [...(shown.get(name) ?? []), value]);
  return Object.fromEntries(shown);
}
