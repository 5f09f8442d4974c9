/** The page of a list that a client asked for. */
export interface PageRequest {
  /** 1 to 200. */
  readonly limit: number;
  /** 0 and up. */
  readonly offset: number;
  /** Opaque; from the page before. */
  readonly cursor: string | undefined;
}

/** What a list's response says of its page: an offset or the next cursor, and the total where it is known. */
export interface Pagination {
  readonly limit: number;
  readonly offset?: number;
  /** Absent on the last page. */
  readonly nextCursor?: string;
  readonly total?: number;
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 200;

/**
 * Reads `limit`, `offset` and `cursor` of a query. The limit is clamped to 1..200 (default 50), the offset to 0 and up; what is
 * no number is the default: a list never fails for its page.
 *
 * @example
 * ```ts
 * import { parsePage } from "@portcullis/core";
 *
 * console.log(parsePage({ limit: "1000" }).limit); // 200
 * ```
 */
export function parsePage(query: Readonly<Record<string, string | readonly string[] | undefined>>): PageRequest {
  return {
    limit: Math.min(MAX_LIMIT, Math.max(1, wholeNumber(query.limit) ?? DEFAULT_LIMIT)),
    offset: Math.max(0, wholeNumber(query.offset) ?? 0),
    cursor: typeof query.cursor === "string" && query.cursor !== "" ? query.cursor : undefined,
  };
}

function wholeNumber(value: string | readonly string[] | undefined): number | undefined {
  return typeof value === "string" && /^-?\d{1,15}$/.test(value) ? Number(value) : undefined;
}
