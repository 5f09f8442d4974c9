import type { Guard, Outcome, Verdict } from "@portcullis/core";
import type { AdapterCapability, AdapterHost, AdapterSetup, NativeRoute, RunningAdapter } from "./adapter-host.js";
import { RawConnection, type RawResponse } from "./raw-connection.js";

/** One thing that is true of every adapter. Independent of a test runner: `run` throws where it is not. */
export interface AdapterLaw {
  /** Stable, e.g. `AD-07`. */
  readonly id: string;
  /** A sentence that is true of the adapter. */
  readonly title: string;
  /** The law is about something that hosts without this do not have. */
  readonly needs?: readonly AdapterCapability[];
  run(host: AdapterHost): Promise<void>;
}

/** Long enough for a loaded machine; only a failing law waits for it. */
const PATIENCE_MS = 10_000;

/** Runs a law's body against a started application and closes it; fails where it hangs. */
export async function withAdapter(host: AdapterHost, setup: AdapterSetup, use: (running: RunningAdapter) => Promise<void>): Promise<void> {
  const running = await host.start(setup);
  try {
    await within(use(running), "the law", host.patienceMs);
  } finally {
    await within(running.close(), "closing", host.patienceMs);
  }
}

/** The promise, or an error where it takes longer than anything here may take. */
async function within<T>(promise: Promise<T>, what: string, patienceMs = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${patienceMs} ms for ${what}: it hangs.`)), patienceMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Sends one request exactly as written and returns the response. */
export async function exchange(running: RunningAdapter, request: string | Uint8Array, bodiless = false): Promise<RawResponse> {
  const connection = await RawConnection.open(running.port);
  await connection.send(request);
  const response = await connection.next({ bodiless });
  connection.abort();
  return response;
}

/** A request head with these field lines, ended. */
export function head(method: string, target: string, ...lines: readonly string[]): string {
  return `${[`${method} ${target} HTTP/1.1`, "Host: 127.0.0.1", ...lines].join("\r\n")}\r\n\r\n`;
}

/** A request with a body of known length. */
export function post(target: string, body: string, ...lines: readonly string[]): string {
  return `${head("POST", target, `Content-Length: ${Buffer.byteLength(body)}`, "Content-Type: application/json", ...lines)}${body}`;
}

/** A guard from a function. */
export function guardOf(name: string, check: Guard["check"]): Guard {
  return { name, check };
}

/** A guard that always gives this verdict, later if `late`. */
export function always(name: string, verdict: Verdict, late = false): Guard {
  return guardOf(name, () => (late ? turn().then(() => verdict) : verdict));
}

/** A turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A route that says hello and counts how often it ran. */
export function helloRoute(path = "/hello", method: NativeRoute["method"] = "GET"): NativeRoute & { readonly calls: () => number } {
  let calls = 0;
  return {
    method,
    path,
    calls: () => calls,
    handle() {
      calls += 1;
      return { kind: "text", body: "hello" };
    },
  };
}

/** A guard whose settle hook is recorded. */
export function settleRecorder(name = "recorder"): {
  readonly guard: Guard;
  readonly outcomes: readonly Outcome[];
  settled(count: number): Promise<void>;
} {
  const outcomes: Outcome[] = [];
  let wake = (): void => {};
  const guard = always(name, {
    kind: "allow",
    settle(outcome) {
      outcomes.push(outcome);
      wake();
    },
  });
  return {
    guard,
    outcomes,
    async settled(count) {
      while (outcomes.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      // A second call, if an adapter makes one, comes with an event of the same connection: give it time to.
      for (let turns = 0; turns < 5; turns += 1) await turn();
    },
  };
}

/** A promise and its resolve function. */
export function signal(): { readonly raised: Promise<void>; raise(): void } {
  let raise = (): void => {};
  const raised = new Promise<void>((resolve) => {
    raise = resolve;
  });
  return { raised, raise: () => raise() };
}
