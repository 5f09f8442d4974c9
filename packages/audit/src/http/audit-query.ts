import { z } from "zod";
import type { AuditFilter } from "../audit.js";
import { AUDIT_CATEGORIES } from "../event/audit-event.js";

// RFC 3339 with its offset, or a date: midnight in UTC. A time without an offset would mean another instant on every server.
const instant = z
  .union([z.iso.datetime({ offset: true }), z.iso.date()], "Write 2026-11-22 (midnight UTC) or 2026-11-22T10:00:00Z.")
  .transform((text) => Date.parse(text));

const wholeNumber = z
  .string()
  .regex(/^\d{1,15}$/, "Write a whole number.")
  .transform(Number);
const text = z.string().min(1).max(256);

const filter = {
  from: instant.optional().describe("Events at this instant or later."),
  to: instant.optional().describe("Events before this instant."),
  start_date: instant.optional().describe("The same as from."),
  end_date: instant.optional().describe("The same as to."),
  category: z.enum(AUDIT_CATEGORIES).optional(),
  actor: text.optional().describe("Id of the actor."),
  action: text.optional(),
  workspace_id: text.optional(),
};

const NO_CONFLICT = "Give from or start_date, not both; to or end_date, not both.";
const ORDERED = "from must be before to.";

interface RawFilter {
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  readonly start_date?: number | undefined;
  readonly end_date?: number | undefined;
}

const hasNoConflict = ({ from, to, start_date, end_date }: RawFilter): boolean =>
  (from === undefined || start_date === undefined) && (to === undefined || end_date === undefined);
const isOrdered = (raw: RawFilter): boolean => {
  const [from, to] = [raw.from ?? raw.start_date, raw.to ?? raw.end_date];
  return from === undefined || to === undefined || from <= to;
};

/** Query of `GET /audit`. Unknown names are refused: a filter with a typing error would show everything. */
export const listQuery = z
  .strictObject({ ...filter, cursor: wholeNumber.optional(), limit: z.string().optional(), offset: z.undefined().optional() })
  .refine(hasNoConflict, NO_CONFLICT)
  .refine(isOrdered, ORDERED);

/** Query of `GET /audit/export`. */
export const exportQuery = z
  .strictObject({
    ...filter,
    format: z.enum(["json", "ndjson", "csv"]).default("ndjson"),
    tree_size: wholeNumber.optional().describe("Export the log as it was at this size."),
  })
  .refine(hasNoConflict, NO_CONFLICT)
  .refine(isOrdered, ORDERED);

/** Query of `GET /audit/proof/:index`. */
export const proofQuery = z.strictObject({ tree_size: wholeNumber.optional() });
export const proofParams = z.strictObject({ index: wholeNumber });

/** The filter of a validated query. @param workspaceId The only workspace the caller may see; `undefined`: all. */
export function filterOf(query: z.output<typeof listQuery> | z.output<typeof exportQuery>, workspaceId: string | undefined): AuditFilter {
  const { from = query.start_date, to = query.end_date, category, actor, action, workspace_id = workspaceId } = query;
  return {
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(category === undefined ? {} : { category }),
    ...(actor === undefined ? {} : { actor }),
    ...(action === undefined ? {} : { action }),
    ...(workspace_id === undefined ? {} : { workspaceId: workspace_id }),
  };
}
