import { type HeaderList, type Outcome, type ProblemResponse, settleAfterBody, type WriteField, writeFields } from "@portcullis/core";
import type { Context } from "hono";

/** A response of a guard as a Fetch response. */
export function toResponse({ status, headers, body }: ProblemResponse): Response {
  const fields = new Headers();
  for (const [name, value] of headers) fields.append(name, value);
  return new Response(body === "" ? null : body, { status, headers: fields });
}

/** Settles when the response has ended, by its body: the only sign where there is no Node. */
export function settleWith(response: Response, c: Context, settle: (outcome: Outcome) => void): Response {
  // Hono drops the body of an answer to HEAD without a word to it.
  if (c.req.raw.method !== "HEAD") return settleAfterBody(response, c.req.raw.signal, settle);
  settle({ kind: "responded", status: response.status });
  return response;
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
  writeFields({ headers, handlers: [] }, list, setField, addField);
}

interface Finished {
  readonly headers: Headers;
  /** Names of fields that the handler set and that stay. */
  readonly handlers: string[];
}

const setField: WriteField<Finished> = ({ headers, handlers }, name, value) => {
  if (headers.has(name)) handlers.push(name);
  else headers.append(name, value);
};
const addField: WriteField<Finished> = ({ headers, handlers }, name, value) => {
  if (!handlers.includes(name)) headers.append(name, value);
};
