import { createHash } from "node:crypto";
import type { Answer } from "../guard/answer.js";
import { createFactKey } from "../guard/facts.js";
import { ALLOW, deny, type Guard, type GuardRequest, type Verdict } from "../guard/guard.js";
import { principalFact, subjectOf } from "../guard/principal.js";
import type { StoreWith } from "../ports/store.js";
import { problems } from "../problem/catalogue.js";
import { invalidOption } from "../problem/errors.js";
import { clientIpOf } from "./client-ip.js";
import type { Route } from "./route.js";

/** How {@link idempotent} remembers. */
export interface IdempotencyOptions {
  readonly store: StoreWith<"tickets">;
  /** How long a result is replayed. Default 24 h. */
  readonly ttlMs?: number;
  /** After this long an unfinished request is given up (its process died), and the key may run again. Default 60 s. */
  readonly lockMs?: number;
  /** Results longer than this are not kept, and the request may run again. Default 256 KiB. */
  readonly maxResultBytes?: number;
}

interface Claim {
  readonly ticket: string;
  readonly inFlight: string;
  isKept: boolean;
}

type Remembered = { readonly digest: string; readonly answer?: Answer };

const DEFAULTS = { ttlMs: 86_400_000, lockMs: 60_000, maxResultBytes: 262_144, maxBodyBytes: 1_048_576 } as const;
const claimFact = createFactKey<Claim>("idempotency-claim");
const KEY = /^"?([\x21\x23-\x7e]{1,255})"?$/;
// Of the stored result only what a client needs to act on it; hop-by-hop and per-response fields are made anew.
const KEPT_FIELDS = ["content-type", "location", "etag"];

/**
 * Makes a route safe to repeat: with an `Idempotency-Key`, the first request runs and its result is replayed to later ones with
 * the same key and content; other content under the key is 422 (2007), the same while it runs 409 (4007). Keys belong to their caller
 * and route. Failures of the server (5xx) are not remembered: they may be tried again. Requests without the header run as ever.
 *
 * @throws {ConfigurationError} `invalid_option`: a duration or size is not positive.
 * @see draft-ietf-httpapi-idempotency-key-header-07
 * @example
 * ```ts
 * import { createMemoryStore, defineRoute, idempotent } from "@portcullis/core";
 *
 * const pay = defineRoute({ method: "POST", path: "/payments", operationId: "pay", summary: "Pays", handle: () => Response.json({ paid: true }) });
 * export const payOnce = idempotent(pay, { store: createMemoryStore() });
 * ```
 */
export function idempotent(route: Route, options: IdempotencyOptions): Route {
  const { ttlMs = DEFAULTS.ttlMs, lockMs = DEFAULTS.lockMs, maxResultBytes = DEFAULTS.maxResultBytes } = options;
  for (const [name, value] of Object.entries({ ttlMs, lockMs, maxResultBytes }))
    if (!(value > 0)) throw invalidOption(name, value, "a number above 0");
  const { tickets } = options.store;

  const guard: Guard = {
    name: "idempotency-key",
    check(request) {
      const sent = request.header("idempotency-key");
      return sent === undefined ? ALLOW : claim(request, sent);
    },
  };

  async function claim(request: GuardRequest, sent: string): Promise<Verdict> {
    const key = request.headerCount("idempotency-key") === 1 ? KEY.exec(sent)?.[1] : undefined;
    if (key === undefined)
      return deny(problems.malformedRequest({ detail: "Idempotency-Key must be sent once, as 1 to 255 visible ASCII characters." }));
    const body = await request.rawBody(route.input.maxBodyBytes ?? DEFAULTS.maxBodyBytes);
    const digest = createHash("sha256")
      .update(JSON.stringify([request.method, request.target]))
      .update(body)
      .digest("base64url");
    const ticket = `idempotency:${hash([route.operationId, callerOf(request), key])}`;
    const inFlight = JSON.stringify({ digest } satisfies Remembered);
    if (await tickets.put(ticket, inFlight, lockMs)) {
      const made: Claim = { ticket, inFlight, isKept: false };
      request.facts.set(claimFact, made);
      // Refused by a later guard, failed, or too large to keep: the key is free again.
      return { kind: "allow", settle: async () => void (made.isKept || (await tickets.take(ticket))) };
    }
    const found = await tickets.peek(ticket);
    const remembered = found === undefined ? undefined : (JSON.parse(found) as Remembered); // written by this function or keep()
    if (remembered !== undefined && remembered.digest !== digest) return deny(problems.idempotencyKeyReused());
    if (remembered?.answer === undefined) return deny(problems.requestInFlight({ retryAfterMs: 1000 }));
    return { kind: "answer", answer: remembered.answer };
  }

  async function keep({ ticket, inFlight }: Claim, response: Response, body: string): Promise<boolean> {
    if (response.status >= 500 || Buffer.byteLength(body) > maxResultBytes) return false;
    const headers = KEPT_FIELDS.flatMap((name) => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
    const { digest } = JSON.parse(inFlight) as Remembered; // made in claim()
    const result: Remembered = { digest, answer: { status: response.status, headers, body } };
    return tickets.replace(ticket, inFlight, JSON.stringify(result), ttlMs);
  }

  return Object.freeze({
    ...route,
    guards: Object.freeze([...route.guards, guard]),
    async handle(...parameters: Parameters<Route["handle"]>): Promise<Response> {
      const response = await route.handle(...parameters);
      const [, context] = parameters;
      const made = context.facts.get(claimFact);
      if (made === undefined) return response;
      const body = await response.text();
      made.isKept = await keep(made, response, body);
      return new Response(response.status === 204 ? null : body, response);
    },
  });
}

function callerOf(request: GuardRequest): readonly [string, string] {
  const principal = request.facts.get(principalFact);
  return principal === undefined ? ["address", clientIpOf(request).key] : ["subject", subjectOf(principal)];
}

function hash(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
}
