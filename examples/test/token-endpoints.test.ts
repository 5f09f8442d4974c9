// OAuth's token endpoints and the public keys on each framework, over the network: forms reach them whatever parsers a framework has.
import { randomBytes } from "node:crypto";
import { authenticateSystem, authRoutes, createAuth, createUserDirectory, generateSigningKeys, loadSigningKeys } from "@portcullis/auth";
import { createApp, createMemoryStore } from "@portcullis/core";
import * as onExpress from "@portcullis/express";
import * as onFastify from "@portcullis/fastify";
import * as onHono from "@portcullis/hono";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const LOCAL = { port: 0, host: "127.0.0.1" };
const secret = (): string => randomBytes(48).toString("base64");
type App = ReturnType<typeof createApp>;

const hosts = [
  ["Express", (app: App) => onExpress.listen(onExpress.mount(express(), app), LOCAL)],
  ["Fastify", (app: App) => onFastify.listen(onFastify.mount(Fastify(onFastify.fastifyOptions), app), LOCAL)],
  ["Hono", (app: App) => onHono.listen(onHono.mount(new Hono(), app), LOCAL)],
] as const;

describe.each(hosts)("AUTH-G5 AUTH-G3 on %s", (_name, listen) => {
  let auth: ReturnType<typeof createAuth>;
  let running: Awaited<ReturnType<typeof listen>>;
  const post = async (path: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(`${running.url}/auth/${path}`, { method: "POST", body: new URLSearchParams(form), headers });

  beforeAll(async () => {
    const store = createMemoryStore();
    const signing = await loadSigningKeys((await generateSigningKeys("EdDSA")).privateKey);
    auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret(), signing });
    const introspection = { guards: [authenticateSystem(auth, { audience: "auth" })] };
    running = await listen(createApp({ routes: authRoutes(auth, { introspection }) }));
  });
  afterAll(() => running.close());

  it("a token is active until it is revoked; garbage is neither an error nor active", async () => {
    const { token } = await auth.createSystemToken({ service: "gateway", audience: "auth" });
    const headers = { authorization: `Bearer ${token}` };
    const pair = await auth.createTokenPair({ userId: "ada", role: "member" });
    const ask = async (text: string) => (await post("introspect", { token: text }, headers)).json();
    expect(await ask(pair.accessToken)).toMatchObject({ active: true, sub: "ada" });
    expect((await post("revoke", { token: pair.refreshToken })).status).toBe(200);
    expect(await ask(pair.accessToken)).toEqual({ active: false });
    expect([(await post("revoke", { token: "garbage" })).status, await ask("garbage")]).toEqual([200, { active: false }]);
    expect((await post("introspect", { token: pair.accessToken })).status).toBe(401);
    expect((await post("introspect", { token }, { authorization: `Bearer ${pair.accessToken}` })).status).toBe(401);
  });

  it("other bodies are refused as such", async () => {
    const send = async (body: string, type: string) =>
      (await fetch(`${running.url}/auth/revoke`, { method: "POST", body, headers: { "content-type": type } })).status;
    expect(await send('{"token":"a"}', "application/json")).toBe(415);
    expect(await send("token=a&token=b", "application/x-www-form-urlencoded")).toBe(400);
    expect(await send(`token=${"a".repeat(50_000)}`, "application/x-www-form-urlencoded")).toBe(413);
  });

  it("jose verifies our tokens by the keys it fetches", async () => {
    const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member" });
    const keys = createRemoteJWKSet(new URL(`${running.url}/.well-known/jwks.json`));
    expect((await jwtVerify(accessToken, keys, { typ: "at+jwt", algorithms: ["EdDSA"] })).payload.sub).toBe("ada");
    const { token } = await auth.createSystemToken({ service: "gateway", audience: "mail" });
    expect((await jwtVerify(token, keys, { typ: "st+jwt", audience: "mail" })).payload.sub).toBe("system:gateway");
  });
});
