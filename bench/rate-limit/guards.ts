// What limits add to a request that nothing else is done for: each in memory, called directly, without a socket.
import {
  clientIp,
  createGuardChain,
  createMemoryStore,
  FetchGuardRequest,
  type Guard,
  ALLOW,
  freezePrincipal,
  principalFact,
} from "@portcullis/core";
import * as portcullisHono from "@portcullis/hono";
import fastifyRateLimit from "@fastify/rate-limit";
import { rateLimit as expressRateLimit } from "express-rate-limit";
import Fastify from "fastify";
import { type Context, Hono } from "hono";
import { rateLimiter as honoRateLimiter } from "hono-rate-limiter";
import { hundredths, median, quantile, rotate } from "../harness/statistics.js";
import { oneLimit, WIDE } from "./limiters.js";

/** The figure of one way to limit: how much later the handler's answer is there. */
export interface GuardFigure {
  readonly name: string;
  readonly bareP50Micros: number;
  readonly bareP99Micros: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** Of the 99th percentiles: the median over the rounds. */
  readonly addedP99Micros: number;
}

/** A way to limit, and the same without. */
interface Mounting {
  readonly name: string;
  readonly bare: () => unknown;
  readonly limited: () => unknown;
}

export const OUR_GUARDS = "portcullis: limitFloor and limitAuthenticated, guard chain";

const WARM_UP_CALLS = 20_000;
const FIXED = { limit: WIDE, windowMs: 3_600_000 };
const URL_ASKED = "http://127.0.0.1/workflows/42";

/** Measures each call by the clock. */
export async function measureGuards({
  rounds,
  calls,
}: {
  readonly rounds: number;
  readonly calls: number;
}): Promise<readonly GuardFigure[]> {
  const found: GuardFigure[] = [];
  for (const { name, bare, limited } of await mountings()) {
    const lanes = [
      { call: bare, p50: [] as number[], p99: [] as number[] },
      { call: limited, p50: [] as number[], p99: [] as number[] },
    ];
    for (const { call } of [...lanes, ...lanes]) await microsOf(call, WARM_UP_CALLS / 2);
    for (let round = 0; round < rounds; round += 1) {
      for (const { call, p50, p99 } of rotate(lanes, round)) {
        const micros = await microsOf(call, calls);
        p50.push(quantile(micros, 0.5));
        p99.push(quantile(micros, 0.99));
      }
    }
    const [without, having] = lanes as [(typeof lanes)[number], (typeof lanes)[number]];
    found.push({
      name,
      bareP50Micros: hundredths(median(without.p50)),
      bareP99Micros: hundredths(median(without.p99)),
      p50Micros: hundredths(median(having.p50)),
      p99Micros: hundredths(median(having.p99)),
      addedP99Micros: hundredths(median(having.p99.map((value, round) => value - (without.p99[round] ?? Number.NaN)))),
    });
  }
  return found;
}

async function microsOf(call: () => unknown, calls: number): Promise<readonly number[]> {
  const micros: number[] = [];
  for (let index = 0; index < calls; index += 1) {
    const startedAt = performance.now();
    const answer = call();
    if (answer instanceof Promise) await answer;
    micros.push((performance.now() - startedAt) * 1000);
  }
  return micros;
}

async function mountings(): Promise<readonly Mounting[]> {
  return [guardChain(), hono(), expressMiddleware(), await fastify(), honoPeer()];
}

const PRINCIPAL = freezePrincipal({
  ...{ type: "user", id: "user-0", email: undefined, orgId: undefined, workspaceId: undefined, roles: [], orgRoles: [], scopes: undefined },
  ...{ authMethod: "token", sessionId: "session-0", tokenVersion: 1, mfaAt: undefined, mustChangePassword: false },
});

const knownCaller: Guard = {
  name: "known-caller",
  check(request) {
    request.facts.set(principalFact, PRINCIPAL);
    return ALLOW;
  },
};

function ourGuards(): readonly Guard[] {
  const limiter = oneLimit(createMemoryStore());
  return [limiter.limitFloor(), limiter.limitAuthenticated()];
}

function guardChain(): Mounting {
  const base = [clientIp(), knownCaller];
  const callOf = (guards: readonly Guard[]): (() => unknown) => {
    const chain = createGuardChain(guards);
    const request = new Request(URL_ASKED);
    return () => {
      const run = chain.run(new FetchGuardRequest(request, "203.0.113.7"));
      if (run instanceof Promise || run.stop !== undefined) throw new Error("The guards stopped a request, or waited.");
      return run;
    };
  };
  return { name: OUR_GUARDS, bare: callOf(base), limited: callOf([...base, ...ourGuards()]) };
}

function hono(): Mounting {
  const base = [clientIp(), knownCaller];
  const callOf = (guards: readonly Guard[]): (() => unknown) => {
    const app = new Hono();
    app.use(portcullisHono.guard(...guards));
    return served(app);
  };
  return { name: "portcullis: limitFloor and limitAuthenticated, Hono", bare: callOf(base), limited: callOf([...base, ...ourGuards()]) };
}

function honoPeer(): Mounting {
  const limited = new Hono();
  limited.use(honoRateLimiter({ ...FIXED, keyGenerator: (context: Context) => context.req.header("x-caller") ?? "user-0" }));
  return { name: "hono-rate-limiter, Hono", bare: served(new Hono()), limited: served(limited) };
}

function served(app: Hono): () => unknown {
  app.get("/workflows/:id", (context) => context.text("hello"));
  const request = new Request(URL_ASKED);
  return async () => {
    const response = await app.fetch(request);
    if (response.status !== 200) throw new Error(`Answered ${response.status}.`);
  };
}

// The middleware alone, with what it touches of a request and a response.
function expressMiddleware(): Mounting {
  const middleware = expressRateLimit({ ...FIXED, standardHeaders: "draft-8", legacyHeaders: false, validate: false });
  const call = (run: (request: object, response: object, next: () => void) => unknown): (() => unknown) => {
    return () => {
      const fields = new Map<string, string>();
      const request = { ip: "203.0.113.7", method: "GET", originalUrl: "/workflows/42", headers: {}, app: { get: () => false } };
      const response = {
        headersSent: false,
        setHeader: (name: string, value: string) => fields.set(name, value),
        append: (name: string, value: string) => fields.set(name, value),
      };
      return new Promise<void>((resolve) => void run(request, response, resolve));
    };
  };
  return {
    name: "express-rate-limit, its middleware alone",
    bare: call((_request, _response, next) => next()),
    limited: call((request, response, next) => middleware(request as never, response as never, next)),
  };
}

async function fastify(): Promise<Mounting> {
  const callOf = async (isLimited: boolean): Promise<() => unknown> => {
    const app = Fastify();
    if (isLimited) await app.register(fastifyRateLimit, { max: WIDE, timeWindow: FIXED.windowMs });
    app.get("/workflows/:id", async () => "hello");
    await app.ready();
    return async () => {
      const { statusCode } = await app.inject({ method: "GET", url: "/workflows/42" });
      if (statusCode !== 200) throw new Error(`Answered ${statusCode}.`);
    };
  };
  return { name: "@fastify/rate-limit, by inject", bare: await callOf(false), limited: await callOf(true) };
}
