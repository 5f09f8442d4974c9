// How long `GET /auth/me` takes over HTTP while others log in. This process is the callers; the server has one of its own.
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { startServer } from "../harness/measured-server.js";
import { quantile } from "../harness/statistics.js";
import type { Serving } from "./me-server.js";

/** One way to load the server. */
export interface LatencyQuestion {
  /** Logins under way at any time, each a hash that is computed or waits. */
  readonly logins: number;
  readonly seconds: number;
}

/** Ms from the instant a call was due until its last byte was there. */
export interface Latency {
  readonly logins: number;
  readonly calls: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly loginsPerSecond: number;
}

/** Calls are due at a fixed pace, whether or not earlier ones were answered: a server that stalls is charged for all who wait. */
const CALL_EVERY_MS = 5;
const CALLERS = 50;
const WARM_UP_MS = 2_000;

export async function measureLatency(file: string, { logins, seconds }: LatencyQuestion): Promise<Latency> {
  const { ready, close } = await startServer<Serving>(file, [String(CALLERS), String(Math.max(logins, 1))]);
  const agents = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true, maxSockets: Math.max(logins, 1) })] as const;
  const until = performance.now() + WARM_UP_MS + seconds * 1000;
  let done = 0;
  const logIn = async (email: string): Promise<void> => {
    const body = JSON.stringify({ email, password: ready.password });
    while (performance.now() < until) {
      const status = await call(agents[1], ready.port, "POST", "/auth/login", { "content-type": "application/json" }, body);
      if (status !== 200) throw new Error(`A login is answered ${status}.`);
      if (performance.now() >= until - seconds * 1000 && performance.now() < until) done += 1;
    }
  };
  const working = Promise.all(ready.emails.slice(0, logins).map(logIn));
  const tookMs: number[] = [];
  const calls: Promise<void>[] = [];
  const began = performance.now();
  for (let index = 0; began + index * CALL_EVERY_MS < until; index += 1) {
    const dueAt = began + index * CALL_EVERY_MS;
    while (performance.now() < dueAt) await sleep(1);
    const authorization = `Bearer ${ready.tokens[index % ready.tokens.length] ?? ""}`;
    // Late by this process's own fault, it is not charged to the server.
    const sentAt = Math.max(dueAt, performance.now());
    calls.push(
      call(agents[0], ready.port, "GET", "/auth/me", { authorization }).then((status) => {
        if (status !== 200) throw new Error(`A call is answered ${status}.`);
        if (sentAt >= began + WARM_UP_MS) tookMs.push(performance.now() - sentAt);
      }),
    );
  }
  await Promise.all(calls);
  await working;
  for (const agent of agents) agent.destroy();
  await close();
  const rounded = (share: number): number => Math.round(quantile(tookMs, share) * 100) / 100;
  return { logins, calls: tookMs.length, p50: rounded(0.5), p99: rounded(0.99), max: rounded(1), loginsPerSecond: done / seconds };
}

function call(
  agent: Agent,
  port: number,
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body?: string,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, method, path, agent, headers }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode));
    });
    sent.once("error", reject).end(body);
  });
}
