import { github, google } from "@portcullis/auth/oauth";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GITHUB_CLIENT as CLIENT, GITHUB_TOKEN as TOKEN, type GitHubServer, startGitHub } from "./github-server.js";
import { createOAuthFixture, fragmentOf, problemOf } from "./oauth-fixture.js";

let server: GitHubServer;

beforeAll(async () => {
  server = await startGitHub();
});
afterAll(async () => server.close());
beforeEach(() => server.reset());

const service = () => createOAuthFixture({ providers: { github: github({ ...CLIENT, baseUrl: server.url }) } });

describe("GitHub", () => {
  it("AUTH-O8 logs in: PKCE, the numeric id as subject, the primary verified address", async () => {
    const fixture = service();
    const browser = fixture.browser();
    const authorization = new URL(await browser.start({}, "github"));
    expect(Object.fromEntries(authorization.searchParams)).toMatchObject({ scope: "read:user user:email", code_challenge_method: "S256" });
    expect(authorization.searchParams.has("nonce")).toBe(false);
    const response = await browser.visit(await browser.consent(authorization.href));
    expect(fragmentOf(response).has("access_token")).toBe(true);
    expect(await fixture.users.byEmail("octocat@example.com")).toMatchObject({ name: "The Octocat", emailVerified: true });
    expect(server.seen.find(({ path }) => path === "/api/v3/user")?.headers).toMatchObject({
      "user-agent": "portcullis",
      "x-github-api-version": "2022-11-28",
    });
    expect(String(response.headers.get("location"))).not.toContain(TOKEN);
  });

  it("AUTH-O8 a login name that somebody else took over opens nothing", async () => {
    const fixture = service();
    await fixture.browser().login({}, "github");
    server.user.body = { id: 999, login: "octocat", name: null };
    server.emails.body = [{ email: "new@example.com", primary: true, verified: true, visibility: null }];
    await fixture.browser().login({}, "github");
    expect((await fixture.users.list({ limit: 10 })).total).toBe(2);
    expect(await fixture.users.byEmail("new@example.com")).toMatchObject({ name: "octocat" });
  });

  it.each<[string, unknown]>([
    ["unverified", [{ email: "victim@example.com", primary: true, verified: false }]],
    ["only a secondary one", [{ email: "victim@example.com", primary: false, verified: true }]],
    ["verified in words", [{ email: "victim@example.com", primary: true, verified: "true" }]],
    ["none", []],
    ["no list", { message: "?" }],
    ["a list of nothing", [null, 1, "x"]],
  ])("AUTH-O9 an address that is %s makes no account; the public one of the profile never does", async (_name, body) => {
    server.emails.body = body;
    const fixture = service();
    expect(await problemOf(await fixture.browser().login({}, "github"))).toMatchObject({
      code: 1018,
      status: 400,
      reason: "email_unverified",
    });
    expect((await fixture.users.list({ limit: 1 })).total).toBe(0);
  });

  it("a known identity logs in without the scope for addresses", async () => {
    const fixture = service();
    await fixture.browser().login({}, "github");
    server.emails = { status: 404, body: { message: "Not Found" } };
    expect(fragmentOf(await fixture.browser().login({}, "github")).has("access_token")).toBe(true);
  });

  it.each<[string, unknown]>([
    ["text", "583231"],
    ["missing", undefined],
    ["zero", 0],
    ["negative", -1],
    ["a fraction", 1.5],
    ["past what a number holds", 2 ** 53],
  ])("AUTH-O8 an id that is %s is no id", async (_name, id) => {
    server.user.body = { id, login: "octocat" };
    expect(await problemOf(await service().browser().login({}, "github"))).toMatchObject({
      code: 1018,
      status: 502,
      reason: "userinfo_invalid",
    });
  });

  it.each([
    [401, "userinfo_invalid"],
    [500, "provider_unavailable"],
  ])("AUTH-O12 a profile that answers %i is %s", async (status, reason) => {
    server.user.status = status;
    expect(await problemOf(await service().browser().login({}, "github"))).toMatchObject({ status: 502, reason });
  });

  it.each(["user", "emails"] as const)("AUTH-O7 a redirect of the %s is not followed", async (which) => {
    server[which] = { status: 302, body: {} };
    expect(await problemOf(await service().browser().login({}, "github"))).toMatchObject({ status: 502, reason: "response_invalid" });
  });

  it("AUTH-O12 a code that GitHub refuses, with status 200, is told in our own words", async () => {
    const fixture = service();
    const browser = fixture.browser();
    const callback = new URL(await browser.consent(await browser.start({}, "github")));
    callback.searchParams.set("code", "another");
    const response = await browser.visit(callback.href);
    expect(await problemOf(response)).toMatchObject({ code: 1018, status: 400, reason: "provider_error" });
    expect(fixture.events.at(-1)).toMatchObject({ providerError: "bad_verification_code" });
  });

  it.each([
    ["the one that GitHub sends", () => `${server.url}/login/oauth`, 303],
    ["another's", () => "https://evil.example", 400],
    ["the site's address, which is not its issuer", () => server.url, 400],
  ])("AUTH-O4 iss is %s", async (_name, value, status) => {
    server.iss = value();
    expect((await service().browser().login({}, "github")).status).toBe(status);
  });
});

describe("the presets", () => {
  it("GitHub's addresses", () => {
    const { metadata, issuer, identityIssuer, protocol, scopes, displayName } = github(CLIENT);
    expect({ metadata, issuer, identityIssuer, protocol, scopes, displayName }).toEqual({
      displayName: "GitHub",
      issuer: "https://github.com/login/oauth",
      identityIssuer: "https://github.com",
      metadata: {
        issuer: "https://github.com/login/oauth",
        authorization_endpoint: "https://github.com/login/oauth/authorize",
        token_endpoint: "https://github.com/login/oauth/access_token",
      },
      protocol: { kind: "github", userUrl: "https://api.github.com/user", emailsUrl: "https://api.github.com/user/emails" },
      scopes: ["read:user", "user:email"],
    });
    expect(github({ ...CLIENT, baseUrl: "https://ghe.example.com" }).protocol).toMatchObject({
      userUrl: "https://ghe.example.com/api/v3/user",
    });
  });

  it("Google's issuer and scopes; what it publishes is read by discovery", () => {
    const { issuer, identityIssuer, metadata, protocol, scopes, displayName } = google(CLIENT);
    expect({ issuer, identityIssuer, metadata, scopes, displayName }).toEqual({
      issuer: "https://accounts.google.com",
      identityIssuer: "https://accounts.google.com",
      metadata: undefined,
      scopes: ["openid", "email", "profile"],
      displayName: "Google",
    });
    expect(protocol).toMatchObject({ kind: "oidc", userinfo: "never", hostedDomain: undefined });
  });

  it.each([
    ["github.clientSecret", () => github({ clientId: "x" } as never)],
    ["google.clientSecret", () => google({ clientId: "x" } as never)],
    ["google.hostedDomain", () => google({ ...CLIENT, hostedDomain: "" })],
    ["github.clientId", () => github({ ...CLIENT, clientId: "" })],
    ["github.baseUrl", () => github({ ...CLIENT, baseUrl: "github.example.com" })],
    ["github.baseUrl", () => github({ ...CLIENT, baseUrl: "https://github.example.com/" })],
    ["github.apiUrl", () => github({ ...CLIENT, apiUrl: "ftp://github.example.com" })],
  ])("the option %s is refused where the provider is made", (option, make) => {
    expect(make).toThrow(`"${option}"`);
  });
});
