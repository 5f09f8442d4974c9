import { createHash } from "node:crypto";
import type { Answer } from "../guard/answer.js";
import { createFactKey } from "../guard/facts.js";
import { ALLOW, deny, type Guard, type GuardRequest, type Verdict } from "../guard/guard.js";
import { principalFact, subjectOf } from "../guard/principal.js";
import type { StoreWith } from "../ports/store.js";
import { problems } from "../problem/catalogue.js";
import { invalidOption } from "../problem/errors.js";
import { clientIpOf } from "./client-ip.js";
import { readUpTo } from "./read-up-to.js";
import type { Route } from "./route.js";

/** How {@link idempotent} remembers. */
export interface IdempotencyOptions {
  readonly store: StoreWith<"tickets">;
  /** How long a result is replayed. Default 24 h. */
  readonly ttlMs?: number;
  /** After this long an unfinished request is given up (its process died), and the key may run again. Default 60 s. */
  readonly lockMs?: number;
  /** Results longer than this, or that are no text, are not kept, and the request may run again. Default 256 KiB. */
  readonly maxResultBytes?: number;
}

interface Claim {
  readonly ticket: string;
  readonly digest: string;
  /** What the ticket holds while this very request runs. */
  readonly inFlight: string;
  /** `failed`: the handler ran, but the store did not take its result. */
  result: "none" | "kept" | "failed";
  fault?: unknown;
}

type Remembered = { readonly digest: string; readonly run?: string; readonly answer?: Answer };

const DEFAULTS = { ttlMs: 86_400_000, lockMs: 60_000, maxResultBytes: 262_144, maxBodyBytes: 1_048_576 } as const;
const claimFact = createFactKey<Claim>("idempotency-claim");
const KEY = /^"?([\x21\x23-\x7e]{1,255})"?$/;
// Of the stored result only what a client needs to act on it; hop-by-hop and per-response fields are made anew.
const KEPT_FIELDS = ["content-type", "location", "etag"];

/**
 * Makes a route safe to repeat: with an `Idempotency-Key`, the first request runs and its result is replayed to later ones with
 * the same key and content; other content under the key is 422 (2007), the same while it runs 409 (4007). Keys belong to their caller
 * (with its organisation and workspace) and route. Failures of the server (5xx) are not remembered: they may be tried again. A result
 * that the store did not take is sent all the same, and the key stays taken for `lockMs`. Requests without the header run as ever.
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
    if (!Number.isFinite(value) || value <= 0) throw invalidOption(name, value, "a finite number above 0");
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
    // Named for this run: one that outlived its lock must not touch the claim of the next.
    const inFlight = JSON.stringify({ digest, run: crypto.randomUUID() } satisfies Remembered);
    if (await tickets.put(ticket, inFlight, lockMs)) {
      const made: Claim = { ticket, digest, inFlight, result: "none" };
      request.facts.set(claimFact, made);
      return { kind: "allow", settle: async () => release(made) };
    }
    const found = await tickets.peek(ticket);
    const remembered = found === undefined ? undefined : (JSON.parse(found) as Remembered); // written by this function or keep()
    if (remembered !== undefined && remembered.digest !== digest) return deny(problems.idempotencyKeyReused());
    if (remembered?.answer === undefined) return deny(problems.requestInFlight({ retryAfterMs: 1000 }));
    return { kind: "answer", answer: remembered.answer };
  }

  // Refused by a later guard, failed, or too large to keep: the key is free again.
  async function release({ ticket, digest, inFlight, result, fault }: Claim): Promise<void> {
    // It may have taken effect: freeing the key would let the retry do it twice. The lock runs out by itself.
    if (result === "failed") throw fault;
    // take() alone would take whatever is there by now; exchanged for a value of no run, it is nobody else's.
    const given: Remembered = { digest };
    if (result === "none" && (await tickets.replace(ticket, inFlight, JSON.stringify(given), lockMs))) await tickets.take(ticket);
  }

  async function keep({ ticket, digest, inFlight }: Claim, response: Response, body: string): Promise<boolean> {
    const headers = KEPT_FIELDS.flatMap((name) => {
      const value = response.headers.get(name);
      return value === null ? [] : [[name, value] as const];
    });
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
      if (response.status >= 500) return response;
      const read = await readUpTo(response.body, maxResultBytes);
      if (read.kind === "longer") return new Response(read.stream, response);
      const body = toText(read.bytes);
      try {
        if (body !== undefined && (await keep(made, response, body))) made.result = "kept";
      } catch (fault) {
        made.result = "failed";
        made.fault = fault;
      }
      return new Response(response.body === null ? null : Uint8Array.from(read.bytes), response);
    },
  });
}

// Ids are unique within their type only, and what a person is shown in one workspace is not for another.
function callerOf(request: GuardRequest): readonly unknown[] {
  const principal = request.facts.get(principalFact);
  if (principal === undefined) return ["address", clientIpOf(request).key];
  return [principal.type, subjectOf(principal), principal.orgId ?? null, principal.workspaceId ?? null];
}

// `undefined` for what is not UTF-8: as text it would not be the same bytes.
function toText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function hash(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
}
