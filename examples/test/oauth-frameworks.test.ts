// The same logins over a provider on each framework, through real connections: redirects, several cookies, queries and bodies.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type App, createMemoryStore } from "@portcullis/core";
import type { Listening } from "@portcullis/core/node";
import * as onExpress from "@portcullis/express";
import * as onFastify from "@portcullis/fastify";
import * as onHono from "@portcullis/hono";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { CookieJar } from "tough-cookie";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type GitHubServer, startGitHub } from "../../packages/auth/test/github-server.js";
import { LANDING, oauthServiceOn } from "./oauth-service.js";

type Serve = (app: App, at: { readonly port: number; readonly host: string }) => Promise<Listening>;

const FRAMEWORKS: readonly (readonly [string, Serve])[] = [
  ["Express", (app, at) => onExpress.listen(onExpress.mount(express(), app), at)],
  ["Fastify", (app, at) => onFastify.listen(onFastify.mount(Fastify(onFastify.fastifyOptions), app), at)],
  ["Hono", (app, at) => onHono.listen(onHono.mount(new Hono(), app), at)],
];

let github: GitHubServer;
beforeAll(async () => {
  github = await startGitHub();
});
afterAll(async () => github.close());

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe.each(FRAMEWORKS)("logins over a provider on %s", (_name, serve) => {
  let base = "";
  let listening: Listening;
  beforeAll(async () => {
    const port = await freePort(); // providers must be told the address before anything listens there
    base = `http://localhost:${port}`;
    listening = await serve(oauthServiceOn(createMemoryStore(), github.url, { baseUrl: base }).app, { port, host: "localhost" });
  });
  afterAll(() => listening.close());

  const browser = () => {
    const jar = new CookieJar();
    return async (url: string, init: RequestInit = {}): Promise<Response> => {
      const cookie = await jar.getCookieString(url);
      const headers = { ...(init.headers as Record<string, string> | undefined), ...(cookie === "" ? {} : { cookie }) };
      const response = await fetch(url, { ...init, headers, redirect: "manual" });
      for (const field of response.headers.getSetCookie()) await jar.setCookie(field, url);
      return response;
    };
  };
  const locationOf = (response: Response): string => String(response.headers.get("location"));
  async function logIn(visit: ReturnType<typeof browser>): Promise<Response> {
    return visit(locationOf(await visit(locationOf(await visit(`${base}/auth/oauth/github?state=mine`)))));
  }

  it("AUTH-G5 log in, link, list, unlink", async () => {
    const visit = browser();
    const providers = await visit(`${base}/auth/oauth/providers`);
    expect(await providers.json()).toEqual({ providers: [{ id: "github", name: "GitHub" }] });

    const done = await logIn(visit);
    expect([done.status, done.headers.get("cache-control"), done.headers.get("referrer-policy")]).toEqual([303, "no-store", "no-referrer"]);
    expect(locationOf(done).startsWith(`${LANDING}#access_token=`)).toBe(true);
    const fragment = new URLSearchParams(new URL(locationOf(done)).hash.slice(1));
    expect(fragment.get("state")).toBe("mine");

    const authorization = `Bearer ${String(fragment.get("access_token"))}`;
    const link = await visit(`${base}/auth/oauth/link`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ provider: "github" }),
    });
    const { authorization_url: url } = (await link.json()) as { authorization_url: string };
    const linked = await visit(locationOf(await visit(url)));
    expect(locationOf(linked)).toBe(`${LANDING}#linked=github`);

    const identities = await visit(`${base}/auth/oauth/identities`, { headers: { authorization } });
    expect(await identities.json()).toMatchObject({ identities: [{ provider: "github" }] });
    const unlinked = await visit(`${base}/auth/oauth/unlink?provider=github`, { method: "DELETE", headers: { authorization } });
    expect(unlinked.status).toBe(409); // nothing else to log in with
  });

  it("AUTH-G5 refuses a callback of another browser, a redirect elsewhere, HEAD, and a query that is no query", async () => {
    const visit = browser();
    const callback = locationOf(await visit(locationOf(await visit(`${base}/auth/oauth/github`))));
    expect((await visit(callback, { method: "HEAD" })).status).toBe(405);
    expect((await browser()(callback)).status).toBe(400);
    expect((await visit(callback)).status).toBe(400); // used up
    expect((await visit(`${base}/auth/oauth/github?redirect=//evil.example`)).status).toBe(400);
    expect((await visit(`${base}/auth/oauth/github?redirect=%ff`)).status).toBe(400);
    expect((await visit(`${base}/auth/oauth/github/callback?state=%ff`)).status).toBe(400);
    expect((await visit(`${base}/auth/oauth/nobody`)).status).toBe(404);
  });
});
