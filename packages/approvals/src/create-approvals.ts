import { randomBytes } from "node:crypto";
import {
  invalidOption,
  type JsonValue,
  type MaybePromise,
  type Metrics,
  noMetrics,
  type Principal,
  type Problem,
  quietly,
  type StoreWith,
  subjectOf,
} from "@portcullis/core";
import type { Approval, StoredApproval } from "./approval.js";
import type { ApprovalEvent } from "./approval-event.js";
import { createApprovalMetrics } from "./approval-metrics.js";
import { createDecisions, type Decisions } from "./decisions.js";
import { type ApprovalTicket, type Desk, setDesk } from "./desk.js";
import { operationDigest } from "./digest.js";
import { ApprovalError } from "./errors.js";
import { type ApprovalGrant, createExecutions } from "./execution.js";
import { createInbox, type Inbox } from "./inbox.js";
import { type ApprovalSubject, homeWorkspaceOf, isTtlMs, readSubject, requesterOf } from "./new-approval.js";
import { type ApprovalPolicy, readPolicy } from "./policy.js";
import { createRedact } from "./redact.js";
import { createTransitions, toLoaded } from "./transitions.js";

/** Durations of approvals that do not say otherwise. */
export interface ApprovalDefaults {
  /** Approve-by: 60,000 to 604,800,000, whole seconds. Default 24 h. */
  readonly ttlMs?: number;
  /** Execute-by, from the approval on. Default 1 h. */
  readonly executeWithinMs?: number;
  /** How long one run may take before its outcome counts as unknown; longer than any handler. Default 5 min. */
  readonly attemptTtlMs?: number;
  /** What a waiting client is told in `Retry-After`. Default 5 s. */
  readonly pollAfterMs?: number;
}

/** Options of {@link createApprovals}. */
export interface ApprovalsOptions {
  readonly store: StoreWith<"approvals">;
  /** Who may approve at each risk level. */
  readonly policy: ApprovalPolicy;
  /** Joins every digest: after a change of it nothing asked for under the old rules runs. Default `1`. */
  readonly policyVersion?: string;
  readonly defaults?: ApprovalDefaults;
  /** Path under which clients reach {@link approvalRoutes}, before `/approvals`; of `Location`. Default none. */
  readonly prefix?: string;
  /** Member names whose values approvers and the store never see, beside passwords, tokens and the like. */
  readonly redact?: readonly string[];
  readonly metrics?: Metrics;
  /** Told of every change, after the store accepted it. What it throws, or rejects with, is dropped. */
  readonly onEvent?: (event: ApprovalEvent) => void;
  /** Cryptographically secure bytes, for ids. Default: the system's. */
  readonly random?: (size: number) => Uint8Array;
}

/** An operation outside HTTP: a job, an agent's tool. Everything of it joins the digest. */
export interface ApprovalRequest extends ApprovalSubject {
  /** Who asks. */
  readonly by: Principal;
  /** Default: the principal's workspace, else its organisation. */
  readonly workspaceId?: string;
  /** The data of the operation; shown to the approver redacted. */
  readonly input?: JsonValue;
  /** Approve-by; 60,000 to 604,800,000, whole seconds. Does not join the digest. */
  readonly ttlMs?: number;
}

/** What became of a gated operation. An `executed` one whose approval is still `EXECUTING` could not be recorded: it becomes `UNKNOWN`. */
export type GateResult<T> =
  | { readonly kind: "executed"; readonly value: T; readonly approval: Approval }
  | { readonly kind: "pending"; readonly approval: Approval }
  | { readonly kind: "refused"; readonly problem: Problem; readonly approval: Approval | undefined };

/** Approvals: asked for, decided by people, claimed once. Every method rejects with `StoreUnavailable` when the store does not answer. */
export interface Approvals extends Decisions, Inbox {
  /**
   * Asks for approval. The same operation of the same requester gives the open approval again, with its deadline as it was.
   *
   * @throws {ProblemError} 2002: a field is out of bounds.
   */
  create(request: ApprovalRequest): Promise<{ readonly approval: Approval; readonly created: boolean }>;
  /**
   * Decides about a pending approval; exactly one of many concurrent decisions counts.
   *
   * @throws {ProblemError} 2008 no reason for a rejection, 3001 no such approval, 1106 the requester decides, 1101 not an
   *   approver, 3002 expired, 4006 decided already (with its status). Nothing changed.
   */
  resolve: Decisions["resolve"];
  /**
   * Takes a pending request back.
   *
   * @throws {ProblemError} 3001 no such approval, 1101 not the requester, 3002 expired, 4006 not pending any more.
   */
  cancel: Decisions["cancel"];
  /**
   * Says what became of an execution whose outcome was unknown. It does not run again either way.
   *
   * @throws {ProblemError} 2008 no reason, 3001 no such approval, 4006 its outcome is known.
   */
  reconcile: Decisions["reconcile"];
  /**
   * Runs `run` once the operation is approved, at most once per approval; call it again with the same operation until then.
   *
   * @param operation With the `approvalId` of an earlier result a denied or expired operation is refused; without, it is asked for anew.
   * @throws what `run` throws; the approval is `FAILED` then.
   */
  gate<T>(
    operation: ApprovalRequest & { readonly approvalId?: string },
    run: (grant: ApprovalGrant) => MaybePromise<T>,
  ): Promise<GateResult<T>>;
}

const DEFAULTS = Object.freeze({ ttlMs: 86_400_000, executeWithinMs: 3_600_000, attemptTtlMs: 300_000, pollAfterMs: 5_000 });
const MAX_DURATION_MS = 604_800_000;
const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)*$/;

/**
 * Approvals in a store: an operation runs at most once, and only exactly as it was approved.
 *
 * @throws {ConfigurationError} `invalid_option`: a risk level has no policy, or a duration is out of range.
 * @example
 * ```ts
 * import { createApprovals } from "@portcullis/approvals";
 * import { createMemoryStore, type Principal } from "@portcullis/core";
 *
 * const byAdmins = { canApprove: (principal: Principal) => principal.roles.includes("admin") };
 * const approvals = createApprovals({
 *   store: createMemoryStore(),
 *   policy: { LOW: byAdmins, MEDIUM: byAdmins, HIGH: byAdmins, CRITICAL: byAdmins },
 * });
 * const user = { type: "user", id: "u1", orgId: "o1", workspaceId: "w1", roles: [], orgRoles: [], scopes: undefined, authMethod: "session" } as const;
 * const by = { ...user, email: undefined, sessionId: undefined, tokenVersion: 1, mfaAt: undefined, mustChangePassword: false };
 * const result = await approvals.gate(
 *   { riskLevel: "HIGH", operationType: "database:drop", description: "Drop the staging database", by },
 *   () => "dropped",
 * );
 * console.log(result.kind); // pending
 * ```
 */
export function createApprovals(options: ApprovalsOptions): Approvals {
  const policy = readPolicy(options.policy);
  const { ttlMs, executeWithinMs, attemptTtlMs, pollAfterMs } = readDefaults(options.defaults);
  const { store, policyVersion = "1", prefix = "", metrics = noMetrics, random = randomBytes } = options;
  const onEvent = quietly(options.onEvent ?? (() => {}));
  if (!PREFIX.test(prefix)) throw invalidOption("prefix", prefix, "empty or a path like /v1, without a slash at the end");
  if (typeof policyVersion !== "string" || policyVersion === "")
    throw invalidOption("policyVersion", policyVersion, "a text that is not empty");
  const redact = createRedact(options.redact ?? []);
  const createId = (): string => Buffer.from(random(18)).toString("base64url");
  const transitions = createTransitions(store.approvals, createApprovalMetrics(metrics), onEvent);
  const decisions = createDecisions(transitions, policy, executeWithinMs, onEvent);
  const executions = createExecutions(transitions, createId, attemptTtlMs, onEvent);

  const digest: Desk["digest"] = (content, by, workspaceId) => {
    const { type, id, subject, organisation } = requesterOf(by);
    return operationDigest({ v: 1, ...content, actor: { type, id, subject }, organisation, workspace: workspaceId, policyVersion });
  };

  const open: Desk["open"] = async ({ subject, by, workspaceId, digest: known, shown, ttlMs: asked = ttlMs }) => {
    const { riskLevel: risk, operationType: operation, metadata = {}, ...texts } = subject;
    const stored: StoredApproval = { v: 1, requester: { type: by.type, id: by.id }, metadata, ...texts, request: shown };
    const data = JSON.stringify(stored);
    const { record, created } = await store.approvals.open({
      id: createId(),
      workspaceId,
      requesterId: subjectOf(by),
      risk,
      operation,
      digest: known,
      data,
      ttlMs: asked,
    });
    const loaded = toLoaded(record, record.createdAt);
    if (loaded === undefined)
      throw new ApprovalError(
        "unreadable_approval",
        `Approval ${record.id} was written by another version. Wait until it expires, or migrate it.`,
      );
    if (created) transitions.announce(loaded.approval, record.createdAt);
    return { approval: loaded.approval, created };
  };

  const toTicket = (request: ApprovalRequest): ApprovalTicket => {
    const { by, workspaceId = homeWorkspaceOf(by), input, ttlMs: asked } = request;
    if (asked !== undefined && !isTtlMs(asked)) throw invalidOption("ttlMs", asked, "60,000 to 604,800,000, whole seconds");
    const subject = readSubject(request);
    const content = { kind: "operation", ...subject, metadata: subject.metadata ?? {}, ...(input === undefined ? {} : { input }) };
    return {
      subject,
      by,
      workspaceId,
      digest: digest(content, by, workspaceId),
      shown: input === undefined ? undefined : { input: redact(input) },
      ttlMs: asked,
    };
  };

  const gate: Approvals["gate"] = async (operation, run) => {
    const ticket = toTicket(operation);
    const id = operation.approvalId ?? (await open(ticket)).approval.id;
    const admission = await executions.admit(id, { digest: ticket.digest, workspaceId: ticket.workspaceId, subject: subjectOf(ticket.by) });
    if (admission.kind === "wait") return { kind: "pending", approval: admission.approval };
    if (admission.kind === "refuse") return { kind: "refused", problem: admission.problem, approval: admission.approval };
    const { grant, finish } = admission.attempt;
    // The run's own end outranks a store that cannot record it: unrecorded, the approval becomes UNKNOWN and never runs again.
    const recordEnd = (outcome: "executed" | "failed"): Promise<Approval | undefined> => finish(outcome).catch(() => undefined);
    try {
      const value = await run(grant);
      return { kind: "executed", value, approval: (await recordEnd("executed")) ?? grant.approval };
    } catch (error) {
      await recordEnd("failed");
      throw error;
    }
  };

  const approvals: Approvals = Object.freeze({
    ...decisions,
    ...createInbox(store.approvals, transitions, policy),
    create: async (request: ApprovalRequest) => open(toTicket(request)),
    gate,
  });
  setDesk(approvals, { prefix, pollAfterMs, redact, digest, open, admit: executions.admit });
  return approvals;
}

function readDefaults(given: ApprovalDefaults = {}): Required<ApprovalDefaults> {
  const defaults = { ...DEFAULTS, ...given };
  if (!isTtlMs(defaults.ttlMs)) throw invalidOption("defaults.ttlMs", defaults.ttlMs, "60,000 to 604,800,000, whole seconds");
  for (const name of ["executeWithinMs", "attemptTtlMs", "pollAfterMs"] as const) {
    const value = defaults[name];
    if (!Number.isInteger(value) || value < 1000 || value > MAX_DURATION_MS)
      throw invalidOption(`defaults.${name}`, value, "1,000 to 604,800,000");
  }
  return Object.freeze(defaults);
}
