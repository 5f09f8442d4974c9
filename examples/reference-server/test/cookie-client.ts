// A browser's part in tests over HTTP: keeps cookies, repeats the CSRF token, follows redirects between origins.
import type { AnswerBody } from "../src/story/api-client.js";

/** What came of a request. */
export interface CookieAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: AnswerBody | undefined;
}

/** A cookie jar per host and port, which is more than browsers part: no test here depends on the difference. */
export class CookieClient {
  readonly #jars = new Map<string, Map<string, string>>();
  constructor(readonly url: string) {}

  cookie(name: string, url = this.url): string | undefined {
    return this.#jarOf(url).get(name);
  }

  /** A second tab: the same cookies as of now. */
  tab(): CookieClient {
    const other = new CookieClient(this.url);
    for (const [name, value] of this.#jarOf(this.url)) other.#jarOf(this.url).set(name, value);
    return other;
  }

  async call(method: string, path: string, body?: unknown, { csrf = true }: { readonly csrf?: boolean } = {}): Promise<CookieAnswer> {
    const token = this.cookie("csrf");
    return this.#send(new URL(path, this.url), method, {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(csrf && token !== undefined ? { "x-csrf-token": token } : {}),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  /** Follows redirects from here. @returns every address on the way, the last one answered with no redirect. */
  async follow(path: string): Promise<{ readonly addresses: readonly string[]; readonly last: CookieAnswer }> {
    const addresses: string[] = [];
    let url = new URL(path, this.url);
    for (let hop = 0; hop < 15; hop += 1) {
      addresses.push(url.href);
      const last = await this.#send(url, "GET", {});
      const location = last.headers.get("location");
      if (location === null) return { addresses, last };
      url = new URL(location, url);
    }
    throw new Error("redirected in circles");
  }

  async #send(url: URL, method: string, { body, ...headers }: Readonly<Record<string, string>>): Promise<CookieAnswer> {
    const jar = this.#jarOf(url.href);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, {
      method,
      redirect: "manual",
      headers: { ...headers, ...(cookie === "" ? {} : { cookie }) },
      ...(body === undefined ? {} : { body }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]*)=([^;]*)/.exec(line) ?? [];
      if (value === "" || /Max-Age=0/i.test(line)) jar.delete(name);
      else jar.set(name, value);
    }
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    // The envelope is the server's contract; tests say what they read of it.
    return { status: response.status, headers: response.headers, text, json: isJson ? (JSON.parse(text) as AnswerBody) : undefined };
  }

  #jarOf(url: string): Map<string, string> {
    const { host } = new URL(url);
    const jar = this.#jars.get(host) ?? new Map<string, string>();
    this.#jars.set(host, jar);
    return jar;
  }
}
