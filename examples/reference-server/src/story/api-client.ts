/** An answer of the server, its JSON parsed. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body; `undefined` when it is no JSON. */
  readonly json: AnswerBody | undefined;
}

/** The envelope of every JSON answer. */
export interface AnswerBody {
  readonly data: unknown;
  readonly error: string | null;
  readonly errorDetail: {
    readonly code: number;
    readonly detail: string;
    readonly retryAfter?: number;
    readonly [member: string]: unknown;
  } | null;
  readonly success: boolean;
}

/** What a request carries beside its path. */
export interface RequestParts {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls the server as any client would, over HTTP. */
export type ApiClient = (method: string, path: string, parts?: RequestParts) => Promise<Answer>;

/** A client of the server at `url()`; asked for each call, because the server may be restarted elsewhere. */
export function createApiClient(url: () => string): ApiClient {
  return async (method, path, { token, body, headers = {} } = {}) => {
    const response = await fetch(`${url()}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, headers: response.headers, text, json: isJson ? parse(text) : undefined };
  };
}

function parse(text: string): AnswerBody | undefined {
  try {
    return JSON.parse(text) as AnswerBody; // the envelope is the server's contract; the story asserts what it reads of it
  } catch {
    return undefined; // newline-delimited JSON, for one
  }
}
