import {
  ALLOW,
  type Clock,
  deny,
  freezePrincipal,
  type Guard,
  type GuardRequest,
  invalidOption,
  type Metrics,
  noMetrics,
  parseIp,
  type Principal,
  principalFact,
  type Problem,
  problems,
  quietly,
  type StoreWith,
  subjectOf,
  systemClock,
  type Verdict,
} from "@portcullis/core";
import { ownOptions } from "../own-options.js";
import {
  type ForwardedIdentity,
  hasAliases,
  hasIdentityHeaders,
  IDENTITY_HEADERS,
  readIdentityHeaders,
  removeIdentityHeaders,
} from "./identity-headers.js";
import { parseSignature, SIGNATURE_HEADERS, verifySignature } from "./message-signature.js";
import { componentsFor } from "./sign-identity.js";
import { type KnownCaller, parseCallers, requireAudience, type TrustedCaller } from "./trusted-caller.js";

/** What became of identity headers that were sent. */
export type TrustedCallerEvent = {
  readonly kind: "identity_accepted" | "identity_ignored" | "identity_refused";
  /** Why, where it was refused; `untrusted` where nobody proved to be a trusted caller. */
  readonly reason:
    | "accepted"
    | "credential_wins"
    | "untrusted"
    | "ambiguous"
    | "mismatch"
    | "bad_signature"
    | "stale_signature"
    | "replayed_signature";
  /** The caller, as far as it is proven. */
  readonly callerId: string | undefined;
  /** Address of the socket's peer. */
  readonly ip: string | undefined;
};

/** Whom to believe. */
export interface TrustIdentityHeadersOptions<RoleName extends string = string> {
  /**
   * Who may say on whose behalf it calls; the first that is proven counts. Everybody else's identity headers are taken out of the
   * request and ignored. `[]`: nobody.
   */
  readonly callers: readonly TrustedCaller<RoleName>[];
  /** For callers that sign: where nonces are kept, so that a request is accepted once; shared by all processes. */
  readonly store?: StoreWith<"tickets">;
  /** For callers that sign: the name of this service, which their signatures carry as `tag`. */
  readonly audience?: string;
  /** How much a signature may be older or newer than now, ms; 1,000 to 600,000, default 60,000. */
  readonly toleranceMs?: number;
  /** Other spellings of the headers (`X_User_ID`) from a trusted caller: `refuse` (default) or `ignore`. They are never believed. */
  readonly aliases?: "refuse" | "ignore";
  /** Counts `rbac_forwarded_identities_total{caller,result}`. */
  readonly metrics?: Metrics;
  /** Told what became of each; what it throws is dropped. */
  readonly onEvent?: (event: TrustedCallerEvent) => void;
  readonly clock?: Clock;
}

const OPTIONS = ["callers", "store", "audience", "toleranceMs", "aliases", "metrics", "onEvent", "clock"] as const;
type Reason = TrustedCallerEvent["reason"];

/**
 * Lets proven services say on whose behalf they call, by `X-User-ID`, `X-Org-ID` and `X-User-Roles`: the principal is that user, with
 * the roles that the caller named and may give, and `via` the caller. It has no second factor, no session and no organisation roles.
 *
 * Mount it after authentication (which must let requests without a credential pass). A request with a credential of its own keeps the
 * principal of that: headers that name somebody else refuse it, since one of the two was deceived. From anybody else the headers are
 * taken out of the request and mean nothing. Trust rests on the connection or a signature, never on what a header says of addresses.
 *
 * On hosts that join repeated header lines before anybody sees them (a bare Fetch handler) a repeated `X-User-Roles` reads as one.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @throws {StoreUnavailable} At a request: the nonce of a signature could not be kept; 503, no handler runs.
 */
export function trustIdentityHeaders<RoleName extends string = string>(options: TrustIdentityHeadersOptions<RoleName>): Guard {
  const {
    callers: given,
    store,
    audience,
    toleranceMs = 60_000,
    aliases = "refuse",
    metrics = noMetrics,
    onEvent = () => {},
    clock = systemClock,
  } = ownOptions("trustIdentityHeaders", options, OPTIONS);
  const callers = parseCallers(given);
  const signing = new Map(callers.filter(({ secrets }) => secrets.length > 0).map((caller) => [caller.id, caller]));
  if (signing.size > 0 && typeof store?.tickets?.put !== "function")
    throw invalidOption("trustIdentityHeaders.store", store, 'a store with the port "tickets", where a caller signs');
  if (signing.size > 0) requireAudience("trustIdentityHeaders.audience", audience);
  if (!Number.isInteger(toleranceMs) || toleranceMs < 1000 || toleranceMs > 600_000)
    throw invalidOption("trustIdentityHeaders.toleranceMs", toleranceMs, "an integer of 1000 to 600000 ms");
  if (aliases !== "refuse" && aliases !== "ignore") throw invalidOption("trustIdentityHeaders.aliases", aliases, '"refuse" or "ignore"');
  const counter = metrics.counter({
    name: "rbac_forwarded_identities_total",
    help: "Requests with identity headers, by the caller that is proven and what became of them.",
    labelNames: ["caller", "result"],
  });
  // Each by itself: a broken counter must not cost the event, and a listener may be async.
  const count = quietly((event: TrustedCallerEvent) => counter.add({ caller: event.callerId ?? "unknown", result: event.reason }));
  const emit = quietly(onEvent);

  function end(request: GuardRequest, caller: KnownCaller | undefined, reason: Reason, problem?: Problem): Verdict {
    removeIdentityHeaders(request);
    const kind = problem !== undefined ? "identity_refused" : reason === "accepted" ? "identity_accepted" : "identity_ignored";
    const event: TrustedCallerEvent = Object.freeze({ kind, reason, callerId: caller?.id, ip: request.ip });
    count(event);
    emit(event);
    return problem === undefined ? ALLOW : deny(problem);
  }

  function accept(request: GuardRequest, caller: KnownCaller): Verdict {
    if (aliases === "refuse" && hasAliases(request)) return end(request, caller, "ambiguous", problems.ambiguousIdentity());
    const identity = readIdentityHeaders(request);
    if (identity === undefined) return end(request, caller, "ambiguous", problems.ambiguousIdentity());
    const principal = request.facts.get(principalFact);
    if (principal === undefined) {
      request.facts.set(principalFact, toPrincipal(identity, caller));
      return end(request, caller, "accepted");
    }
    const isSame = subjectOf(principal) === identity.userId && principal.orgId === identity.orgId;
    return isSame ? end(request, caller, "credential_wins") : end(request, caller, "mismatch", problems.ambiguousIdentity());
  }

  /** @returns why the signature proves nothing; the caller where it does. */
  async function signer(request: GuardRequest): Promise<KnownCaller | Reason> {
    const sent = parseSignature(request);
    const caller = sent === undefined ? undefined : signing.get(sent.params.keyid);
    if (sent === undefined || caller === undefined || sent.params.tag !== audience) return "bad_signature";
    const needed = componentsFor(IDENTITY_HEADERS.filter((name) => request.headerCount(name) > 0));
    if (!needed.every((component) => sent.components.includes(component))) return "bad_signature";
    if (!verifySignature(request, sent, caller.secrets)) return "bad_signature";
    if (Math.abs(clock.now() - sent.params.created * 1000) > toleranceMs) return "stale_signature";
    // Twice as long as a signature of that moment could be accepted: this clock may be set back, the store's goes on.
    const isFirst = await store?.tickets.put(`rbac-nonce:${caller.id}:${sent.params.nonce}`, "", 4 * toleranceMs);
    return isFirst === true ? caller : "replayed_signature";
  }

  return Object.freeze({
    name: "trust-identity-headers",
    meta: Object.freeze({ identityHeaders: true }),
    check(request: GuardRequest): Verdict | Promise<Verdict> {
      if (!hasIdentityHeaders(request)) return ALLOW;
      if (signing.size > 0 && SIGNATURE_HEADERS.some((name) => request.headerCount(name) > 0)) {
        return signer(request).then((found) =>
          typeof found === "string" ? end(request, undefined, found, problems.untrustedCaller()) : accept(request, found),
        );
      }
      const caller = callers.find((candidate) => isProven(candidate, request));
      return caller === undefined ? end(request, undefined, "untrusted") : accept(request, caller);
    },
  } satisfies Guard);
}

function isProven({ blocks, certificates }: KnownCaller, request: GuardRequest): boolean {
  if (blocks.length > 0) {
    const address = request.ip === undefined ? undefined : parseIp(request.ip);
    return address !== undefined && blocks.some((block) => block.contains(address));
  }
  const certificate = certificates.size > 0 ? request.clientCertificate : undefined;
  if (certificate === undefined) return false;
  return certificates.has(certificate.subject) || certificate.subjectAltNames.some((name) => certificates.has(name));
}

function toPrincipal({ userId, orgId, roles }: ForwardedIdentity, { id, maxRoles }: KnownCaller): Principal {
  return freezePrincipal({
    type: "user",
    id: userId,
    orgId,
    workspaceId: undefined,
    roles: [...new Set(roles)].filter((role) => maxRoles.has(role)),
    orgRoles: [],
    scopes: undefined,
    authMethod: "forwarded",
    via: id,
    email: undefined,
    sessionId: undefined,
    tokenVersion: 0,
    // Nobody can prove a second factor for somebody else (RBAC-26).
    mfaAt: undefined,
    mustChangePassword: false,
  });
}
