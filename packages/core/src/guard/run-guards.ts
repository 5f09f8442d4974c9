import { problems } from "../problem/catalogue.js";
import { ConfigurationError, ProblemError, StoreUnavailable } from "../problem/errors.js";
import type { Problem } from "../problem/problem.js";
import { quietly } from "../runtime/quietly.js";
import type { Answer } from "./answer.js";
import { ALLOW, type Guard, type GuardRequest, type Outcome, type Settle, type Verdict } from "./guard.js";
import { addFields, type HeaderField, type HeaderList } from "./header-list.js";

/** What stops a request before its handler. */
export type Stop = { readonly kind: "deny"; readonly problem: Problem } | { readonly kind: "answer"; readonly answer: Answer };

/** The result of a chain of guards. */
export interface GuardRun {
  /** `undefined`: the handler may run. */
  readonly stop: Stop | undefined;
  /** Fields for the response, whether stopped or not. */
  readonly headers: HeaderList;
  /** Call exactly once, after the response ended; `undefined` when no guard asked. Never throws or rejects. */
  readonly settle: ((outcome: Outcome) => void) | undefined;
}

/** Told of everything that went wrong where no response can say so: a guard or settle hook that threw. What it throws is dropped. */
export type OnFault = (fault: { readonly source: string; readonly error: unknown }) => void;

const PASSED: GuardRun = Object.freeze({
  stop: undefined,
  headers: Object.freeze([]),
  settle: undefined,
});

/** A chain of guards, prepared once and run for each request. */
export interface GuardChain {
  /** The guards in the order they are asked, composed ones taken apart. */
  readonly guards: readonly Guard[];
  /**
   * Asks each guard in order until one stops the request; the hooks of all that were asked will run.
   *
   * Answers synchronously when every guard did. A guard that throws is a fault: the request stops with its problem (a
   * `ProblemError`), 503 (a store that did not answer) or 500, never with the handler's response. So is a guard that returns
   * no verdict. Never throws or rejects.
   */
  run(request: GuardRequest): GuardRun | Promise<GuardRun>;
}

/**
 * Prepares a chain of guards.
 *
 * @param onFault Told of guards and hooks that threw, with the guard's name; the response never says so.
 */
export function createGuardChain(guards: readonly Guard[], onFault: OnFault = ignoreFault): GuardChain {
  const flat = Object.freeze(guards.flatMap(partsOf));
  const report = quietly(onFault);
  return { guards: flat, run: (request) => new ChainRun(flat, request, report).from(0) };
}

/**
 * One guard made of guards, asked in order. It is how `secureEndpoint` is made of authentication, permission and audit.
 *
 * @example
 * ```ts
 * import { allOf, correlationId, securityHeaders } from "@portcullis/core";
 *
 * export const front = allOf("front", [correlationId(), securityHeaders()]);
 * ```
 */
export function allOf(name: string, guards: readonly Guard[]): Guard {
  const chain = createGuardChain(guards);
  const check: Guard["check"] = (request) => {
    const run = chain.run(request);
    return run instanceof Promise ? run.then(toVerdict) : toVerdict(run);
  };
  COMPOSED.set(check, chain.guards);
  return { name, parts: chain.guards, check };
}

function partsOf(guard: Guard): readonly Guard[] {
  // Its own only: with Object.prototype polluted by an empty list, no guard at all would be asked (CWE-1321).
  const parts = COMPOSED.get(guard.check);
  return parts !== undefined && Object.hasOwn(guard, "parts") && guard.parts === parts ? parts : [guard];
}

const COMPOSED = new WeakMap<Guard["check"], readonly Guard[]>();

class ChainRun {
  #headers: HeaderList | undefined;
  /** `#headers`, once it is a list of our own. */
  #merged: HeaderField[] | undefined;
  #settles: { readonly name: string; readonly settle: Settle }[] | undefined;

  constructor(
    private readonly guards: readonly Guard[],
    private readonly request: GuardRequest,
    private readonly onFault: OnFault,
  ) {}

  from(start: number): GuardRun | Promise<GuardRun> {
    for (let index = start; index < this.guards.length; index += 1) {
      const guard = this.guards[index] as Guard; // index < length
      let verdict: Verdict | Promise<Verdict>;
      try {
        verdict = guard.check(this.request);
      } catch (error) {
        return this.#fault(guard, error);
      }
      if (verdict === ALLOW) continue;
      if (verdict instanceof Promise) {
        return verdict.then(
          (settled) => this.#weigh(guard, settled) ?? this.from(index + 1),
          (error: unknown) => this.#fault(guard, error),
        );
      }
      const stopped = this.#weigh(guard, verdict);
      if (stopped !== undefined) return stopped;
    }
    return this.#headers === undefined && this.#settles === undefined ? PASSED : this.#end(undefined);
  }

  #weigh(guard: Guard, verdict: Verdict): GuardRun | undefined {
    try {
      return this.#take(guard, verdict);
    } catch (error) {
      return this.#fault(guard, error);
    }
  }

  #take(guard: Guard, verdict: Verdict): GuardRun | undefined {
    if (verdict.headers !== undefined) this.#addHeaders(verdict.headers);
    if (verdict.settle !== undefined) (this.#settles ??= []).push({ name: guard.name, settle: verdict.settle });
    switch (verdict.kind) {
      case "allow":
        return undefined;
      case "deny":
        return this.#end({ kind: "deny", problem: verdict.problem });
      case "answer":
        return this.#end({ kind: "answer", answer: verdict.answer });
      default:
        // Untyped code: a misspelt kind, or a promise of another library. Only a verdict lets a request pass.
        throw new ConfigurationError(
          "invalid_verdict",
          `The guard "${guard.name}" returned no verdict. Return ALLOW, deny(…) or an answer.`,
        );
    }
  }

  // One list for the whole chain; the first guard's own as long as no other adds to it.
  #addHeaders(headers: HeaderList): void {
    if (this.#headers === undefined) {
      this.#headers = headers;
      return;
    }
    if (this.#merged === undefined) this.#headers = this.#merged = [...this.#headers];
    addFields(this.#merged, headers);
  }

  #fault(guard: Guard, error: unknown): GuardRun {
    // A problem thrown by a guard (a body that is too large) is an expected answer, not a fault of ours.
    if (!(error instanceof ProblemError)) this.onFault({ source: guard.name, error });
    return this.#end({ kind: "deny", problem: faultProblem(error) });
  }

  #end(stop: Stop | undefined): GuardRun {
    const settles = this.#settles;
    return {
      stop,
      headers: this.#headers ?? PASSED.headers,
      settle: settles === undefined ? undefined : settleAll(settles, this.onFault),
    };
  }
}

/** The problem a client sees for an exception: its own for a `ProblemError`, 503 for a dead store, else 500 without detail. */
export function faultProblem(error: unknown): Problem {
  if (error instanceof ProblemError) return error.problem;
  return error instanceof StoreUnavailable ? problems.serviceUnavailable() : problems.internal();
}

function settleAll(settles: readonly { readonly name: string; readonly settle: Settle }[], onFault: OnFault): (outcome: Outcome) => void {
  let settled = false;
  return (outcome) => {
    if (settled) return;
    settled = true;
    // Innermost first, as a stack unwinds: a lease is given back before the audit event that records the whole is written.
    for (let index = settles.length - 1; index >= 0; index -= 1) {
      const { name, settle } = settles[index] as (typeof settles)[number]; // 0 <= index < length
      try {
        const result = settle(outcome);
        if (result instanceof Promise) result.catch((error: unknown) => onFault({ source: name, error }));
      } catch (error) {
        onFault({ source: name, error });
      }
    }
  };
}

function toVerdict(run: GuardRun): Verdict {
  if (run === PASSED) return ALLOW;
  const rest = run.settle === undefined ? { headers: run.headers } : { headers: run.headers, settle: run.settle };
  return run.stop === undefined ? { kind: "allow", ...rest } : { ...run.stop, ...rest };
}

function ignoreFault(): void {}
