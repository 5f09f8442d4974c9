import { correlationIdFact, type Pagination, problemBody, type RenderProblem, renderProblemJson, type Route } from "@portcullis/core";
import { z } from "zod";

const EMPTY = Object.freeze({ data: null, error: null, errorDetail: null, success: true });
const paginationSchema = z.object({
  limit: z.number(),
  offset: z.number().optional(),
  total: z.number().optional(),
  nextCursor: z.string().optional(),
});
const pageSchema = z.strictObject({ data: z.array(z.unknown()), pagination: paginationSchema });
const envelopeSchema = z.object({ data: z.unknown(), error: z.null(), errorDetail: z.null(), success: z.literal(true) });

/** A JSON response: `{ data, error, errorDetail, success }`. */
export function ok(data: unknown, init: ResponseInit = {}): Response {
  return Response.json({ ...EMPTY, data }, init);
}

/** A page of a list, with the sources that failed gracefully. */
export function okPage(data: readonly unknown[], pagination: Pagination, degradedSources: readonly string[] = []): Response {
  return Response.json({ ...EMPTY, data, pagination, degradedSources });
}

/** Problems in the envelope; bare (RFC 9457) for clients that accept `application/problem+json`. */
export const renderInEnvelope: RenderProblem = (problem, request) => {
  if (/application\/problem\+json/i.test(request.header("accept") ?? "")) return renderProblemJson(problem, request);
  const errorDetail = problemBody(problem, request.facts.get(correlationIdFact));
  return {
    contentType: "application/json",
    body: JSON.stringify({ data: null, error: problem.detail, errorDetail, success: false }),
  };
};

/** A route of a package, its JSON answers put into the envelope; downloads stay as they are. */
export function inEnvelope(route: Route): Route {
  return Object.freeze({
    ...route,
    async handle(...parameters: Parameters<Route["handle"]>): Promise<Response> {
      const response = await route.handle(...parameters);
      const isDownload = response.headers.has("content-disposition");
      const isJson = /^application\/json\b/.test(response.headers.get("content-type") ?? "");
      if (isDownload || !isJson) return response;
      const headers = new Headers(response.headers);
      headers.delete("content-length");
      const body: unknown = await response.json();
      // A page brings its own `data` and `pagination`: they are the envelope's.
      const page = pageSchema.safeParse(body);
      return page.success
        ? Response.json({ ...EMPTY, ...page.data, degradedSources: [] }, { status: response.status, headers })
        : ok(body, { status: response.status, headers });
    },
  });
}

/** A route whose documentation shows its answers as they are sent: in the envelope. */
export function documentedInEnvelope(route: Route): Route {
  const responses = Object.entries(route.responses).map(([status, response]) => {
    // Without a schema there is nothing to wrap; of another library's schema zod can make no envelope.
    if (!(response.schema instanceof z.ZodType)) return [status, response] as const;
    const paging = response.schema instanceof z.ZodArray ? { pagination: paginationSchema, degradedSources: z.array(z.string()) } : {};
    return [status, { ...response, schema: envelopeSchema.extend({ data: response.schema, ...paging }) }] as const;
  });
  return Object.freeze({ ...route, responses: Object.freeze(Object.fromEntries(responses)) });
}
