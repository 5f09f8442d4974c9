import type { Clock, Labels, Metrics } from "@portcullis/core";
import type { Permission } from "./permission-key.js";
import type { RbacEvent } from "./rbac-event.js";

// One check in so many is timed: two clock readings cost more than the check.
const SAMPLE_EVERY = 1024;

const UNKNOWN_ALLOWED: Labels = Object.freeze({ permission: "unknown", result: "allowed" });
const UNKNOWN_DENIED: Labels = Object.freeze({ permission: "unknown", result: "denied" });

/** What a policy tells of itself. Observers cannot change a decision: what they throw is dropped. */
export class Instruments {
  readonly #checks;
  readonly #denied;
  readonly #seconds;
  readonly #version;
  readonly #unknownRoles;
  // By bit; made on first use, so that a check allocates no labels.
  readonly #allowedLabels: (Labels | undefined)[];
  readonly #deniedLabels: (Labels | undefined)[];
  #count = 0;

  constructor(
    metrics: Metrics,
    private readonly clock: Clock,
    private readonly onEvent: ((event: RbacEvent) => void) | undefined,
    permissions: number,
  ) {
    this.#checks = metrics.counter({
      name: "rbac_permission_checks_total",
      help: "Permission checks.",
      labelNames: ["permission", "result"],
    });
    this.#denied = metrics.counter({
      name: "rbac_permission_denied_total",
      help: "Requests denied by a guard.",
      labelNames: ["permission", "guard"],
    });
    this.#seconds = metrics.histogram({
      name: "rbac_check_seconds",
      help: "Duration of a check (one in 1,024 is timed).",
      buckets: [1e-7, 2.5e-7, 5e-7, 1e-6, 2.5e-6, 1e-5, 1e-4, 1e-3],
    });
    this.#version = metrics.gauge({ name: "rbac_policy_version", help: "Version of the policy in force." });
    this.#unknownRoles = metrics.counter({ name: "rbac_unknown_roles_total", help: "Roles of callers that the policy does not define." });
    this.#allowedLabels = Array.from({ length: permissions });
    this.#deniedLabels = Array.from({ length: permissions });
  }

  /** @returns when the check began if it is one to be timed. */
  begin(): number | undefined {
    this.#count += 1;
    return this.#count % SAMPLE_EVERY === 0 ? this.clock.monotonic() : undefined;
  }

  checked(permission: Permission | undefined, allowed: boolean, startedAt: number | undefined): void {
    try {
      this.#checks.add(this.#labels(permission, allowed));
      if (startedAt !== undefined) this.#seconds.observe((this.clock.monotonic() - startedAt) / 1000);
    } catch {
      // See the class comment.
    }
  }

  denied(permission: string | undefined, guard: string): void {
    this.#quietly(() => this.#denied.add({ permission: permission ?? "none", guard }));
  }

  unknownRole(): void {
    this.#quietly(() => this.#unknownRoles.add());
  }

  policyVersion(version: number): void {
    this.#quietly(() => this.#version.set(version));
  }

  /** @param eventOf Asked only where somebody listens; may throw, as a principal with getters can make it. */
  emit(eventOf: () => RbacEvent): void {
    this.#quietly(() => this.onEvent?.(eventOf()));
  }

  #labels(permission: Permission | undefined, allowed: boolean): Labels {
    if (permission === undefined) return allowed ? UNKNOWN_ALLOWED : UNKNOWN_DENIED;
    const labels = allowed ? this.#allowedLabels : this.#deniedLabels;
    return (labels[permission.bit] ??= Object.freeze({ permission: permission.key, result: allowed ? "allowed" : "denied" }));
  }

  #quietly(observe: () => void): void {
    try {
      observe();
    } catch {
      // See the class comment.
    }
  }
}
