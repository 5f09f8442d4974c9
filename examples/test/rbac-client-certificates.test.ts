// Over real TLS: a caller is trusted by the certificate that the handshake verified, on every framework.
import { once } from "node:events";
import type { IncomingMessage, RequestListener } from "node:http";
import { Agent, createServer, get, type Server } from "node:https";
import { text } from "node:stream/consumers";
import { getRequestListener } from "@hono/node-server";
import { type Guard, principalFact } from "@portcullis/core";
import * as onExpress from "@portcullis/express";
import * as onFastify from "@portcullis/fastify";
import * as onHono from "@portcullis/hono";
import { trustIdentityHeaders } from "@portcullis/rbac";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Authority, createAuthority, type Credentials } from "./test-authority.js";

const trust = trustIdentityHeaders({
  callers: [
    { id: "billing", maxRoles: ["member"], certificates: ["CN=billing,O=Acme"] },
    { id: "jobs", maxRoles: ["viewer"], certificates: ["URI:spiffe://acme/jobs"] },
  ],
});

/** Whom the guards found, and what the handler can still see of the headers. */
function tell(facts: Parameters<Guard["check"]>[0]["facts"], seen: unknown): string {
  const principal = facts.get(principalFact);
  return JSON.stringify({ id: principal?.id ?? null, roles: principal?.roles ?? null, via: principal?.via ?? null, seen: seen ?? null });
}

const HOSTS: Readonly<Record<string, () => RequestListener | Promise<RequestListener>>> = {
  Express: () =>
    express()
      .use(onExpress.guard(trust))
      .get("/", (request, response) => void response.send(tell(onExpress.facts(request), request.get("x-user-id")))),
  async Fastify() {
    const app = Fastify(onFastify.fastifyOptions);
    app.addHook("onRequest", onFastify.guard(trust));
    app.get("/", (request) => tell(onFastify.facts(request), request.headers["x-user-id"]));
    await app.ready();
    return (request, response) => app.routing(request, response);
  },
  Hono() {
    const app = new Hono().use(onHono.guard(trust)).get("/", (c) => c.text(tell(onHono.facts(c), c.req.header("x-user-id"))));
    const listener = getRequestListener(app.fetch);
    return (request, response) => void listener(request, response); // it answers its own failures and never rejects
  },
};

let authority: Authority;
let own: Credentials;
const open: Server[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  own = await authority.issue("CN=localhost", [{ type: "dns", value: "localhost" }]);
});

afterAll(() => {
  for (const server of open) {
    server.close();
    server.closeAllConnections();
  }
});

async function listening(listener: RequestListener): Promise<number> {
  const server = createServer({ ...own, ca: authority.ca, requestCert: true, rejectUnauthorized: false }, listener);
  open.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("The server has no port.");
  return address.port;
}

async function ask(port: number, client: Credentials | undefined): Promise<unknown> {
  const agent = new Agent({ ca: authority.ca, servername: "localhost", ...client });
  const headers = { "x-user-id": "ada", "x-org-id": "acme", "x-user-roles": "member,viewer,owner", "x-client-cert": "CN=billing,O=Acme" };
  const [response]: IncomingMessage[] = await once(get({ host: "127.0.0.1", port, agent, headers }), "response");
  if (response === undefined) throw new Error("No response came.");
  const body: unknown = JSON.parse(await text(response));
  agent.destroy();
  return body;
}

describe.each(Object.entries(HOSTS))("RBAC-20 RBAC-36 on %s over TLS", (_name, host) => {
  test("a caller is who its certificate says, by subject or alternative name; everybody else's identity is stripped", async () => {
    const port = await listening(await host());
    const ignored = { id: null, roles: null, via: null, seen: null };
    expect(await ask(port, await authority.issue("O=Acme, CN=billing", []))).toEqual({
      id: "ada",
      roles: ["member"],
      via: "billing",
      seen: null,
    });
    expect(await ask(port, await authority.issue("CN=pod-7", [{ type: "url", value: "spiffe://acme/jobs" }]))).toEqual({
      id: "ada",
      roles: ["viewer"],
      via: "jobs",
      seen: null,
    });
    // No certificate; another name; a name that contains the text of one; a trusted name by an authority that nobody trusts.
    const foreign = await createAuthority();
    for (const client of [
      undefined,
      await authority.issue("O=Acme, CN=tenant", [{ type: "dns", value: "billing" }]),
      await authority.issue("CN=billing", []),
      await authority.issue("CN=tenant", [{ type: "dns", value: "tenant.example, URI:spiffe://acme/jobs" }]),
      await foreign.issue("O=Acme, CN=billing", [{ type: "url", value: "spiffe://acme/jobs" }]),
    ])
      expect(await ask(port, client)).toEqual(ignored);
  });
});
