import { addsLine, type HeaderList, isAppended, type ProblemResponse } from "@portcullis/core";
import type { Context } from "hono";

/** A response of a guard as a Fetch response. */
export function toResponse({ status, headers, body }: ProblemResponse): Response {
  const fields = new Headers();
  for (const [name, value] of headers) fields.append(name, value);
  return new Response(body === "" ? null : body, { status, headers: fields });
}

/**
 * Adds fields to the finished response; those the handler set itself stay, as in frameworks where headers come first.
 *
 * Hono keeps fields that were set before the handler only for responses made with `c.text` and its like: a raw `Response`,
 * or one of `fetch` with immutable headers, would lose them.
 */
export function addHeaders(c: Context, list: HeaderList): void {
  if (list.length === 0 || !c.finalized) return;
  try {
    append(c.res.headers, list);
  } catch {
    // Immutable (a response of `fetch`, a redirect). Hono copies the old fields over the new unless there is no old response.
    const copy = new Response(c.res.body, c.res);
    c.res = undefined;
    append(copy.headers, list);
    c.res = copy;
  }
}

function append(headers: Headers, list: HeaderList): void {
  const own: string[] = [];
  for (const [index, [name, value]] of list.entries()) {
    if (isAppended(name)) headers.append(name, value);
    else if (addsLine(list, index)) own.includes(name) || headers.append(name, value);
    else if (headers.has(name)) own.push(name);
    else headers.set(name, value);
  }
}
