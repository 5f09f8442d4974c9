import { type Clock, type Labels, type Metrics, quietly } from "@portcullis/core";
import type { Permission } from "./permission-key.js";
import type { RbacEvent } from "./rbac-event.js";

// One check in so many is timed: two clock readings cost more than the check.
const SAMPLE_EVERY = 1024;

/** What a policy tells of itself. Observers cannot change a decision: what they throw is dropped. */
export class Instruments {
  readonly #checks;
  readonly #denied;
  readonly #seconds;
  readonly #version;
  readonly #unknownRoles;
  // By slot: denied and allowed of what is not declared, then of each permission. Made on first use: a check allocates no labels.
  readonly #labels: (Labels | undefined)[];
  /** By slot, what is not handed over yet; `undefined` where there is nobody who collects, and each check is counted at once. */
  readonly #counts: Float64Array | undefined;
  readonly #tell: ((event: RbacEvent) => void) | undefined;
  #begun = 0;

  constructor(
    metrics: Metrics,
    private readonly clock: Clock,
    onEvent: ((event: RbacEvent) => void) | undefined,
    universe: { readonly size: number; readonly permissions: readonly Permission[] },
  ) {
    // One that is async may reject: unheard, that ends a process.
    this.#tell = onEvent && quietly(onEvent);
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
    this.#labels = Array<Labels | undefined>((universe.size + 1) * 2).fill(undefined);
    if (metrics.onCollect === undefined) return;
    const counts = new Float64Array(this.#labels.length);
    this.#counts = counts;
    metrics.onCollect(() => {
      for (const [slot, count] of counts.entries()) {
        if (count === 0) continue;
        counts[slot] = 0;
        this.#count(slot, universe.permissions[(slot >>> 1) - 1], count);
      }
    });
  }

  /** @returns when the check began if it is one to be timed. */
  begin(): number | undefined {
    this.#begun += 1;
    return this.#begun % SAMPLE_EVERY === 0 ? this.#now() : undefined;
  }

  checked(permission: Permission | undefined, allowed: boolean, startedAt: number | undefined): void {
    const slot = ((permission?.bit ?? -1) + 1) * 2 + (allowed ? 1 : 0);
    if (this.#counts !== undefined) this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
    else this.#count(slot, permission, 1);
    if (startedAt !== undefined) this.#time(startedAt);
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
    const tell = this.#tell;
    if (tell !== undefined) this.#quietly(() => tell(eventOf()));
  }

  #count(slot: number, permission: Permission | undefined, count: number): void {
    try {
      const labels = (this.#labels[slot] ??= Object.freeze({
        permission: permission?.key ?? "unknown",
        result: slot % 2 === 1 ? "allowed" : "denied",
      }));
      this.#checks.add(labels, count);
    } catch {
      // See the class comment.
    }
  }

  #now(): number | undefined {
    try {
      return this.clock.monotonic();
    } catch {
      // See the class comment.
      return undefined;
    }
  }

  #time(startedAt: number): void {
    this.#quietly(() => this.#seconds.observe((this.clock.monotonic() - startedAt) / 1000));
  }

  #quietly(observe: () => void): void {
    try {
      observe();
    } catch {
      // See the class comment.
    }
  }
}
