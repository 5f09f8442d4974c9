// A server process of contract-cost.bench.ts: one framework, one thing mounted.
import { ALLOW, type Guard } from "@portcullis/core";
import * as portcullisExpress from "@portcullis/express";
import * as portcullisFastify from "@portcullis/fastify";
import * as portcullisHono from "@portcullis/hono";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";

const allow: Guard = { name: "allow", check: () => ALLOW };
const headers: Guard = {
  name: "headers",
  check: () => ({
    kind: "allow",
    headers: [
      ["x-content-type-options", "nosniff"],
      ["x-frame-options", "DENY"],
    ],
  }),
};
const settle: Guard = { name: "settle", check: () => ({ kind: "allow", settle: () => {} }) };

type Mounted = readonly Guard[] | "nothing" | "native";

/** What is mounted. `native`: an empty middleware or hook of the framework's own, to tell its dispatch from the contract. */
const variants: Readonly<Record<string, Mounted>> = {
  bare: "nothing",
  native: "native",
  one: [allow],
  five: [allow, allow, allow, allow, allow],
  headers: [headers],
  settle: [settle],
};

const LOCAL = { port: 0, host: "127.0.0.1" };

const start: Readonly<Record<string, (mounted: Mounted) => Promise<{ readonly port: number }>>> = {
  express: (mounted) => {
    const app = express();
    if (mounted === "native") app.use((_req, _res, next) => next());
    else if (mounted !== "nothing") app.use(portcullisExpress.guard(...mounted));
    app.get("/hello", (_req, res) => void res.send("hello"));
    return portcullisExpress.listen(app, LOCAL);
  },
  fastify: (mounted) => {
    const app = Fastify();
    if (mounted === "native") app.addHook("onRequest", (_request, _reply, done) => done());
    else if (mounted !== "nothing") app.addHook("onRequest", portcullisFastify.guard(...mounted));
    app.get("/hello", (_request, reply) => reply.send("hello"));
    return portcullisFastify.listen(app, LOCAL);
  },
  hono: (mounted) => {
    const app = new Hono();
    if (mounted === "native") app.use((_c, next) => next());
    else if (mounted !== "nothing") app.use(portcullisHono.guard(...mounted));
    app.get("/hello", (c) => c.text("hello"));
    return portcullisHono.listen(app, LOCAL);
  },
};

const [, , framework = "", variant = ""] = process.argv;
const listening = await start[framework]?.(variants[variant] ?? "nothing");
process.on("message", () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpuMicros: user + system });
});
process.send?.({ port: listening?.port });
