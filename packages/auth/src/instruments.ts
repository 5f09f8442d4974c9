import { type Labels, type Metrics, quietly } from "@portcullis/core";
import type { AuthEvent } from "./auth-event.js";
import type { CookieEvent, CsrfRefusal } from "./cookies/cookie-event.js";

/** How a caller tried to prove who it is. */
export type AttemptMethod = "password" | "token" | "refresh" | "api_key" | "socket_ticket" | "system_token" | "otp" | "oauth";
/** What was ended early; `claims`: access tokens that say what is no longer so. */
export type RevocationKind = "token" | "session" | "family" | "user" | "api_key" | "password" | "claims" | "service";
export const REVOCATION_KINDS: readonly RevocationKind[] = Object.freeze([
  "token",
  "session",
  "family",
  "user",
  "api_key",
  "password",
  "claims",
  "service",
]);

// From within a process to the longest bound that can be set.
const LAG_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 60];

// Made once: the hot path allocates nothing for its metrics.
const SUCCESS: Readonly<Record<AttemptMethod, Labels>> = Object.freeze({
  password: Object.freeze({ method: "password", outcome: "success" }),
  token: Object.freeze({ method: "token", outcome: "success" }),
  refresh: Object.freeze({ method: "refresh", outcome: "success" }),
  api_key: Object.freeze({ method: "api_key", outcome: "success" }),
  oauth: Object.freeze({ method: "oauth", outcome: "success" }),
  socket_ticket: Object.freeze({ method: "socket_ticket", outcome: "success" }),
  system_token: Object.freeze({ method: "system_token", outcome: "success" }),
  otp: Object.freeze({ method: "otp", outcome: "success" }),
});

/** What auth tells of itself. Observers cannot change a decision: what they throw is dropped. */
export class Instruments {
  readonly #attempts;
  readonly #failures;
  readonly #issued;
  readonly #revocations;
  readonly #revocationLag;
  readonly #outageAcceptances;
  readonly #lockouts;
  readonly #queueDepth;
  readonly #isCollected: boolean;
  /** Access tokens accepted since the numbers were last read. */
  #tokens = 0;

  readonly #tell: ((event: AuthEvent) => void) | undefined;

  constructor(metrics: Metrics, onEvent: ((event: AuthEvent) => void) | undefined) {
    // Also a promise that rejects: anybody can cause a failed login, and must not end the process while a record of it cannot be written.
    this.#tell = onEvent && quietly(onEvent);
    this.#attempts = metrics.counter({ name: "auth_attempts_total", help: "Attempts to authenticate.", labelNames: ["method", "outcome"] });
    this.#failures = metrics.counter({ name: "auth_failures_total", help: "Refused credentials.", labelNames: ["reason"] });
    this.#issued = metrics.counter({ name: "auth_tokens_issued_total", help: "Tokens issued.", labelNames: ["type"] });
    this.#revocations = metrics.counter({ name: "auth_revocations_total", help: "Credentials ended early.", labelNames: ["kind"] });
    this.#revocationLag = metrics.histogram({
      name: "auth_revocation_lag_seconds",
      help: "From a revocation's announcement by another process until it was applied here, by the two clocks.",
      buckets: LAG_BUCKETS_SECONDS,
    });
    this.#outageAcceptances = metrics.counter({
      name: "auth_outage_acceptances_total",
      help: "Access tokens judged by what was remembered, because the store did not answer.",
    });
    this.#lockouts = metrics.counter({ name: "auth_lockouts_total", help: "Accounts locked after failed attempts." });
    this.#queueDepth = metrics.gauge({ name: "auth_hash_queue_depth", help: "Password hashes running or waiting." });
    this.#isCollected = metrics.onCollect !== undefined;
    metrics.onCollect?.(() => this.#handOver());
  }

  succeeded(method: AttemptMethod): void {
    // With each request: handed over together, where numbers are read from time to time.
    if (this.#isCollected && method === "token") {
      this.#tokens += 1;
      return;
    }
    try {
      this.#attempts.add(SUCCESS[method]);
    } catch {
      // See the class comment.
    }
  }

  /** @param reason One of a bounded set. */
  failed(method: AttemptMethod, reason: string): void {
    this.#quietly(() => {
      this.#attempts.add({ method, outcome: "failure" });
      this.#failures.add({ reason });
    });
  }

  issuedPair(): void {
    this.#quietly(() => {
      this.#issued.add({ type: "access" });
      this.#issued.add({ type: "refresh" });
    });
  }

  issuedAccessToken(): void {
    this.#quietly(() => this.#issued.add({ type: "access" }));
  }

  issuedApiKey(): void {
    this.#quietly(() => this.#issued.add({ type: "api_key" }));
  }

  issuedSystemToken(): void {
    this.#quietly(() => this.#issued.add({ type: "system" }));
  }

  revoked(kind: RevocationKind): void {
    this.#quietly(() => this.#revocations.add({ kind }));
  }

  revocationLag(lagMs: number): void {
    this.#quietly(() => this.#revocationLag.observe(lagMs / 1000));
  }

  outageAcceptance(): void {
    this.#quietly(() => this.#outageAcceptances.add());
  }

  locked(): void {
    this.#quietly(() => this.#lockouts.add());
  }

  queueDepth(depth: number): void {
    this.#quietly(() => this.#queueDepth.set(depth));
  }

  csrfRefused(reason: CsrfRefusal, { userId, sessionId }: Pick<CookieEvent, "userId" | "sessionId">): void {
    this.#quietly(() => this.#failures.add({ reason: `csrf_${reason}` }));
    this.emit({ kind: "csrf_refused", reason, userId, sessionId });
  }

  emit(event: AuthEvent): void {
    this.#tell?.(Object.freeze(event));
  }

  #handOver(): void {
    const tokens = this.#tokens;
    this.#tokens = 0;
    if (tokens > 0) this.#quietly(() => this.#attempts.add(SUCCESS.token, tokens));
  }

  #quietly(observe: () => void): void {
    try {
      observe();
    } catch {
      // See the class comment.
    }
  }
}
