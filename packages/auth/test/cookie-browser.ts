import { correlationId, createApp, toFetchHandler, type Guard, type Route } from "@portcullis/core";
import { authRoutes, type AuthOptions } from "@portcullis/auth";
import { Cookie, CookieJar } from "tough-cookie";
import { type AuthFixture, createFixtureWithAda, EMAIL, PASSWORD } from "./auth-fixture.js";

export type Json = Record<string, unknown>;

/** An answer as a page sees it, and the fields that it does not see. */
export interface Answer {
  readonly status: number;
  readonly body: Json;
  readonly headers: Headers;
  readonly setCookies: readonly string[];
}

/** What a request says beyond its path. */
export interface Sent {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** From where the page is that sends it; default: the site itself. */
  readonly site?: "same-origin" | "same-site" | "cross-site";
  /** Whether the page repeats the CSRF cookie; default: yes, where it can read it. */
  readonly csrf?: boolean;
}

/** A browser with a cookie jar of its own, on one site. */
export class Browser {
  constructor(
    private readonly handler: (request: Request) => Promise<Response>,
    readonly site: string,
    readonly jar = new CookieJar(undefined, { prefixSecurity: "strict" }),
  ) {}

  async call(method: string, path: string, { body, headers = {}, site = "same-origin", csrf = true }: Sent = {}): Promise<Answer> {
    const url = `${this.site}${path}`;
    const cookies = await this.jar.getCookieString(url, { sameSiteContext: site === "cross-site" ? "none" : "strict" });
    const token = (await this.valueOf("__Host-csrf")) ?? (await this.valueOf("csrf"));
    const response = await this.handler(
      new Request(url, {
        method,
        headers: {
          host: new URL(url).host,
          "sec-fetch-site": site,
          ...(method === "GET" ? {} : { origin: site === "same-origin" ? this.site : "https://evil.example" }),
          ...(cookies === "" ? {} : { cookie: cookies }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(csrf && site === "same-origin" && token !== undefined ? { "x-csrf-token": token } : {}),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const setCookies = response.headers.getSetCookie();
    for (const line of setCookies) await this.jar.setCookie(line, url, { sameSiteContext: "strict" });
    const text = await response.text();
    return { status: response.status, body: (text === "" ? {} : JSON.parse(text)) as Json, headers: response.headers, setCookies };
  }

  logIn(more: Json = {}): Promise<Answer> {
    return this.call("POST", "/auth/login", { body: { email: EMAIL, password: PASSWORD, delivery: "cookie", ...more } });
  }

  /** The value that the browser holds, whatever path it is for. */
  async valueOf(name: string): Promise<string | undefined> {
    return (await this.cookies()).find(({ key }) => key === name)?.value;
  }

  async cookies(): Promise<readonly Cookie[]> {
    const all = (await this.jar.serialize()).cookies.map((cookie) => Cookie.fromJSON(cookie));
    return all.filter((cookie) => cookie !== undefined).filter((cookie) => (cookie.expiryTime() ?? Infinity) > Date.now());
  }
}

/** A server with one account and browsers for it. */
export interface CookieServer extends AuthFixture {
  readonly userId: string;
  readonly faults: unknown[];
  readonly handler: (request: Request) => Promise<Response>;
  browser(): Browser;
}

export async function createCookieServer(
  options: Partial<AuthOptions> = {},
  more: { readonly site?: string; readonly guards?: (fixture: AuthFixture) => readonly Guard[]; readonly routes?: readonly Route[] } = {},
): Promise<CookieServer> {
  const fixture = await createFixtureWithAda({ cookies: {}, ...options });
  const faults: unknown[] = [];
  const handler = toFetchHandler(
    createApp({
      guards: [correlationId(), ...(more.guards?.(fixture) ?? [])],
      routes: [...authRoutes(fixture.auth), ...(more.routes ?? [])],
      onFault: (fault) => faults.push(fault),
    }),
  );
  const fetchHandler = async (request: Request): Promise<Response> => handler(request);
  return {
    ...fixture,
    faults,
    handler: fetchHandler,
    browser: () => new Browser(fetchHandler, more.site ?? "https://app.example"),
  };
}
