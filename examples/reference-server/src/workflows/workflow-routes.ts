import { randomUUID } from "node:crypto";
import { type Approvals, approvalFact, requireApproval } from "@portcullis/approvals";
import {
  checkIfMatch,
  defineRoute,
  entityTag,
  type GuardRequest,
  parsePage,
  type Principal,
  ProblemError,
  problems,
  type Route,
} from "@portcullis/core";
import { z } from "zod";
import type { Collection, Document } from "../collection.js";
import { ok, okPage } from "../envelope.js";
import type { Permit } from "../permissions.js";
import { callerOf, workspaceOf } from "../workspace.js";
import { currentRevisionOnly, executionRequestSchema } from "./current-revision.js";
import { type Execution, riskOf, runStep, type Workflow, workflowSchema } from "./workflow.js";

type StoredWorkflow = Workflow & { readonly createdBy: string };

/** What the workflow routes work with. */
export interface WorkflowServices {
  readonly permit: Permit;
  readonly approvals: Approvals;
  readonly workflows: Collection<StoredWorkflow>;
  readonly executions: Collection<Execution>;
  /** Queues an event for the workspace's webhooks; once it resolves the event is not lost. */
  readonly publish: (
    workspaceId: string,
    eventType: "workflow.executed",
    payload: Execution & { readonly executionId: string },
  ) => Promise<unknown>;
  readonly limitExecutions: Route["guards"][number];
}

const idParams = z.object({ id: z.string().min(1).max(128) });
const pageQuery = z.object({ limit: z.string().optional(), offset: z.string().optional() });
const workflowView = z
  .object({
    id: z.string(),
    revision: z.number(),
    risk: z.enum(["HIGH", "CRITICAL"]).nullable(),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .extend(workflowSchema.shape);
const TAGS = ["workflows"];

/** `/api/workflows`: list, create, read, change, delete, execute. */
export function workflowRoutes(services: WorkflowServices): readonly Route[] {
  const { permit, approvals, workflows, executions, publish, limitExecutions } = services;

  const load = async (principal: Principal, id: string): Promise<Document<StoredWorkflow>> => {
    const document = await workflows.find(workspaceOf(principal), id);
    if (document === undefined) throw new ProblemError(problems.notFound());
    return document;
  };
  const asked = (request: GuardRequest): Promise<Document<StoredWorkflow> | undefined> =>
    workflows.find(workspaceOf(callerOf(request.facts)), request.param("id") ?? "");
  // A workflow of harmless steps runs at once. One that does not exist needs no approval either: the handler answers 404.
  const isRisky = async (request: GuardRequest): Promise<boolean> => {
    const document = await asked(request);
    return document !== undefined && riskOf(document.value) !== undefined;
  };

  return [
    defineRoute({
      method: "GET",
      path: "/api/workflows",
      operationId: "listWorkflows",
      summary: "Lists the workspace's workflows",
      tags: TAGS,
      guards: [permit("workflows.read")],
      input: { query: pageQuery },
      responses: { 200: { description: "A page of workflows", schema: z.array(workflowView) } },
      async handle(_request, { facts, query }) {
        const { limit, offset } = parsePage(query);
        const { documents, total } = await workflows.list(workspaceOf(callerOf(facts)), { limit, offset });
        return okPage(documents.map(view), { limit, offset, total });
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/workflows",
      operationId: "createWorkflow",
      summary: "Creates a workflow",
      tags: TAGS,
      guards: [permit("workflows.create")],
      input: { body: workflowSchema },
      responses: { 201: { description: "The workflow", schema: workflowView } },
      async handle(_request, { facts, body }) {
        const principal = callerOf(facts);
        const document = await workflows.insert(workspaceOf(principal), randomUUID(), { ...body, createdBy: principal.id });
        if (document === undefined) throw new ProblemError(problems.conflict());
        return ok(view(document), {
          status: 201,
          headers: { location: `/api/workflows/${document.id}`, etag: entityTag(document.revision) },
        });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/workflows/:id",
      operationId: "getWorkflow",
      summary: "Shows a workflow",
      tags: TAGS,
      guards: [permit("workflows.read")],
      input: { params: idParams },
      responses: { 200: { description: "The workflow", schema: workflowView } },
      async handle(_request, { facts, params }) {
        const document = await load(callerOf(facts), params.id);
        return ok(view(document), { headers: { etag: entityTag(document.revision) } });
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/api/workflows/:id",
      operationId: "updateWorkflow",
      summary: "Replaces a workflow, if it is still at the expected revision",
      tags: TAGS,
      guards: [permit("workflows.update")],
      input: { params: idParams, body: workflowSchema.extend({ expectedRevision: z.int().min(1) }) },
      responses: { 200: { description: "The workflow", schema: workflowView } },
      async handle(request, { facts, params, body }) {
        const principal = callerOf(facts);
        const current = await load(principal, params.id);
        const { expectedRevision, ...workflow } = body;
        const conflict = checkIfMatch({ header: (name) => request.headers.get(name) ?? undefined }, current.revision);
        if (conflict !== undefined) throw new ProblemError(conflict);
        const replaced = await workflows.replace(workspaceOf(principal), params.id, expectedRevision, {
          ...workflow,
          createdBy: current.value.createdBy,
        });
        if (replaced === undefined) throw new ProblemError(problems.versionConflict({ extensions: { currentRevision: current.revision } }));
        return ok(view(replaced), { headers: { etag: entityTag(replaced.revision) } });
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/workflows/:id",
      operationId: "deleteWorkflow",
      summary: "Deletes a workflow, once an approver agreed",
      tags: TAGS,
      guards: [
        permit("workflows.delete"),
        requireApproval(approvals, {
          riskLevel: "CRITICAL",
          operationType: "workflow:delete",
          description: (request) => `Delete workflow ${request.param("id")}`,
          permission: "workflows.delete",
        }),
      ],
      input: { params: idParams },
      responses: { 200: { description: "Deleted" }, 202: { description: "Waits for approval; see Location" } },
      async handle(_request, { facts, params }) {
        const principal = callerOf(facts);
        await load(principal, params.id);
        await workflows.remove(workspaceOf(principal), params.id);
        return ok({ id: params.id, deleted: true });
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/workflows/:id/execute",
      operationId: "executeWorkflow",
      summary: "Runs a workflow at a given revision; one with risky steps needs an approval, and runs once",
      tags: TAGS,
      guards: [
        permit("workflows.execute"),
        limitExecutions,
        currentRevisionOnly(async (request) => (await asked(request))?.revision),
        requireApproval(approvals, {
          riskLevel: "HIGH",
          operationType: "workflow:execute",
          description: (request) => `Execute workflow ${request.param("id")}`,
          permission: "workflows.execute",
          when: isRisky,
          showBody: true,
        }),
      ],
      input: { params: idParams, body: executionRequestSchema },
      responses: { 200: { description: "What the steps returned" }, 202: { description: "Waits for approval; see Location" } },
      async handle(_request, { facts, params, body }) {
        const principal = callerOf(facts);
        const document = await load(principal, params.id);
        if (document.revision !== body.expectedRevision)
          throw new ProblemError(problems.versionConflict({ extensions: { currentRevision: document.revision } }));
        // An approval that someone was asked for covers this revision; risk that came without one must not slip through.
        const grant = facts.get(approvalFact);
        if (grant === undefined && riskOf(document.value) !== undefined) throw new ProblemError(problems.versionConflict());
        const execution: Execution = {
          workflowId: document.id,
          workflowRevision: document.revision,
          startedBy: principal.id,
          results: document.value.steps.map((step) => ({ tool: step.tool, output: runStep(step) })),
          ...(grant === undefined ? {} : { approvalId: grant.approval.id }),
        };
        const id = randomUUID();
        await executions.insert(workspaceOf(principal), id, execution);
        await publish(workspaceOf(principal), "workflow.executed", { executionId: id, ...execution });
        return ok({ id, ...execution });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/workflow-executions",
      operationId: "listExecutions",
      summary: "Lists what ran",
      tags: TAGS,
      guards: [permit("workflows.read")],
      input: { query: pageQuery },
      responses: { 200: { description: "A page of executions" } },
      async handle(_request, { facts, query }) {
        const { limit, offset } = parsePage(query);
        const { documents, total } = await executions.list(workspaceOf(callerOf(facts)), { limit, offset });
        return okPage(
          documents.map(({ id, createdAt, value }) => ({ id, createdAt: new Date(createdAt).toISOString(), ...value })),
          { limit, offset, total },
        );
      },
    }),
  ];
}

function view({
  id,
  revision,
  createdAt,
  updatedAt,
  value,
}: Document<StoredWorkflow>): z.input<typeof workflowView> & { readonly createdBy: string } {
  return {
    id,
    revision,
    ...value,
    risk: riskOf(value) ?? null,
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
  };
}
