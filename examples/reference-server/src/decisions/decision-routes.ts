import { defineKey, type DecisionCache } from "@portcullis/decision-cache";
import { defineRoute, type Guard, ProblemError, problems, type Route } from "@portcullis/core";
import { z } from "zod";
import type { Collection, Document } from "../collection.js";
import { ok } from "../envelope.js";
import type { Permit } from "../permissions.js";
import { callerOf, workspaceOf } from "../workspace.js";
import { AGENTS, type Policy, policySchema, type Routing, routeTask } from "./router.js";

/** What the decision routes work with. */
export interface DecisionServices {
  readonly permit: Permit;
  readonly policies: Collection<Policy>;
  readonly cache: DecisionCache<Routing | null>;
  readonly limitDecisions: Guard;
}

const TAGS = ["decisions"];
const DEFAULT_POLICY: Policy = Object.freeze({ strategy: "cheapest" });
const taskSchema = z.object({ skill: z.string().min(1).max(64), tags: z.array(z.string().min(1).max(64)).max(10).default([]) });

/** `/api/decisions` routes tasks to agents; `/api/policy` says how. A new policy outdates what was decided under the old one. */
export function decisionRoutes({ permit, policies, cache, limitDecisions }: DecisionServices): readonly Route[] {
  // A policy has a revision in the store; a workspace that never set one is at revision 0.
  const current = async (workspaceId: string): Promise<Pick<Document<Policy>, "revision" | "value">> =>
    (await policies.find(workspaceId, workspaceId)) ?? { revision: 0, value: DEFAULT_POLICY };

  return [
    defineRoute({
      method: "POST",
      path: "/api/decisions",
      operationId: "decide",
      summary: "Routes a task to an agent under the workspace's policy",
      tags: TAGS,
      guards: [permit("decisions.create"), limitDecisions],
      input: { body: taskSchema },
      responses: { 200: { description: "The agent, why, and whether the decision was cached" } },
      async handle(_request, { facts, body }) {
        const workspaceId = workspaceOf(callerOf(facts));
        const { revision, value: policy } = await current(workspaceId);
        let isComputed = false;
        const routing = await cache.getOrCompute(
          decisionKey({ workspaceId, skill: body.skill }),
          { workspaceId, policyVersion: revision, agents: AGENTS.map(({ name, version }) => ({ name, version })), tags: body.tags },
          () => {
            isComputed = true;
            return routeTask(body.skill, policy) ?? null;
          },
        );
        if (routing === null) throw new ProblemError(problems.notFound({ detail: "No agent has this skill." }));
        return ok({ ...routing, policyVersion: revision, cached: !isComputed });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/policy",
      operationId: "getPolicy",
      summary: "Shows the workspace's routing policy",
      tags: TAGS,
      guards: [permit("decisions.create")],
      responses: { 200: { description: "The policy and its version" } },
      async handle(_request, { facts }) {
        const { revision, value } = await current(workspaceOf(callerOf(facts)));
        return ok({ ...value, version: revision });
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/api/policy",
      operationId: "setPolicy",
      summary: "Replaces the routing policy; cached decisions of older versions are not used again",
      tags: TAGS,
      guards: [permit("decisions.configure")],
      input: { body: policySchema.extend({ expectedVersion: z.int().min(0) }) },
      responses: { 200: { description: "The policy and its version" } },
      async handle(_request, { facts, body }) {
        const workspaceId = workspaceOf(callerOf(facts));
        const { expectedVersion, ...policy } = body;
        const saved =
          expectedVersion === 0
            ? await policies.insert(workspaceId, workspaceId, policy)
            : await policies.replace(workspaceId, workspaceId, expectedVersion, policy);
        if (saved === undefined)
          throw new ProblemError(problems.versionConflict({ extensions: { currentRevision: (await current(workspaceId)).revision } }));
        cache.setPolicyVersion(saved.revision, { workspaceId });
        return ok({ ...saved.value, version: saved.revision });
      },
    }),
  ];
}

const decisionKey = defineKey(["workspaceId", "skill"]);
