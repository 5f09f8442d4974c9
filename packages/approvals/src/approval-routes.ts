import {
  defineRoute,
  type Facts,
  type Guard,
  invalidOption,
  parsePage,
  type Principal,
  principalFact,
  problems,
  ProblemError,
  type Route,
} from "@portcullis/core";
import { z } from "zod";
import type { Approval } from "./approval.js";
import type { Approvals } from "./create-approvals.js";
import { deskOf } from "./desk.js";
import { approvalBodySchema, homeWorkspaceOf, notesSchema } from "./new-approval.js";

/** Options of {@link approvalRoutes}. */
export interface ApprovalRoutesOptions {
  /** At least the one that sets `principalFact`; CSRF protection too where cookies authenticate. */
  readonly guards: readonly Guard[];
  /** Path before `/approvals`. Default: that of `createApprovals`. */
  readonly prefix?: string;
  /** The workspace a request is about. Default: the principal's workspace, else its organisation. */
  readonly workspaceOf?: (context: {
    readonly principal: Principal;
    readonly params: Readonly<Record<string, string>>;
    readonly facts: Facts;
  }) => string;
}

const resolutionSchema = z.strictObject({ decision: z.enum(["approve", "reject"]), notes: notesSchema });
const notesBodySchema = z.strictObject({ notes: notesSchema });
const cancellationSchema = z.strictObject({ reason: notesSchema });

/**
 * The approvals inbox over HTTP: ask, list, look, approve, reject, cancel.
 *
 * A principal sees what it asked for itself and what it may decide about, in its own workspace; everything else is a 404, the
 * same as for an id that never was. Nothing is decided by GET.
 *
 * @throws {ConfigurationError} `invalid_option`: no guards.
 */
export function approvalRoutes(approvals: Approvals, options: ApprovalRoutesOptions): readonly Route[] {
  const { guards, prefix = deskOf(approvals).prefix, workspaceOf = ({ principal }) => homeWorkspaceOf(principal) } = options;
  if (!Array.isArray(guards) || guards.length === 0) throw invalidOption("guards", guards, "a list of guards that authenticates");
  const shared = { guards, tags: ["approvals"] };
  const path = `${prefix}/approvals`;

  const viewerOf = ({
    facts,
    params,
  }: {
    readonly facts: Facts;
    readonly params: Readonly<Record<string, string>>;
  }): { readonly principal: Principal; readonly workspaceId: string } => {
    const principal = facts.get(principalFact);
    if (principal === undefined) throw new ProblemError(problems.unauthenticated());
    return { principal, workspaceId: workspaceOf({ principal, params, facts }) };
  };

  // Someone who may not see an approval may not learn from a 403 that it exists.
  const requireVisible = async (id: string, viewer: { readonly principal: Principal; readonly workspaceId: string }): Promise<Approval> => {
    const approval = await approvals.get(id, { workspaceId: viewer.workspaceId, visibleTo: viewer.principal });
    if (approval === undefined) throw new ProblemError(problems.notFound());
    return approval;
  };

  const decide = async (
    context: { readonly facts: Facts; readonly params: Readonly<Record<string, string>> },
    decision: "approve" | "reject",
    notes: string | undefined,
  ): Promise<Response> => {
    const viewer = viewerOf(context);
    const { id } = await requireVisible(context.params.id ?? "", viewer);
    return reply(await approvals.resolve(id, { decision, by: viewer.principal, notes, workspaceId: viewer.workspaceId }));
  };

  return Object.freeze([
    defineRoute({
      ...shared,
      method: "POST",
      path,
      operationId: "createApproval",
      summary: "Asks for approval of an operation",
      input: { body: approvalBodySchema },
      handle: async (_request, context) => {
        const { principal, workspaceId } = viewerOf(context);
        const { title, metadata, taskId, input, ttlSeconds, ...rest } = context.body;
        const optional = {
          ...(title === undefined ? {} : { title }),
          ...(metadata === undefined ? {} : { metadata }),
          ...(taskId === undefined ? {} : { taskId }),
          ...(input === undefined ? {} : { input }),
          ...(ttlSeconds === undefined ? {} : { ttlMs: ttlSeconds * 1000 }),
        };
        const { approval, created } = await approvals.create({ ...rest, ...optional, by: principal, workspaceId });
        return reply(approval, created ? 201 : 200, { location: `${deskOf(approvals).prefix}/approvals/${approval.id}` });
      },
    }),
    defineRoute({
      ...shared,
      method: "GET",
      path,
      operationId: "listPendingApprovals",
      summary: "Lists approvals that wait for a decision, the oldest first",
      handle: async (_request, context) => {
        const { principal, workspaceId } = viewerOf(context);
        const { limit, cursor } = parsePage(context.query);
        const { approvals: page, nextCursor } = await approvals.listPending({ workspaceId, visibleTo: principal, limit, cursor });
        return json(200, { data: page.map(toWire), pagination: { limit, ...(nextCursor === undefined ? {} : { nextCursor }) } });
      },
    }),
    defineRoute({
      ...shared,
      method: "GET",
      path: `${path}/:id`,
      operationId: "getApproval",
      summary: "Shows an approval",
      handle: async (_request, context) => reply(await requireVisible(context.params.id ?? "", viewerOf(context))),
    }),
    defineRoute({
      ...shared,
      method: "POST",
      path: `${path}/:id/approve`,
      operationId: "approveApproval",
      summary: "Approves",
      input: { body: notesBodySchema },
      handle: async (_request, context) => decide(context, "approve", context.body.notes),
    }),
    defineRoute({
      ...shared,
      method: "POST",
      path: `${path}/:id/reject`,
      operationId: "rejectApproval",
      summary: "Rejects, with a reason",
      input: { body: notesBodySchema },
      handle: async (_request, context) => decide(context, "reject", context.body.notes),
    }),
    defineRoute({
      ...shared,
      method: "POST",
      path: `${path}/:id/resolve`,
      operationId: "resolveApproval",
      summary: "Approves or rejects",
      input: { body: resolutionSchema },
      handle: async (_request, context) => decide(context, context.body.decision, context.body.notes),
    }),
    defineRoute({
      ...shared,
      method: "POST",
      path: `${path}/:id/cancel`,
      operationId: "cancelApproval",
      summary: "Takes a request back",
      input: { body: cancellationSchema },
      handle: async (_request, context) => {
        const viewer = viewerOf(context);
        const { id } = await requireVisible(context.params.id ?? "", viewer);
        return reply(await approvals.cancel(id, { by: viewer.principal, reason: context.body.reason, workspaceId: viewer.workspaceId }));
      },
    }),
  ]);
}

// Instants on the wire are RFC 3339 texts. The digest stays here: with all else shown, a redacted value of few possibilities (a PIN)
// could be tried against it.
function toWire(approval: Approval): object {
  const { createdAt, expiresAt, executeBy, decision, execution, closing, digest: _digest, ...rest } = approval;
  return {
    ...rest,
    createdAt: instant(createdAt),
    expiresAt: instant(expiresAt),
    executeBy: instant(executeBy),
    decision: decision && { ...decision, at: instant(decision.at) },
    execution: execution && { ...execution, startedAt: instant(execution.startedAt), endedAt: instant(execution.endedAt) },
    closing: closing && { ...closing, at: instant(closing.at) },
  };
}

function instant(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}

function reply(approval: Approval, status = 200, headers: Record<string, string> = {}): Response {
  return json(status, toWire(approval), headers);
}

function json(status: number, body: object, headers: Record<string, string> = {}): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store", ...headers } });
}
