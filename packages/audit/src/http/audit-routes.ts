import { defineRoute, type Facts, type Guard, invalidOption, parsePage, ProblemError, problems, type Route } from "@portcullis/core";
import type { Audit, AuditFilter } from "../audit.js";
import { AuditError } from "../errors.js";
import { EXPORT_MEDIA_TYPES } from "../export/export-log.js";
import { exportQuery, filterOf, listQuery, proofParams, proofQuery } from "./audit-query.js";
import { requestParties } from "./request-parties.js";

/** Where the routes are and who may use them. */
export interface AuditRoutesOptions {
  /** Before `/audit`; empty unless given. */
  readonly prefix?: string;
  /** Who may read. No default: the audit trail is not for everyone. */
  readonly guards: readonly Guard[];
  /** Who may export; `guards` unless given. */
  readonly exportGuards?: readonly Guard[];
  /**
   * The one workspace whose events this caller may see; `undefined`: all. Proofs, checkpoints and verification are about the
   * whole log, and refused to a caller who may see one workspace only.
   */
  readonly workspaceOf?: (facts: Facts) => string | undefined;
}

const PREFIX = /^(?:\/[A-Za-z0-9._~-]+)*$/;
const TAGS = ["audit"];

/**
 * The audit log over HTTP: `GET /audit`, `/audit/export`, `/audit/checkpoint`, `/audit/verify`, `/audit/proof/:index`. Reading and
 * exporting are recorded before they are answered.
 *
 * @throws {ConfigurationError} `invalid_option`.
 * @example
 * ```ts
 * import { ALLOW, createApp, createMemoryStore, toFetchHandler } from "@portcullis/core";
 * import { auditRoutes, createAudit } from "@portcullis/audit";
 *
 * const audit = createAudit({ store: createMemoryStore(), name: "example.com/audit" });
 * const onlyHere = { name: "only-here", check: () => ALLOW }; // your permission guard
 * const handler = toFetchHandler(createApp({ routes: auditRoutes(audit, { guards: [onlyHere] }) }));
 * const response = await handler(new Request("http://localhost/audit?category=admin&limit=10"));
 * console.log(response.status); // 200
 * ```
 */
export function auditRoutes(audit: Audit, options: AuditRoutesOptions): readonly Route[] {
  const { prefix = "", guards, exportGuards = guards, workspaceOf = () => undefined } = options;
  if (typeof prefix !== "string" || !PREFIX.test(prefix))
    throw invalidOption("prefix", prefix, "empty or a path like /v1, without a slash at the end");
  if (!Array.isArray(guards) || guards.length === 0)
    throw invalidOption("guards", guards, "at least one guard: the audit trail is not for everyone");
  const path = `${prefix}/audit`;

  /** The filter of the query within what the caller may see. */
  const visible = (query: Parameters<typeof filterOf>[0], facts: Facts): AuditFilter => {
    const own = workspaceOf(facts);
    if (own !== undefined && query.workspace_id !== undefined && query.workspace_id !== own) throw new ProblemError(problems.forbidden());
    return filterOf(query, own);
  };
  const wholeLogOnly = (facts: Facts): void => {
    if (workspaceOf(facts) !== undefined) throw new ProblemError(problems.forbidden());
  };

  return Object.freeze([
    defineRoute({
      method: "GET",
      path,
      operationId: "auditList",
      summary: "List audit events in order of recording",
      tags: TAGS,
      guards,
      input: { query: listQuery },
      async handle(request, { query, facts }) {
        const filter = visible(query, facts);
        const { limit } = parsePage({ limit: query.limit });
        await audit.admin("audit.read", { ...requestParties(facts), userAgent: userAgentOf(request), details: { filter } });
        const { entries, nextIndex } = await audit.query(filter, { fromIndex: query.cursor ?? 0, limit });
        return Response.json({
          events: entries.map(({ index, event }) => ({ index, ...event })),
          pagination: { limit, ...(nextIndex === undefined ? {} : { nextCursor: String(nextIndex) }) },
          tree: await audit.head(),
        });
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/export`,
      operationId: "auditExport",
      summary: "Export audit events, verifiable without this server",
      tags: TAGS,
      guards: exportGuards,
      input: { query: exportQuery },
      async handle(request, { query, facts }) {
        const { format, tree_size } = query;
        const filter = visible(query, facts);
        // Opened before it is recorded: the event of an export is not part of it.
        const { header, chunks } = await rangeAsProblem(() => audit.openExport(format, filter, tree_size));
        await audit.admin("audit.export", {
          ...requestParties(facts),
          userAgent: userAgentOf(request),
          details: { format, filter, treeSize: header.treeSize },
        });
        return new Response(streamOf(chunks), {
          headers: {
            "content-type": EXPORT_MEDIA_TYPES[format],
            "content-disposition": `attachment; filename="audit.${format}"`,
            "x-audit-tree-size": String(header.treeSize),
            "x-audit-root": header.root,
          },
        });
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/checkpoint`,
      operationId: "auditCheckpoint",
      summary: "The log's size and root, signed",
      tags: TAGS,
      guards,
      async handle(_request, { facts }) {
        wholeLogOnly(facts);
        if (audit.verifierKeys.length === 0) throw new ProblemError(problems.notFound({ detail: "This audit log has no signer." }));
        const { note } = await audit.checkpoint();
        return new Response(note, { headers: { "content-type": "text/plain; charset=utf-8" } });
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/verify`,
      operationId: "auditVerify",
      summary: "Recompute the tree from the stored bytes",
      tags: TAGS,
      guards,
      async handle(_request, { facts }) {
        wholeLogOnly(facts);
        return Response.json(await audit.verify());
      },
    }),
    defineRoute({
      method: "GET",
      path: `${path}/proof/:index`,
      operationId: "auditProof",
      summary: "Proof that an entry is in the log",
      tags: TAGS,
      guards,
      input: { params: proofParams, query: proofQuery },
      async handle(_request, { params, query, facts }) {
        wholeLogOnly(facts);
        return Response.json(await rangeAsProblem(() => audit.proveInclusion(params.index, query.tree_size)));
      },
    }),
  ]);
}

async function rangeAsProblem<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof AuditError && error.code === "out_of_range") throw new ProblemError(problems.notFound({ detail: error.message }));
    throw error;
  }
}

function userAgentOf(request: Request): string | undefined {
  return request.headers.get("user-agent") ?? undefined;
}

/** Read when the client reads; a client that leaves ends the reading of the log. */
function streamOf(chunks: AsyncGenerator<string, void, undefined>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    async cancel() {
      await chunks.return();
    },
  });
}
