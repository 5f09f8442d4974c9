import type { HeldRole } from "@portcullis/core";
import { own } from "../own-options.js";

/** What can be assigned: a role, a role within the organisation, or a persona. */
export type AssignmentKind = "role" | "orgRole" | "persona";

/** One thing that a subject holds in an organisation. */
export interface Assignment {
  readonly kind: AssignmentKind;
  /** Name of the role, organisation role or persona. */
  readonly name: string;
  /** Departments that an organisation role bound to departments is held for; lower case. */
  readonly departments: readonly string[];
  /** From this instant (epoch ms) on it is over; `undefined`: it stays. */
  readonly expiresAt: number | undefined;
  /** Present: it does nothing until it is activated, each time for this long (ms) at most. */
  readonly activatableForMs: number | undefined;
  /** Until this instant (epoch ms) it is active; `undefined` where it is not, or needs no activation. */
  readonly activeUntil: number | undefined;
  /** Who assigned it, and when (epoch ms). */
  readonly assignedBy: string;
  readonly assignedAt: number;
}

/** As the store keeps it. Permanent holders count where the last one may not go. */
export function toHeldRole({ kind, name, ...value }: Assignment): HeldRole {
  return {
    role: heldName(kind, name),
    standing: value.expiresAt === undefined && value.activatableForMs === undefined,
    value: JSON.stringify(value),
  };
}

/** How an assignment is called in the store; no name contains a colon. */
export function heldName(kind: AssignmentKind, name: string): string {
  return `${kind}:${name}`;
}

/** @throws {Error} The store holds what this package did not write. */
export function fromHeldRole({ role, value }: HeldRole): Assignment {
  const colon = role.indexOf(":");
  const parsed = JSON.parse(value) as Omit<Assignment, "kind" | "name">; // written by toHeldRole
  // What is undefined is absent in JSON: a polluted `Object.prototype` must not activate anything (CWE-1321).
  const instant = (name: "expiresAt" | "activatableForMs" | "activeUntil") => own(parsed, name) as number | undefined; // as above
  return Object.freeze({
    kind: role.slice(0, colon) as AssignmentKind, // heldName
    name: role.slice(colon + 1),
    departments: Object.freeze([...parsed.departments]),
    expiresAt: instant("expiresAt"),
    activatableForMs: instant("activatableForMs"),
    activeUntil: instant("activeUntil"),
    assignedBy: parsed.assignedBy,
    assignedAt: parsed.assignedAt,
  });
}

/** Whether it counts now. Half-open: at `expiresAt` and at `activeUntil` it is over. */
export function isActive({ expiresAt, activatableForMs, activeUntil }: Assignment, now: number): boolean {
  if (expiresAt !== undefined && now >= expiresAt) return false;
  return activatableForMs === undefined || (activeUntil !== undefined && now < activeUntil);
}
