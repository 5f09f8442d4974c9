/**
 * A Fetch request without a header field: the same request where its fields can be changed, else a copy with the same body.
 *
 * Hosts call it; guards call `removeHeader`.
 */
export function withoutHeader(request: Request, name: string): Request {
  removeField(request, name);
  // `@hono/node-server` keeps the real request behind a light one, with fields of its own, for whoever clones it.
  for (const key of Object.getOwnPropertySymbols(request)) {
    const inner: unknown = Reflect.get(request, key);
    if (inner instanceof Request) removeField(inner, name);
  }
  return request.headers.has(name) ? copyWithout(request, name) : request;
}

function removeField({ headers }: Request, name: string): void {
  try {
    headers.delete(name); // never after `has`: the light request answers that from what Node has left
  } catch {
    // Immutable, as on Cloudflare Workers: whether the field is still there is asked afterwards.
  }
}

function copyWithout(request: Request, name: string): Request {
  const headers = new Headers(request.headers);
  headers.delete(name);
  if (!request.bodyUsed) return new Request(request, { headers });
  // No request can be made of one whose body was read. The copy's counts as read, too, so that nobody takes it for empty.
  const { url, method, signal } = request;
  const copy = new Request(url, { method, headers, signal, body: "" });
  copy.text().catch(() => {}); // an empty text: nothing fails
  return copy;
}
