import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { authRoutes, createAuth, createUserDirectory } from "@portcullis/auth";
import { createOAuth, github, oauthRoutes } from "@portcullis/auth/oauth";
import { cors, createApp, createMemoryStore, securityHeaders } from "@portcullis/core";
import { listen, mount } from "@portcullis/hono";
import { Hono } from "hono";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { GITHUB_CLIENT, type GitHubServer, startGitHub } from "../../../packages/auth/test/github-server.js";
import { chromiumPath, describeWith } from "../../../tools/test-services/connect.js";

// What the README tells a page to do with the fragment: compare the state with its own, take the tokens, leave no trace.
const PAGE = `<!doctype html><title>login</title><p id="result">nothing</p><img src="/pixel">
<script>
  const result = document.getElementById("result");
  const fragment = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, "", location.pathname); // before anything else can read the address
  const expected = sessionStorage.getItem("oauth-state");
  sessionStorage.removeItem("oauth-state");
  if (fragment.size === 0) {
    result.textContent = "ready";
  } else if (expected === null || fragment.get("state") !== expected) {
    result.textContent = "unsolicited";
  } else {
    fetch(API + "/auth/me", { headers: { authorization: "Bearer " + fragment.get("access_token") } })
      .then((response) => response.json())
      .then((me) => { result.textContent = "hello " + me.email; });
  }
  window.logIn = () => {
    const state = crypto.randomUUID();
    sessionStorage.setItem("oauth-state", state);
    location.assign(API + "/auth/oauth/github?" + new URLSearchParams({ state, redirect: location.origin + "/login" }));
  };
</script>`;

interface Visit {
  readonly url: string;
  readonly referer: string | undefined;
}

async function start(listener: (request: IncomingMessage, response: ServerResponse) => void): Promise<{ server: Server; url: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  return { server, url: `http://localhost:${(server.address() as AddressInfo).port}` };
}

describeWith("chromium", "a login over a provider in a browser", () => {
  let browser: Browser;
  let page: Page;
  let apiUrl = "";
  let app: { server: Server; url: string };
  let provider: GitHubServer;
  let closeApi: () => Promise<void>;
  let visits: Visit[] = [];

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: chromiumPath(),
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    app = await start((request, response) => {
      visits.push({ url: String(request.url), referer: request.headers.referer });
      response.setHeader("content-type", "text/html");
      response.end(PAGE.replaceAll("API", JSON.stringify(apiUrl)));
    });
    provider = await startGitHub();
    const store = createMemoryStore();
    const secret = (): string => randomBytes(48).toString("base64");
    const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
    // The address of the service is in its own options: a port is taken first.
    const reserved = await start(() => {});
    const { port } = reserved.server.address() as AddressInfo;
    await new Promise((resolve) => reserved.server.close(resolve));
    apiUrl = `http://localhost:${port}`;
    const oauth = createOAuth({
      auth,
      providers: { github: github({ ...GITHUB_CLIENT, baseUrl: provider.url }) },
      baseUrl: apiUrl,
      redirects: { allow: [`${app.url}/login`], default: `${app.url}/login`, error: `${app.url}/failed` },
      delivery: "fragment",
      onUnknown: { create: { roles: ["member"] } },
      insecureLocalhost: true,
    });
    const hono = new Hono();
    mount(
      hono,
      createApp({
        guards: [securityHeaders(), cors({ origins: [app.url] })],
        routes: [...authRoutes(auth), ...oauthRoutes(oauth)],
      }),
    );
    const listening = await listen(hono, { port, host: "localhost" });
    closeApi = () => listening.close();
  });
  afterAll(async () => {
    await browser?.close();
    await closeApi?.();
    await provider?.close();
    app?.server.closeAllConnections();
    await new Promise((resolve) => app.server.close(resolve));
  });
  beforeEach(async () => {
    visits = [];
    page = await (await browser.newContext()).newPage();
  });
  afterEach(async () => page.context().close());

  const result = async (text: RegExp): Promise<void> => {
    await page.waitForFunction(`${String(text)}.test(document.getElementById("result").textContent)`);
  };

  it("AUTH-O11 the page takes the tokens out of the fragment; history, requests and Referer keep none", async () => {
    await page.goto(`${app.url}/login`);
    await result(/ready/);
    const requested: string[] = [];
    page.on("request", (request) => void requested.push(`${request.url()} ${request.headers()["referer"] ?? ""}`));
    await page.evaluate("window.logIn()");
    await result(/hello octocat@example\.com/);

    expect(page.url()).toBe(`${app.url}/login`);
    const { entries } = await (await page.context().newCDPSession(page)).send("Page.getNavigationHistory");
    expect(entries.map(({ url }) => url).join()).not.toMatch(/token|code=|state=/);
    // The server of the page saw neither token nor code, in no address and no Referer.
    expect(visits.length).toBeGreaterThan(2);
    expect(JSON.stringify(visits)).not.toMatch(/token|code=|state=/);
    expect(requested.map((line) => line.split(" ")[1]).join()).not.toMatch(/token|code=|state=/);
    // The login's own cookie went with it.
    expect((await page.context().cookies()).filter(({ name }) => name.includes("oauth"))).toEqual([]);
  });

  it("AUTH-O11 tokens that the page did not ask for are thrown away: a link that logs the victim in as the attacker", async () => {
    await page.goto(`${app.url}/login#access_token=attackers&refresh_token=attackers&state=guessed`);
    await result(/unsolicited/);
    expect(page.url()).toBe(`${app.url}/login`);
  });

  it("AUTH-O3 the attacker's callback in the victim's browser is refused, and the page learns nothing", async () => {
    // The attacker logs in with tools of their own and stops before the last step.
    const hop = async (url: string): Promise<string> => String((await fetch(url, { redirect: "manual" })).headers.get("location"));
    const callback = await hop(await hop(`${apiUrl}/auth/oauth/github?state=attackers`));
    expect(callback).toContain("code=");
    const response = await page.goto(callback);
    expect(response?.status()).toBe(400);
    expect(await page.content()).toContain("1017");
  });
});
