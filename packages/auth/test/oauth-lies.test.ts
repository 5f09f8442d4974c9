import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import type { MutableResponse, MutableToken, OAuth2Server } from "oauth2-mock-server";
import { oidc, google } from "@portcullis/auth/oauth";
import { afterEach, describe, expect, it } from "vitest";
import { CLIENT, createOAuthFixture, fragmentOf, LANDING, lyingProvider, type OAuthFixture, problemOf } from "./oauth-fixture.js";

const provider = lyingProvider();
const { lies } = provider;
const service = (client = {}, options = {}) => createOAuthFixture({ providers: { mock: provider.client(client) }, ...options });

/** Refused with this reason and nothing left behind: no account, no session, no fault. */
async function expectRefused(fixture: OAuthFixture, response: Response, reason: string, status: number): Promise<void> {
  expect(await problemOf(response)).toMatchObject({ code: 1018, status, reason });
  expect((await fixture.users.list({ limit: 1 })).total).toBe(0);
  expect(fixture.events.map(({ kind }) => kind)).toEqual(["oauth_failed"]);
  expect(fixture.counted).toEqual(["auth_attempts_total{oauth,failure}", `auth_failures_total{${reason}}`]);
  expect(fixture.faults).toEqual([]);
}

const now = (): number => Math.floor(Date.now() / 1000);
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const partsOf = (response: MutableResponse): string[] => String((response.body as Record<string, unknown>)["id_token"]).split(".");
const swapIdToken = (make: (parts: string[]) => string) => (response: MutableResponse) => {
  (response.body as Record<string, unknown>)["id_token"] = make(partsOf(response));
};

describe("a provider that lies", () => {
  it("AUTH-O6 the same provider telling the truth is believed", async () => {
    expect(fragmentOf(await service().browser().login()).has("access_token")).toBe(true);
  });

  it.each<[string, (payload: Record<string, unknown>, header: Record<string, unknown>) => void]>([
    ["iss of somebody else", (payload) => void (payload["iss"] = "https://evil.example")],
    ["iss with a slash more", (payload) => void (payload["iss"] = `${String(payload["iss"])}/`)],
    ["no iss", (payload) => void delete payload["iss"]],
    ["aud of another client", (payload) => void (payload["aud"] = "another")],
    ["aud of others too, without azp", (payload) => void (payload["aud"] = [CLIENT.clientId, "another"])],
    ["azp of another client", (payload) => void (payload["azp"] = "another")],
    [
      "azp of another client among several aud",
      (payload) => void Object.assign(payload, { aud: [CLIENT.clientId, "another"], azp: "another" }),
    ],
    ["aud that only begins like ours", (payload) => void (payload["aud"] = `${CLIENT.clientId}2`)],
    ["no aud", (payload) => void delete payload["aud"]],
    ["no sub", (payload) => void delete payload["sub"]],
    ["an empty sub", (payload) => void (payload["sub"] = "")],
    ["a sub that is no text", (payload) => void (payload["sub"] = 7)],
    ["a sub without end", (payload) => void (payload["sub"] = "a".repeat(256))],
    ["exp in the past", (payload) => void (payload["exp"] = now() - 31)],
    ["exp as text", (payload) => void (payload["exp"] = String(now() + 60))],
    ["no exp", (payload) => void delete payload["exp"]],
    ["no iat", (payload) => void delete payload["iat"]],
    ["iat in the future", (payload) => void (payload["iat"] = now() + 90)],
    ["nbf in the future", (payload) => void (payload["nbf"] = now() + 90)],
    ["a nonce of another login", (payload) => void (payload["nonce"] = "another")],
    ["no nonce", (payload) => void delete payload["nonce"]],
    ["a key id that is not published", (_payload, header) => void (header["kid"] = "invented")],
  ])("AUTH-O6 an ID token with %s opens nothing", async (_name, lie) => {
    const fixture = service();
    lies.idToken = ({ header, payload }) => lie(payload, header);
    await expectRefused(fixture, await fixture.browser().login(), "id_token_invalid", 502);
  });

  const rogue = generateKeyPairSync("rsa", { modulusLength: 2048 });
  it.each<[string, (parts: string[], server: OAuth2Server) => string]>([
    ["alg none", ([, payload]) => `${encode({ alg: "none" })}.${payload}.`],
    ["alg None and the old signature", ([, payload, signature]) => `${encode({ alg: "None" })}.${payload}.${signature}`],
    [
      "HS256 under the client's secret",
      ([, payload]) => {
        const input = `${encode({ alg: "HS256" })}.${payload}`;
        return `${input}.${createHmac("sha256", CLIENT.clientSecret).update(input).digest("base64url")}`;
      },
    ],
    [
      "the signature of a key of its own under the published key's id",
      ([header, payload]) =>
        `${header}.${payload}.${sign("sha256", Buffer.from(`${header}.${payload}`), rogue.privateKey).toString("base64url")}`,
    ],
    [
      "a key of its own in the header",
      ([, payload]) => {
        const input = `${encode({ alg: "RS256", jwk: rogue.publicKey.export({ format: "jwk" }) })}.${payload}`;
        return `${input}.${sign("sha256", Buffer.from(input), rogue.privateKey).toString("base64url")}`;
      },
    ],
    [
      "another payload under the same signature",
      ([header, payload, signature]) =>
        `${header}.${encode({ ...(JSON.parse(Buffer.from(String(payload), "base64url").toString()) as object), sub: "victim" })}.${signature}`,
    ],
    [
      "crit, signed by the provider",
      ([, payload], server) => {
        const [jwk] = server.issuer.keys.toJSON(true);
        const input = `${encode({ alg: "RS256", kid: jwk?.kid, crit: ["b64"], b64: true })}.${payload}`;
        return `${input}.${sign("sha256", Buffer.from(input), createPrivateKey({ key: { ...jwk }, format: "jwk" })).toString("base64url")}`;
      },
    ],
    ["an empty signature", ([header, payload]) => `${header}.${payload}.`],
    ["two parts", ([header, payload]) => `${header}.${payload}`],
    ["five parts", (parts) => [...parts, "a", "b"].join(".")],
    ["nothing", () => ""],
    ["noise", () => "not.a.token"],
    ["an array as payload", ([header, , signature]) => `${header}.${encode([])}.${signature}`],
  ])("AUTH-O6 an ID token with %s opens nothing", async (_name, forge) => {
    const fixture = service();
    provider.server.service.on(
      "beforeResponse",
      swapIdToken((parts) => forge(parts, provider.server)),
    );
    await expectRefused(fixture, await fixture.browser().login(), "id_token_invalid", 502);
  });

  it("AUTH-O6 an HMAC with the published public key as its secret opens nothing (algorithm confusion, CVE-2015-9235)", async () => {
    const fixture = service();
    const jwk = provider.server.issuer.keys.toJSON()[0];
    const pem = createPublicKey({ key: { ...jwk }, format: "jwk" }).export({ format: "pem", type: "spki" });
    provider.server.service.on(
      "beforeResponse",
      swapIdToken(([, payload]) => {
        const input = `${encode({ alg: "HS256", kid: jwk?.kid })}.${payload}`;
        return `${input}.${createHmac("sha256", pem).update(input).digest("base64url")}`;
      }),
    );
    await expectRefused(fixture, await fixture.browser().login(), "id_token_invalid", 502);
  });

  it("AUTH-O6 an algorithm that is not on the list opens nothing, though the key is the provider's", async () => {
    const fixture = service({ idTokenAlgorithms: ["ES256"] });
    await expectRefused(fixture, await fixture.browser().login(), "id_token_invalid", 502);
  });

  it("AUTH-O6 several audiences are ours when we are the authorized party", async () => {
    lies.idToken = ({ payload }) => void Object.assign(payload, { aud: [CLIENT.clientId, "another"], azp: CLIENT.clientId });
    expect(fragmentOf(await service().browser().login()).has("access_token")).toBe(true);
  });

  it.each<[string, number, boolean]>([
    ["expired 29 s ago, within the tolerance of clocks", -29, true],
    ["expired 31 s ago", -31, false],
  ])("AUTH-O6 an ID token that %s", async (_name, offset, isAccepted) => {
    const fixture = service();
    // Between two readings of the clock a second may pass: the service's stands still.
    lies.idToken = ({ payload }) => void (payload["exp"] = Math.floor(fixture.clock.now() / 1000) + offset);
    expect((await fixture.browser().login()).status).toBe(isAccepted ? 303 : 502);
  });

  it.each<[string, Record<string, unknown>]>([
    ["another sub than the ID token", { sub: "person-2" }],
    ["no sub", { sub: undefined }],
    ["a sub that is no text", { sub: 1 }],
    ["an empty sub", { sub: "" }],
  ])("AUTH-O7 userinfo with %s opens nothing", async (_name, lie) => {
    const fixture = service();
    lies.userinfo = lie;
    await expectRefused(fixture, await fixture.browser().login(), "userinfo_invalid", 502);
  });

  it.each<[string, Record<string, unknown>]>([
    ["false", { email_verified: false }],
    ["the text true", { email_verified: "true" }],
    ["1", { email_verified: 1 }],
    ["missing", { email_verified: undefined }],
    ["of no address", { email: undefined }],
    ["of what is no address", { email: "not an address" }],
    ["of a list", { email: ["ada@example.com"] }],
  ])("AUTH-O9 email_verified that is %s makes no account", async (_name, lie) => {
    const fixture = service();
    lies.userinfo = lie;
    await expectRefused(fixture, await fixture.browser().login(), "email_unverified", 400);
  });

  it("AUTH-O9 an address in the ID token is not verified by a word in userinfo: both come from one answer", async () => {
    const fixture = service();
    lies.idToken = ({ payload }) => void (payload["email"] = "victim@example.com");
    await expectRefused(fixture, await fixture.browser().login(), "email_unverified", 400);
  });

  it("AUTH-O9 a provider whose addresses are not trusted makes no account by them", async () => {
    const fixture = service({ trustEmail: false });
    await expectRefused(fixture, await fixture.browser().login(), "email_unverified", 400);
  });

  it("a name is shortened and loses what writes one thing and shows another", async () => {
    const fixture = service();
    lies.userinfo = { name: `A\u202Ed\u0000a${"x".repeat(500)}` };
    await fixture.browser().login();
    expect((await fixture.users.byEmail("ada@example.com"))?.name).toBe(`Ada${"x".repeat(97)}`);
  });

  it.each<[string, (response: MutableResponse) => void, string, number]>([
    [
      "an error",
      (response) => void Object.assign(response, { statusCode: 400, body: { error: "invalid_grant", error_description: "<script>" } }),
      "provider_error",
      400,
    ],
    ["an error with status 200", (response) => void (response.body = { error: "bad_verification_code" }), "provider_error", 400],
    ["status 500", (response) => void (response.statusCode = 500), "provider_unavailable", 502],
    ["status 503", (response) => void (response.statusCode = 503), "provider_unavailable", 502],
    ["status 429", (response) => void (response.statusCode = 429), "provider_unavailable", 502],
    ["status 404", (response) => void (response.statusCode = 404), "response_invalid", 502],
    ["no id_token", (response) => void delete (response.body as Record<string, unknown>)["id_token"], "id_token_invalid", 502],
    ["no access token", (response) => void delete (response.body as Record<string, unknown>)["access_token"], "id_token_invalid", 502],
    ["another token type", (response) => void Object.assign(response.body, { token_type: "mac" }), "id_token_invalid", 502],
  ])("AUTH-O12 a token endpoint that answers %s is our own word to the browser", async (_name, lie, reason, status) => {
    const fixture = service();
    provider.server.service.on("beforeResponse", lie);
    await expectRefused(fixture, await fixture.browser().login(), reason, status);
  });

  it("the record says which check failed, in codes", async () => {
    const fixture = service();
    lies.idToken = ({ payload }) => void (payload["aud"] = "another");
    await fixture.browser().login();
    expect(fixture.events).toMatchObject([{ reason: "id_token_invalid", diagnosis: "OAUTH_JWT_CLAIM_COMPARISON_FAILED aud" }]);
  });

  it("AUTH-O12 an error of the provider with text in it reaches neither answer nor event", async () => {
    const fixture = service({}, { redirects: { allow: [LANDING], default: LANDING, error: "https://app.example.test/failed" } });
    const browser = fixture.browser();
    const { searchParams } = new URL(await browser.start({ state: "s" }));
    const query = new URLSearchParams({
      state: String(searchParams.get("state")),
      error: 'evil"\n<script>alert(1)</script>',
      error_description: "call +1 555",
      error_uri: "https://evil.example",
    });
    const response = await browser.visit(`https://api.example.test/auth/oauth/mock/callback?${query.toString()}`);
    expect(response.headers.get("location")).toBe("https://app.example.test/failed?error=provider_error&code=1018&state=s");
    expect(JSON.stringify(fixture.events)).not.toMatch(/evil|script|555/);
  });

  it("google: the hosted domain is the claim, not the parameter", async () => {
    const known = google({ ...CLIENT, hostedDomain: "example.com" });
    expect(known.authorizationParameters).toEqual({ hd: "example.com" });
    const acme = provider.client({ userinfo: "never" });
    const here = { ...acme, protocol: { ...acme.protocol, hostedDomain: "example.com" } } as typeof acme;
    const verified = { email: "ada@example.com", email_verified: true };
    for (const [hd, isAccepted] of [
      ["example.com", true],
      ["evil.example", false],
      [undefined, false],
    ] as const) {
      lies.idToken = ({ payload }: MutableToken) => void Object.assign(payload, verified, hd === undefined ? {} : { hd });
      const fixture = createOAuthFixture({ providers: { mock: here } });
      expect((await fixture.browser().login()).status).toBe(isAccepted ? 303 : 502);
    }
  });
});

describe("a provider that leads elsewhere, hangs, or floods", () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
  async function listen(listener: RequestListener): Promise<string> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
    return `http://localhost:${(server.address() as AddressInfo).port}`;
  }
  /** A provider whose endpoint `broken` answers like this; the others lead to the honest one. */
  async function half(broken: "token_endpoint" | "userinfo_endpoint" | "jwks_uri", listener: RequestListener): Promise<void> {
    const url = await listen(listener);
    provider.server.service.on(
      "beforeWellKnownOpenIdConfiguration",
      (answer: { body: Record<string, unknown> }) => void (answer.body[broken] = `${url}/x`),
    );
  }
  const ENDPOINTS = ["token_endpoint", "userinfo_endpoint", "jwks_uri"] as const;

  it.each(ENDPOINTS)("AUTH-O7 a redirect of the %s is not followed", async (endpoint) => {
    for (const status of [301, 302, 303, 307, 308]) {
      const visited: string[] = [];
      const trap = await listen((request, response) => {
        visited.push(String(request.url));
        response.end("{}");
      });
      provider.server.service.removeAllListeners("beforeWellKnownOpenIdConfiguration");
      await half(endpoint, (_request, response) => void response.writeHead(status, { location: `${trap}/stolen` }).end());
      const fixture = service();
      await expectRefused(fixture, await fixture.browser().login(), "response_invalid", 502);
      expect(visited).toEqual([]);
    }
  });

  it("AUTH-O7 a redirect of the metadata is not followed", async () => {
    const visited: string[] = [];
    const trap = await listen((request, response) => {
      visited.push(String(request.url));
      response.end("{}");
    });
    const issuer = await listen((_request, response) => void response.writeHead(302, { location: trap }).end());
    const fixture = createOAuthFixture({ providers: { mock: oidc({ issuer, ...CLIENT }) } });
    const response = await fixture.browser().visit("https://api.example.test/auth/oauth/mock");
    await expectRefused(fixture, response, "response_invalid", 502);
    expect(visited).toEqual([]);
  });

  it.each(ENDPOINTS)("AUTH-O7 a %s that never answers is given up at the deadline", async (endpoint) => {
    let arrived = (): void => {};
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    await half(endpoint, () => arrived());
    const fixture = service();
    const login = fixture.browser().login();
    await arrival;
    fixture.clock.advance(4999);
    expect(await Promise.race([login, Promise.resolve("waiting")])).toBe("waiting");
    fixture.clock.advance(1);
    await expectRefused(fixture, await login, "provider_unavailable", 502);
  });

  it("AUTH-O7 an answer that drips without end is given up at the same deadline", async () => {
    let arrived = (): void => {};
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    await half("token_endpoint", (_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"access_token":"');
      arrived();
    });
    const fixture = service({}, { timeoutMs: 1000 });
    const login = fixture.browser().login();
    await arrival;
    fixture.clock.advance(1000);
    await expectRefused(fixture, await login, "provider_unavailable", 502);
  });

  it.each(ENDPOINTS)("AUTH-O7 a %s that floods is cut off", async (endpoint) => {
    let sent = 0;
    await half(endpoint, (_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const chunk = Buffer.alloc(65_536, 32);
      const pump = (): void => {
        while (!response.destroyed && sent < 1 << 28) {
          sent += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", pump);
        }
      };
      pump();
    });
    const fixture = service();
    await expectRefused(fixture, await fixture.browser().login(), "response_invalid", 502);
    expect(sent).toBeLessThan(1 << 25); // what was in the pipes when we hung up
  });

  it("AUTH-O7 a small answer that unpacks to a flood is cut off", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 32));
    expect(bomb.length).toBeLessThan(100_000);
    await half("token_endpoint", (_request, response) => {
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(bomb);
    });
    const fixture = service();
    await expectRefused(fixture, await fixture.browser().login(), "response_invalid", 502);
  });

  it("AUTH-O7 a provider that is not there is a problem, and a start as well as a callback", async () => {
    const issuer = await listen(() => {});
    const [gone] = servers.splice(0);
    await new Promise((resolve) => gone?.close(resolve));
    const fixture = createOAuthFixture({ providers: { mock: oidc({ issuer, ...CLIENT }) } });
    await expectRefused(fixture, await fixture.browser().visit("https://api.example.test/auth/oauth/mock"), "provider_unavailable", 502);
    // It comes back, and the next login works: failures are not remembered.
    const honest = service();
    expect(fragmentOf(await honest.browser().login()).has("access_token")).toBe(true);
  });

  it.each<[string, Record<string, unknown>]>([
    ["the issuer of somebody else", { issuer: "https://evil.example" }],
    ["its issuer with a slash more", { issuer: (url: string) => `${url}/` }],
    ["no issuer", { issuer: undefined }],
    ["a token endpoint over http elsewhere", { token_endpoint: "http://evil.example/token" }],
    ["a token endpoint in the cloud's metadata service", { token_endpoint: "https://169.254.169.254/token" }],
    ["a token endpoint on this machine's other spelling", { token_endpoint: "https://2130706433/token" }],
    ["a token endpoint in IPv6", { token_endpoint: "https://[::ffff:10.0.0.1]/token" }],
    ["keys at a name without a dot", { jwks_uri: "https://vault/keys" }],
    ["userinfo at an internal name", { userinfo_endpoint: "https://metadata.google.internal/" }],
    ["an authorization endpoint that is a script", { authorization_endpoint: "javascript:alert(1)" }],
    ["an endpoint with a user name", { token_endpoint: "https://user@login.example/token" }],
    ["no token endpoint", { token_endpoint: undefined }],
    ["no keys", { jwks_uri: undefined }],
    ["a list as token endpoint", { token_endpoint: ["https://login.example/token"] }],
  ])("AUTH-O7 metadata with %s is not used", async (_name, lie) => {
    provider.server.service.on("beforeWellKnownOpenIdConfiguration", (answer: { body: Record<string, unknown> }) => {
      for (const [name, value] of Object.entries(lie)) {
        answer.body[name] = typeof value === "function" ? (value as (url: string) => string)(provider.issuer()) : value;
      }
    });
    const fixture = service();
    await expectRefused(fixture, await fixture.browser().visit("https://api.example.test/auth/oauth/mock"), "response_invalid", 502);
  });

  it.each(["[]", "null", "{", "<html>", '{"keys":7}', '{"keys":[null]}', ""])("AUTH-O7 keys that are %j are no keys", async (body) => {
    await half("jwks_uri", (_request, response) => void response.writeHead(200, { "content-type": "application/json" }).end(body));
    const fixture = service();
    await expectRefused(fixture, await fixture.browser().login(), "response_invalid", 502);
  });

  it("AUTH-O7 a fetch of the application's own that follows redirects or ignores the deadline is bounded all the same", async () => {
    const following = service(
      {},
      {
        fetch: async (url: string, init?: RequestInit) => {
          const response = await fetch(url, init);
          return url.endsWith("/token") ? Object.defineProperty(response, "redirected", { value: true }) : response;
        },
      },
    );
    await expectRefused(following, await following.browser().login(), "response_invalid", 502);

    let arrived = (): void => {};
    const arrival = new Promise<void>((resolve) => (arrived = resolve));
    const deaf = service(
      {},
      {
        fetch: async (url: string, init?: RequestInit) => {
          if (!url.endsWith("/token")) return fetch(url, init);
          arrived();
          return new Promise<Response>(() => {});
        },
      },
    );
    const login = deaf.browser().login();
    await arrival;
    deaf.clock.advance(5000);
    await expectRefused(deaf, await login, "provider_unavailable", 502);
  });
});
