import { correlationIdFact, type Pagination, problemBody, type RenderProblem, renderProblemJson, type Route } from "@portcullis/core";

/** A JSON response: `{ data, error, errorDetail, success }`. */
export function ok(data: unknown, init: ResponseInit = {}): Response {
  return Response.json({ data, error: null, errorDetail: null, success: true }, init);
}

/** A page of a list, with the sources that failed gracefully. */
export function okPage(data: readonly unknown[], pagination: Pagination, degradedSources: readonly string[] = []): Response {
  return Response.json({ data, error: null, errorDetail: null, success: true, pagination, degradedSources });
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
      return ok(await response.json(), { status: response.status, headers });
    },
  });
}
