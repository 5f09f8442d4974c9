import { defineRoute, parsePage, ProblemError, problems, type Route } from "@portcullis/core";
import { WebhookError, type Webhooks } from "@portcullis/webhooks";
import { z } from "zod";
import { ok, okPage } from "../envelope.js";
import type { Permit } from "../permissions.js";
import { callerOf, workspaceOf } from "../workspace.js";
import { EVENTS } from "./event-catalogue.js";

/** What the webhook routes work with. */
export interface WebhookServices {
  readonly permit: Permit;
  readonly webhooks: Webhooks<typeof EVENTS>;
}

const TAGS = ["webhooks"];
const idParams = z.object({ id: z.string().min(1).max(300) });
const pageQuery = z.object({ limit: z.string().optional(), cursor: z.string().optional() });
const endpointBody = z.object({
  url: z.string().min(1).max(2048),
  events: z.array(z.enum(["*", ...(Object.keys(EVENTS) as (keyof typeof EVENTS)[])])).min(1), // the keys of a constant
  description: z.string().max(256).optional(),
});

/** `/api/webhooks`: endpoints, the event catalogue, deliveries, dead letters. */
export function webhookRoutes({ permit, webhooks }: WebhookServices): readonly Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/webhooks/events",
      operationId: "listWebhookEvents",
      summary: "Lists the event types there are",
      tags: TAGS,
      guards: [permit("webhooks.read")],
      responses: { 200: { description: "Event types" } },
      handle: () => ok(Object.keys(EVENTS)),
    }),
    defineRoute({
      method: "GET",
      path: "/api/webhooks/endpoints",
      operationId: "listWebhookEndpoints",
      summary: "Lists the receivers",
      tags: TAGS,
      guards: [permit("webhooks.read")],
      input: { query: pageQuery },
      responses: { 200: { description: "A page of endpoints" } },
      async handle(_request, { facts, query }) {
        const { limit, cursor } = parsePage(query);
        const { endpoints, total, nextCursor } = await webhooks.endpoints.list({
          workspaceId: workspaceOf(callerOf(facts)),
          limit,
          cursor,
        });
        return okPage(endpoints, { limit, total, ...(nextCursor === undefined ? {} : { nextCursor }) });
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/webhooks/endpoints",
      operationId: "createWebhookEndpoint",
      summary: "Registers a receiver; its secret is shown this once",
      tags: TAGS,
      guards: [permit("webhooks.manage")],
      input: { body: endpointBody },
      responses: { 201: { description: "The endpoint and its signing secret" } },
      async handle(_request, { facts, body }) {
        const { url, events, description } = body;
        const { endpoint, secret } = await refusals(
          webhooks.endpoints.register({
            workspaceId: workspaceOf(callerOf(facts)),
            url,
            eventTypes: events,
            ...(description === undefined ? {} : { description }),
          }),
        );
        return ok({ ...endpoint, secret }, { status: 201, headers: { location: `/api/webhooks/endpoints/${endpoint.id}` } });
      },
    }),
    defineRoute({
      method: "DELETE",
      path: "/api/webhooks/endpoints/:id",
      operationId: "deleteWebhookEndpoint",
      summary: "Removes a receiver",
      tags: TAGS,
      guards: [permit("webhooks.manage")],
      input: { params: idParams },
      responses: { 200: { description: "Removed" } },
      async handle(_request, { facts, params }) {
        if (!(await webhooks.endpoints.remove(params.id, workspaceOf(callerOf(facts))))) throw new ProblemError(problems.notFound());
        return ok({ id: params.id, deleted: true });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/webhooks/deliveries",
      operationId: "listDeliveries",
      summary: "Lists deliveries, the newest first",
      tags: TAGS,
      guards: [permit("webhooks.read")],
      input: { query: pageQuery },
      responses: { 200: { description: "A page of deliveries" } },
      async handle(_request, { facts, query }) {
        const { limit, cursor } = parsePage(query);
        const { deliveries, nextCursor } = await webhooks.deliveries.list({ workspaceId: workspaceOf(callerOf(facts)), limit, cursor });
        return okPage(deliveries, { limit, ...(nextCursor === undefined ? {} : { nextCursor }) });
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/webhooks/dead-letters",
      operationId: "listDeadLetters",
      summary: "Lists deliveries that were given up",
      tags: TAGS,
      guards: [permit("webhooks.read")],
      input: { query: pageQuery },
      responses: { 200: { description: "A page of deliveries" } },
      async handle(_request, { facts, query }) {
        const { limit, cursor } = parsePage(query);
        const { deliveries, nextCursor } = await webhooks.deadLetters.list({ workspaceId: workspaceOf(callerOf(facts)), limit, cursor });
        return okPage(deliveries, { limit, ...(nextCursor === undefined ? {} : { nextCursor }) });
      },
    }),
    defineRoute({
      method: "POST",
      path: "/api/webhooks/dead-letters/:id/retry",
      operationId: "retryDeadLetter",
      summary: "Sends a dead letter again, under the same id",
      tags: TAGS,
      guards: [permit("webhooks.manage")],
      input: { params: idParams },
      responses: { 200: { description: "Queued again" } },
      async handle(_request, { facts, params }) {
        if ((await webhooks.deadLetters.retry([params.id], workspaceOf(callerOf(facts)))) === 0)
          throw new ProblemError(problems.notFound());
        return ok({ id: params.id, retried: true });
      },
    }),
  ];
}

// What the caller asked for and cannot have is a problem of the request, not a fault of ours.
async function refusals<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof WebhookError && error.code === "egress_blocked")
      throw new ProblemError(problems.egressBlocked(), { cause: error });
    throw error;
  }
}
