// Cookies as a real browser keeps them: what a script sees, what goes along to whom, what a page of another origin can do with it.
import { authenticate, authRoutes, createAuth, createUserDirectory } from "@portcullis/auth";
import { type App, createApp, createMemoryStore, defineRoute } from "@portcullis/core";
import { mount } from "@portcullis/express";
import express from "express";
import { createServer, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { chromiumPath, describeWith } from "../../../tools/test-services/connect.js";
import { createAuthority } from "../../test/test-authority.js";

const PASSWORD = "correct horse battery";
const SECRET = "a secret of at least thirty-two bytes";
const PEPPER = "a pepper of at least thirty-two bytes";

type Scheme = "http" | "https";

/** A request as it arrived, and what it was answered. */
interface Seen {
  readonly path: string;
  readonly status: number;
  readonly site: string | undefined;
  readonly hasSession: boolean;
}

/** A server on a port of its own. */
interface Site {
  readonly port: number;
  readonly seen: Seen[];
  close(): Promise<void>;
}

const page = (text: string): Response =>
  new Response(`<!doctype html><title>${text}</title><body>${text}</body>`, { headers: { "content-type": "text/html" } });

/** The application: its pages are of `<scheme>://localhost:<port>`. */
async function createApplication(scheme: Scheme): Promise<App> {
  const store = createMemoryStore();
  const cookies = scheme === "https" ? {} : { secure: false, development: true };
  const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: SECRET, apiKeyPeppers: PEPPER, cookies });
  for (const email of ["ada@example.com", "eve@example.com"]) {
    await auth.createAccount({ email, password: PASSWORD, roles: ["member"] });
  }
  const home = defineRoute({ method: "GET", path: "/", operationId: "home", summary: "A page", handle: () => page("Home") });
  const change = defineRoute({
    method: "POST",
    path: "/change",
    operationId: "change",
    summary: "Changes something",
    guards: [authenticate(auth, { required: true })],
    handle: () => Response.json({ changed: true }),
  });
  return createApp({ routes: [home, change, ...authRoutes(auth)] });
}

/** Somebody else's site. */
const stranger = createApp({
  routes: [defineRoute({ method: "GET", path: "/", operationId: "home", summary: "A page", handle: () => page("Stranger") })],
});

async function serve(scheme: Scheme, app: App): Promise<Site> {
  const seen: Seen[] = [];
  const host = express();
  host.use((request, response, next) => {
    const { cookie = "", "sec-fetch-site": site } = request.headers;
    response.on("finish", () => {
      const hasSession = /(?:^|; )(?:__Host-)?session=/.test(cookie);
      seen.push({ path: request.path, status: response.statusCode, site: site?.toString(), hasSession });
    });
    next();
  });
  const server = await createFor(scheme, mount(host, app));
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port, // it listens on a port
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function createFor(scheme: Scheme, handler: RequestListener): Promise<Server> {
  if (scheme === "http") return createServer(handler);
  const authority = await createAuthority();
  return createTlsServer(await authority.issue("CN=localhost", [{ type: "dns", value: "localhost" }]), handler);
}

/** What a script of the page gets for a request; its own CSRF cookie in `x-csrf-token` where it is told to. */
function call(
  from: Page,
  method: string,
  path: string,
  options: { readonly body?: object; readonly csrf?: boolean } = {},
): Promise<unknown> {
  return from.evaluate(`(async () => {
    const csrf = /(?:^|; )(?:__Host-)?csrf=([^;]*)/.exec(document.cookie)?.[1];
    const headers = {};
    if (${options.csrf === true} && csrf !== undefined) headers["x-csrf-token"] = csrf;
    ${options.body === undefined ? "" : `headers["content-type"] = "application/json";`}
    const response = await fetch(${JSON.stringify(path)}, {
      method: ${JSON.stringify(method)}, headers, body: ${options.body === undefined ? "undefined" : JSON.stringify(JSON.stringify(options.body))},
    });
    return { status: response.status, body: await response.json() };
  })()`);
}

/** Sends a form from the page that is open, as any page can, and waits until it was answered. */
async function submit(
  from: Page,
  site: Site,
  url: string,
  fields: Readonly<Record<string, string>>,
  enctype: string,
): Promise<Seen | undefined> {
  await Promise.all([
    from.waitForNavigation(),
    from.evaluate(`(() => {
      const form = document.createElement("form");
      form.method = "POST"; form.action = ${JSON.stringify(url)}; form.enctype = ${JSON.stringify(enctype)};
      for (const [name, value] of Object.entries(${JSON.stringify(fields)})) {
        const input = document.createElement("input");
        input.name = name; input.value = value; form.append(input);
      }
      document.body.append(form); form.submit();
    })()`),
  ]);
  return site.seen.findLast(({ path }) => url.endsWith(path));
}

const login = (email: string): object => ({ email, password: PASSWORD, delivery: "cookie" });

describeWith("chromium", "cookies in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: chromiumPath(),
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
  });
  afterAll(() => browser.close());

  it.each(["http", "https"] as const)("AUTH-S2 AUTH-S3 AUTH-C from login to logout, over %s", async (scheme) => {
    const site = await serve(scheme, await createApplication(scheme));
    const other = await serve(scheme, stranger);
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    try {
      const ours = `${scheme}://localhost:${site.port}`;
      const [host, secure] = scheme === "https" ? ["__Host-", "__Secure-"] : ["", ""];
      const tab = await context.newPage();
      await tab.goto(ours);
      expect(await call(tab, "GET", "/auth/me")).toMatchObject({ status: 401, body: { code: 1001 } });
      expect(await call(tab, "POST", "/auth/login", { body: login("ada@example.com") })).toMatchObject({ status: 200 });

      const kept = (await context.cookies([ours, `${ours}/auth`])).toSorted((a, b) => (a.name < b.name ? -1 : 1));
      expect(kept.map((cookie) => [cookie.name, cookie.path, cookie.secure, cookie.httpOnly, cookie.sameSite, cookie.domain])).toEqual(
        [
          [`${host}csrf`, "/", scheme === "https", false, "Lax", "localhost"],
          [`${host}session`, "/", scheme === "https", true, "Lax", "localhost"],
          [`${secure}refresh`, "/auth", scheme === "https", true, "Strict", "localhost"],
        ].toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)),
      );
      // What HttpOnly keeps from scripts.
      const readable = String(await tab.evaluate("document.cookie"));
      expect(readable).toMatch(new RegExp(`^${host}csrf=[^;]+$`));

      expect(await call(tab, "GET", "/auth/me")).toMatchObject({ status: 200, body: { email: "ada@example.com" } });
      expect(await call(tab, "POST", "/change")).toMatchObject({ status: 403, body: { code: 1104 } });
      expect(await call(tab, "POST", "/change", { csrf: true })).toMatchObject({ status: 200 });
      expect(await call(tab, "POST", "/auth/refresh")).toMatchObject({ status: 403, body: { code: 1104 } });
      expect(await call(tab, "POST", "/auth/refresh", { csrf: true })).toMatchObject({ status: 200 });
      expect(await call(tab, "POST", "/change", { csrf: true })).toMatchObject({ status: 200 });

      // Another port is another origin of the same site: the browser sends the cookies along.
      const neighbour = await context.newPage();
      await neighbour.goto(`${scheme}://localhost:${other.port}`);
      const form = "application/x-www-form-urlencoded";
      expect(await submit(neighbour, site, `${ours}/change`, { a: "b" }, form)).toMatchObject({
        status: 403,
        site: "same-site",
        hasSession: true,
      });
      await neighbour.goto(`${scheme}://localhost:${other.port}`);
      expect(await submit(neighbour, site, `${ours}/auth/logout`, {}, form)).toMatchObject({ status: 403, hasSession: true });

      // Another site: they stay at home; nor can it log anybody in, with a form that looks like JSON neither.
      const far = await context.newPage();
      await far.goto(`${scheme}://127.0.0.1:${other.port}`);
      expect(await submit(far, site, `${ours}/change`, { a: "b" }, form)).toMatchObject({
        status: 401,
        site: "cross-site",
        hasSession: false,
      });
      await far.goto(`${scheme}://127.0.0.1:${other.port}`);
      const json = JSON.stringify(login("eve@example.com"));
      const trick = { [`${json.slice(0, -1)},"x":"`]: `"}` };
      expect(await submit(far, site, `${ours}/auth/login`, trick, "text/plain")).toMatchObject({ status: 415, site: "cross-site" });
      expect(await call(tab, "GET", "/auth/me")).toMatchObject({ status: 200, body: { email: "ada@example.com" } });

      // A neighbour of plain HTTP may plant cookies for the port next door; a planted CSRF token is of no session.
      await neighbour.goto(`${scheme}://localhost:${other.port}`);
      await neighbour.evaluate(`document.cookie = "${host}csrf=planted; path=/${scheme === "https" ? "; secure" : ""}"`);
      expect(await tab.evaluate("document.cookie")).toBe(`${host}csrf=planted`);
      expect(await call(tab, "POST", "/change", { csrf: true })).toMatchObject({ status: 403, body: { code: 1104 } });
      expect(await call(tab, "GET", "/auth/csrf")).toMatchObject({ status: 200 });
      expect(await call(tab, "POST", "/change", { csrf: true })).toMatchObject({ status: 200 });

      expect(await call(tab, "POST", "/auth/logout", { csrf: true })).toMatchObject({ status: 200 });
      expect(await tab.evaluate("document.cookie")).toBe("");
      expect(await context.cookies()).toEqual([]);
      expect(await call(tab, "GET", "/auth/me")).toMatchObject({ status: 401, body: { code: 1001 } });
    } finally {
      await context.close();
      await Promise.all([site.close(), other.close()]);
    }
  });
});
