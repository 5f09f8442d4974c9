// A policy of 1,000 roles over 10,000 permissions: what it costs to compile, and what it holds.
import { defineRbac, type RoleDefinition } from "@portcullis/rbac";
import { heldBytes } from "../harness/held-bytes.js";
import { createRandomBelow } from "../harness/random-below.js";
import { median } from "../harness/statistics.js";

const ROLES = 1_000;
const RESOURCES = 500;
const ACTIONS = 20;
const WARM_TIMES = 20;

/** What a policy is defined by. */
export interface Definition {
  readonly permissions: Readonly<Record<string, readonly string[]>>;
  readonly roles: Readonly<Record<string, RoleDefinition>>;
}

/** CPU time of this process, all threads, that compiling took: the first time, and the median of the times that followed. */
export interface CompileTimes {
  readonly coldMs: number;
  /** The first time, by the clock. */
  readonly coldClockMs: number;
  readonly warmMs: number;
}

/** As an application that keeps its policy in a file has it: each role inherits up to two, grants twelve and denies one. */
export function largeDefinition(): Definition {
  const below = createRandomBelow();
  const grant = (): string => `resource-${below(RESOURCES)}.action-${below(ACTIONS)}`;
  const actions = Array.from({ length: ACTIONS }, (_, action) => `action-${action}`);
  const permissions = Object.fromEntries(Array.from({ length: RESOURCES }, (_, resource) => [`resource-${resource}`, actions]));
  const roles = Object.fromEntries(
    Array.from({ length: ROLES }, (_, role) => [
      `role-${role}`,
      {
        inherits: role < 2 ? [] : [`role-${below(role)}`, `role-${below(role)}`],
        grants: [
          ...Array.from({ length: 10 }, grant),
          `resource-${below(RESOURCES)}.*`,
          ...(role % 10 === 0 ? [`*.action-${below(ACTIONS)}`] : []),
        ],
        denies: [grant()],
      },
    ]),
  );
  return JSON.parse(JSON.stringify({ permissions, roles })) as Definition; // what was just written
}

export function compileTimes(): CompileTimes {
  const definition = largeDefinition();
  const cold = timed(() => defineRbac(definition));
  const warm = Array.from({ length: WARM_TIMES }, () => timed(() => defineRbac(definition)).cpuMs);
  return { coldMs: cold.cpuMs, coldClockMs: cold.clockMs, warmMs: median(warm) };
}

/** Megabytes that the compiled policy holds beside its definition. */
export function policyMegabytes(): number {
  const definition = largeDefinition();
  const before = heldBytes();
  const rbac = defineRbac(definition);
  const megabytes = (heldBytes() - before) / 1e6;
  // Used after the measurement, so that it was held during it.
  if (rbac.roles.length !== ROLES || rbac.permissions.length !== RESOURCES * ACTIONS) throw new Error("The policy is another one.");
  return megabytes;
}

function timed(work: () => unknown): { readonly cpuMs: number; readonly clockMs: number } {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return { cpuMs: (user + system) / 1000, clockMs: performance.now() - startedAt };
}
