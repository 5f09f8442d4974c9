import type { Labels, Metrics } from "@portcullis/core";
import type { AuthEvent } from "./auth-event.js";

/** How a caller tried to prove who it is. */
export type AttemptMethod = "password" | "token" | "refresh" | "api_key" | "oauth";
/** What was ended early. */
export type RevocationKind = "token" | "session" | "family" | "user" | "api_key" | "password";

// Made once: the hot path allocates nothing for its metrics.
const SUCCESS: Readonly<Record<AttemptMethod, Labels>> = Object.freeze({
  password: Object.freeze({ method: "password", outcome: "success" }),
  token: Object.freeze({ method: "token", outcome: "success" }),
  refresh: Object.freeze({ method: "refresh", outcome: "success" }),
  api_key: Object.freeze({ method: "api_key", outcome: "success" }),
  oauth: Object.freeze({ method: "oauth", outcome: "success" }),
});

/** What auth tells of itself. Observers cannot change a decision: what they throw is dropped. */
export class Instruments {
  readonly #attempts;
  readonly #failures;
  readonly #issued;
  readonly #revocations;
  readonly #lockouts;
  readonly #queueDepth;

  constructor(
    metrics: Metrics,
    private readonly onEvent: ((event: AuthEvent) => void) | undefined,
  ) {
    this.#attempts = metrics.counter({ name: "auth_attempts_total", help: "Attempts to authenticate.", labelNames: ["method", "outcome"] });
    this.#failures = metrics.counter({ name: "auth_failures_total", help: "Refused credentials.", labelNames: ["reason"] });
    this.#issued = metrics.counter({ name: "auth_tokens_issued_total", help: "Tokens issued.", labelNames: ["type"] });
    this.#revocations = metrics.counter({ name: "auth_revocations_total", help: "Credentials ended early.", labelNames: ["kind"] });
    this.#lockouts = metrics.counter({ name: "auth_lockouts_total", help: "Accounts locked after failed attempts." });
    this.#queueDepth = metrics.gauge({ name: "auth_hash_queue_depth", help: "Password hashes running or waiting." });
  }

  succeeded(method: AttemptMethod): void {
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

  issuedApiKey(): void {
    this.#quietly(() => this.#issued.add({ type: "api_key" }));
  }

  revoked(kind: RevocationKind): void {
    this.#quietly(() => this.#revocations.add({ kind }));
  }

  locked(): void {
    this.#quietly(() => this.#lockouts.add());
  }

  queueDepth(depth: number): void {
    this.#quietly(() => this.#queueDepth.set(depth));
  }

  emit(event: AuthEvent): void {
    this.#quietly(() => this.onEvent?.(Object.freeze(event)));
  }

  #quietly(observe: () => void): void {
    try {
      observe();
    } catch {
      // See the class comment.
    }
  }
}
