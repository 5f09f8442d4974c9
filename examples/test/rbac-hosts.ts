// Every framework that runs guards, with the hosts that the adapters' own laws run on.
import { toFetchHandler } from "@portcullis/core";
import { listen } from "@portcullis/hono";
import { type AdapterHost, toApp } from "@portcullis/testkit";
import { hosts as express } from "../../packages/express/test/express-host.js";
import { hosts as fastify } from "../../packages/fastify/test/fastify-host.js";
import { hosts as hono } from "../../packages/hono/test/hono-host.js";

/** Without any framework; the peer's address comes from whoever calls the handler. */
const onFetch: AdapterHost = {
  name: "an app on Fetch alone, told the address",
  capabilities: [],
  start: (setup) => listen({ fetch: toFetchHandler(toApp(setup), { ipOf: () => "127.0.0.1" }) }, { port: 0, host: "127.0.0.1" }),
};

/** Hosts that know the peer's address. */
export const RBAC_HOSTS: readonly AdapterHost[] = [
  ...[...express, ...fastify, ...hono].filter(({ capabilities }) => capabilities.includes("raw-request")),
  onFetch,
];

/** Hosts that do not: nobody is a trusted caller there by its address. */
export const HOSTS_WITHOUT_ADDRESS: readonly AdapterHost[] = hono.filter(({ capabilities }) => !capabilities.includes("raw-request"));

/** Whether repeated field lines are seen one by one there. */
export function seesLines({ capabilities }: AdapterHost): boolean {
  return capabilities.includes("raw-request");
}
