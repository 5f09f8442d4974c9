// Over real TLS: what guards see of the caller's certificate, on every framework.
import { once } from "node:events";
import { createServer as createHttpServer, get as getHttp, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { Agent, createServer, get as getHttps } from "node:https";
import { text } from "node:stream/consumers";
import { TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import { createApp, defineRoute, type Guard, toFetchHandler } from "@portcullis/core";
import * as onExpress from "@portcullis/express";
import * as onFastify from "@portcullis/fastify";
import * as onHono from "@portcullis/hono";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Authority, createAuthority, type Credentials, fingerprintOf } from "./test-authority.js";

// Answers with what it saw, and with what it saw on the connection's earlier request.
function tell(): Guard {
  let earlier: unknown;
  return {
    name: "tell",
    check({ clientCertificate }) {
      const body = JSON.stringify({ seen: clientCertificate ?? null, same: earlier === clientCertificate });
      earlier = clientCertificate;
      return { kind: "answer", answer: { status: 200, body } };
    },
  };
}

const route = () =>
  createApp({
    routes: [
      defineRoute({ method: "GET", path: "/", operationId: "tell", summary: "Tells", guards: [tell()], handle: () => new Response() }),
    ],
  });

function listenerOf(answer: Parameters<typeof getRequestListener>[0]): RequestListener {
  const listener = getRequestListener(answer);
  return (req, res) => void listener(req, res); // it answers its own failures and never rejects
}

const HOSTS: Readonly<Record<string, () => RequestListener | Promise<RequestListener>>> = {
  Express: () => express().use(onExpress.guard(tell())),
  async Fastify() {
    const app = Fastify(onFastify.fastifyOptions);
    app.addHook("onRequest", onFastify.guard(tell()));
    await app.ready();
    return (req, res) => app.routing(req, res);
  },
  Hono: () => listenerOf(new Hono().use(onHono.guard(tell())).fetch),
  "an app mounted on Express": () => onExpress.mount(express(), route()),
};

// The certificate's order, and RFC 4514's.
const SUBJECT = "C=DE, O=Acme, CN=billing";
const NAMES = [
  { type: "dns", value: "billing.internal" },
  { type: "url", value: "spiffe://acme/billing" },
] as const;

let authority: Authority;
let server: Credentials;
let billing: Credentials;
let tricky: Credentials;
let nameless: Credentials;
let foreign: Credentials;
const open: Server[] = [];

beforeAll(async () => {
  authority = await createAuthority();
  server = await authority.issue("CN=localhost", [{ type: "dns", value: "localhost" }]);
  billing = await authority.issue(SUBJECT, NAMES);
  tricky = await authority.issue("CN=tenant", [
    { type: "dns", value: "tenant.example, DNS:billing.internal" },
    { type: "url", value: 'spiffe://acme/", URI:spiffe://acme/billing' },
    { type: "dns", value: "tenant.example" },
  ]);
  nameless = await authority.issue("", [{ type: "url", value: "spiffe://acme/billing" }]);
  foreign = await (await createAuthority()).issue(SUBJECT, NAMES);
});

afterAll(() => {
  for (const one of open) {
    one.close();
    one.closeAllConnections();
  }
});

async function listening(one: Server): Promise<number> {
  open.push(one);
  await once(one.listen(0, "127.0.0.1"), "listening");
  const address = one.address();
  if (typeof address !== "object" || address === null) throw new Error("The server has no port.");
  return address.port;
}

/** A server over TLS that asks for certificates, and lets everybody in. */
function serveTls(listener: RequestListener): Promise<number> {
  return listening(createServer({ ...server, ca: authority.ca, requestCert: true, rejectUnauthorized: false }, listener));
}

function agentOf(client: Credentials | undefined, keepAlive = true): Agent {
  return new Agent({ ca: authority.ca, servername: "localhost", keepAlive, ...client });
}

/** What the guard answers to a request, which claims another certificate in its headers. */
async function ask(port: number, agent?: Agent): Promise<{ seen: unknown; same: boolean; resumed: boolean }> {
  const claim = 'Hash=00;Subject="CN=admin";URI=spiffe://acme/admin';
  const options = { host: "127.0.0.1", port, headers: { "x-forwarded-client-cert": claim, "x-client-cert": claim } };
  const request = agent === undefined ? getHttp(options) : getHttps({ ...options, agent });
  const [response]: IncomingMessage[] = await once(request, "response");
  if (response === undefined) throw new Error("No response came.");
  const resumed = response.socket instanceof TLSSocket && response.socket.isSessionReused();
  return { ...JSON.parse(await text(response)), resumed };
}

async function seenBy(port: number, client: Credentials | undefined): Promise<unknown> {
  const agent = agentOf(client);
  const { seen } = await ask(port, agent);
  agent.destroy();
  return seen;
}

describe.each(Object.entries(HOSTS))("clientCertificate on %s", (_name, host) => {
  let port: number;

  beforeAll(async () => {
    port = await serveTls(await host());
  });

  test("is the certificate that the server's authority signed, read once for a connection", async () => {
    const agent = agentOf(billing);
    expect((await ask(port, agent)).seen).toEqual({
      subject: "CN=billing,O=Acme,C=DE",
      subjectAltNames: ["DNS:billing.internal", "URI:spiffe://acme/billing"],
      fingerprint256: fingerprintOf(billing),
    });
    expect((await ask(port, agent)).same).toBe(true);
    agent.destroy();
  });

  test("has an empty subject where the certificate names its owner otherwise", async () => {
    expect(await seenBy(port, nameless)).toMatchObject({ subject: "", subjectAltNames: ["URI:spiffe://acme/billing"] });
  });

  test("keeps a name with a comma or a quote in one piece (CVE-2021-44532)", async () => {
    expect(await seenBy(port, tricky)).toMatchObject({
      subjectAltNames: ["DNS:tenant.example, DNS:billing.internal", 'URI:spiffe://acme/", URI:spiffe://acme/billing', "DNS:tenant.example"],
    });
  });

  test("is undefined without a certificate, whatever the headers claim, and for one of another authority", async () => {
    expect(await seenBy(port, undefined)).toBeNull();
    expect(await seenBy(port, foreign)).toBeNull();
  });

  test("is in a resumed session what it was in the first: its own, none, and none for another authority's", async () => {
    for (const client of [billing, undefined, foreign]) {
      const agent = agentOf(client, false); // each connection resumes the session of the one before
      for (const resumed of [false, true, true]) {
        const answer = await ask(port, agent);
        expect(answer.resumed).toBe(resumed);
        expect(answer.seen).toEqual(client === billing ? expect.objectContaining({ fingerprint256: fingerprintOf(billing) }) : null);
      }
      agent.destroy();
    }
  });

  test("is undefined without TLS", async () => {
    expect((await ask(await listening(createHttpServer(await host())))).seen).toBeNull();
  });
});

test("clientCertificate is undefined on Fetch alone, which shows no connection", async () => {
  const port = await serveTls(listenerOf(toFetchHandler(route())));
  expect(await seenBy(port, billing)).toBeNull();
});
