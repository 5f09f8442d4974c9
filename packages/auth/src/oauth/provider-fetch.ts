// Every request to a provider goes through here: bounded in time and size, to allowed addresses, following no redirect.

import { isIP } from "node:net";
import type { Clock } from "@portcullis/core";
import { OAuthRefused } from "./oauth-failure.js";

/** As the global `fetch`, as far as it is used. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

/** What a request to a provider may say; where it goes on to, and how long it may take, is not for its caller to say. */
export interface ProviderRequest {
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: URLSearchParams | undefined;
}

/** A fetch with bounds. */
export type ProviderFetch = (url: string, request?: ProviderRequest) => Promise<Response>;

export interface ProviderFetchOptions {
  readonly fetch: Fetch;
  readonly clock: Clock;
  /** From the request to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly insecureLocalhost: boolean;
}

/**
 * @throws {OAuthRefused} `provider_unavailable`: no whole answer in time, or one of 5xx or 429. `response_invalid`: a redirect, an
 *   answer that is too large, or an address that may not be called.
 */
export function createProviderFetch(options: ProviderFetchOptions): ProviderFetch {
  const { fetch, clock, timeoutMs, maxBytes, insecureLocalhost } = options;
  return async (url, { method = "GET", headers = {}, body = null } = {}) => {
    if (!isSecure(new URL(url), insecureLocalhost)) throw new OAuthRefused("response_invalid");
    const abort = new AbortController();
    // Raced, not only signalled: a fetch of the application's own may not listen.
    const late = new Promise<never>((_resolve, reject) => {
      abort.signal.addEventListener("abort", () => reject(new OAuthRefused("provider_unavailable")), { once: true });
    });
    const cancel = clock.after(timeoutMs, () => abort.abort());
    try {
      return await Promise.race([load(fetch, url, { method, headers, body, signal: abort.signal }, maxBytes), late]);
    } catch (cause) {
      if (cause instanceof OAuthRefused) throw cause;
      throw new OAuthRefused("provider_unavailable", undefined, { cause });
    } finally {
      cancel();
    }
  };
}

async function load(fetch: Fetch, url: string, init: RequestInit, maxBytes: number): Promise<Response> {
  // A redirect would carry the code, the client's secret or the access token to wherever it points.
  const response = await fetch(url, { ...init, redirect: "manual" });
  const { status, headers } = response;
  if (response.redirected || response.type === "opaqueredirect" || (status >= 300 && status < 400)) throw await refused(response);
  if (status >= 500 || status === 429) throw await refused(response, "provider_unavailable");
  const bytes = await readAtMost(response, maxBytes);
  return new Response(bytes.length === 0 ? null : bytes, { status, headers });
}

// Counted while it arrives, after decompression: the length a server announces, or a small archive, proves nothing.
async function readAtMost(response: Response, maxBytes: number): Promise<Buffer<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw await refused(response);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function refused(
  response: Response,
  reason: "response_invalid" | "provider_unavailable" = "response_invalid",
): Promise<OAuthRefused> {
  if (response.body?.locked === false) await response.body.cancel().catch(() => {}); // a source that cannot stop well has stopped
  return new OAuthRefused(reason);
}

/** Whether a provider may be reached there at all: TLS, except for this machine where that is allowed. */
export function isSecure(url: URL, insecureLocalhost: boolean): boolean {
  return url.protocol === "https:" || (url.protocol === "http:" && insecureLocalhost && isLocalhost(url.hostname));
}

/** Of a parsed URL, whose host is in one spelling only. */
export function isLocalhost(hostname: string): boolean {
  return hostname === "localhost" || hostname === "127.0.0.1" || hostname === "[::1]";
}

/**
 * Whether metadata may name this endpoint. Metadata is text from outside: it must not lead us to an address inside our network, so
 * literal addresses and local names are taken from it only where the configured issuer itself is one.
 */
export function isAllowedEndpoint(endpoint: unknown, issuer: URL, insecureLocalhost: boolean): endpoint is string {
  if (typeof endpoint !== "string" || !URL.canParse(endpoint)) return false;
  const url = new URL(endpoint);
  if (!isSecure(url, insecureLocalhost) || url.username !== "" || url.password !== "" || url.hash !== "") return false;
  if (url.hostname === issuer.hostname) return true;
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  return isIP(host) === 0 && host.includes(".") && !/\.(?:localhost|local|internal)$/.test(host);
}
