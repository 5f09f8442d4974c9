import { createApp, type Problem, toFetchHandler } from "@portcullis/core";
import type { AuthOptions } from "@portcullis/auth";
import { authRoutes } from "@portcullis/auth";
import { createOAuth, type OAuth, type OAuthOptions, oauthRoutes, oidc, type OidcOptions } from "@portcullis/auth/oauth";
import { CookieJar } from "tough-cookie";
import { type MutableToken, OAuth2Server } from "oauth2-mock-server";
import { afterAll, beforeAll, beforeEach } from "vitest";
import { type AuthFixture, createFixture } from "./auth-fixture.js";

export const API = "https://api.example.test";
export const APP = "https://app.example.test";
export const LANDING = `${APP}/login`;
export const CLIENT = { clientId: "portcullis", clientSecret: "a client secret + with: signs" };

/** A service that logs in over providers. */
export interface OAuthFixture extends AuthFixture {
  readonly oauth: OAuth;
  readonly handler: (request: Request) => Promise<Response>;
  /** What the application was told as a fault: a 500. */
  readonly faults: unknown[];
  readonly browser: () => Browser;
}

export function createOAuthFixture(
  options: Pick<OAuthOptions, "providers"> & Partial<OAuthOptions>,
  authOptions: Partial<AuthOptions> = {},
): OAuthFixture {
  const fixture = createFixture(authOptions);
  fixture.clock.set(Date.now()); // the providers have the machine's
  const oauth = createOAuth({
    auth: fixture.auth,
    baseUrl: API,
    redirects: { allow: [LANDING, `${APP}/other`], default: LANDING },
    delivery: "fragment",
    onUnknown: { create: { roles: ["member"] } },
    insecureLocalhost: true,
    ...options,
  });
  const faults: unknown[] = [];
  const app = createApp({
    routes: [...authRoutes(fixture.auth), ...oauthRoutes(oauth)],
    onFault: (fault) => faults.push(fault),
  });
  const handler = toFetchHandler(app);
  return { ...fixture, oauth, handler, faults, browser: () => new Browser(handler) };
}

/** Follows redirects between the service and real providers, with one cookie jar, as somebody's browser does. */
export class Browser {
  // Prefixes as browsers enforce them.
  readonly jar = new CookieJar(undefined, { prefixSecurity: "strict" });
  constructor(private readonly handler: (request: Request) => Promise<Response>) {}

  /** One request, no redirect followed. */
  async visit(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    const cookie = await this.jar.getCookieString(url, { sameSiteContext: "lax" });
    if (cookie !== "") headers.set("cookie", cookie);
    const request = new Request(url, { ...init, headers, redirect: "manual" });
    const response = await (url.startsWith(API) ? this.handler(request) : fetch(request));
    for (const field of response.headers.getSetCookie()) await this.jar.setCookie(field, url);
    return response;
  }

  /** Clicks the button. @returns where the browser was sent. */
  async start(query: Readonly<Record<string, string>> = {}, provider = "mock"): Promise<string> {
    const response = await this.visit(`${API}/auth/oauth/${provider}?${new URLSearchParams(query).toString()}`);
    if (response.status !== 303) throw new Error(`start: ${response.status} ${await response.text()}`);
    return String(response.headers.get("location"));
  }

  /** Follows redirects from the provider's page on. @returns the address of the callback. */
  async consent(authorizationUrl: string): Promise<string> {
    let url = authorizationUrl;
    for (let hop = 0; hop < 12; hop += 1) {
      const response = await this.visit(url);
      const location = response.headers.get("location");
      if (location === null) throw new Error(`${url}: ${response.status} ${await response.text()}`);
      url = new URL(location, url).href;
      if (url.startsWith(API)) return url;
    }
    throw new Error("redirected in circles");
  }

  /** The whole way. @returns what the callback answered. */
  async login(query: Readonly<Record<string, string>> = {}, provider = "mock"): Promise<Response> {
    return this.visit(await this.consent(await this.start(query, provider)));
  }
}

/** The parameters of a fragment. */
export function fragmentOf(response: Response): URLSearchParams {
  return new URLSearchParams(new URL(String(response.headers.get("location"))).hash.slice(1));
}

/** The problem of an answer, with its HTTP status. */
export async function problemOf(response: Response): Promise<Problem & { readonly reason?: string }> {
  const problem = (await response.json()) as Problem & { readonly reason?: string };
  if (problem.status !== response.status) throw new Error("the body's status is not the answer's");
  return problem;
}

/** What a lying provider says. */
export interface Lies {
  idToken: (token: MutableToken) => void;
  userinfo: Record<string, unknown>;
}

/** A provider that can lie, for the tests of one file; it tells the truth again before each. */
export function lyingProvider() {
  const server = new OAuth2Server();
  const lies: Lies = { idToken: () => {}, userinfo: {} };
  beforeAll(async () => {
    await server.issuer.keys.generate("RS256");
    await server.start(0, "localhost");
  });
  afterAll(async () => server.stop());
  beforeEach(() => {
    server.service.removeAllListeners();
    lies.idToken = () => {};
    lies.userinfo = {};
    server.service.on("beforeTokenSigning", (token: MutableToken) => {
      token.payload["sub"] = "person-1";
      lies.idToken(token);
    });
    server.service.on("beforeUserinfo", (answer: { body: Record<string, unknown> }) => {
      answer.body = { sub: "person-1", email: "ada@example.com", email_verified: true, name: "Ada", ...lies.userinfo };
    });
  });
  return {
    server,
    lies,
    issuer: (): string => String(server.issuer.url),
    client: (options: Partial<OidcOptions> = {}) => oidc({ issuer: String(server.issuer.url), ...CLIENT, ...options }),
  };
}
