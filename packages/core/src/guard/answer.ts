import type { HeaderList } from "./header-list.js";

/** A complete response that is not an error, as data: a status, header fields and a body of text (empty when absent). */
export interface Answer {
  readonly status: number;
  readonly headers?: HeaderList;
  readonly body?: string;
}

/** An answer with a JSON body. */
export function jsonAnswer(status: number, body: unknown, headers: HeaderList = []): Answer {
  return {
    status,
    headers: [["content-type", "application/json; charset=utf-8"], ...headers],
    body: JSON.stringify(body),
  };
}
