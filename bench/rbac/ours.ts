// Our side, and the least that a decision could cost.
import { createFacts, type Facts, type Guard, type GuardRequest, type Principal, principalFact } from "@portcullis/core";
import { defineRbac, type PreparedCheck, type Rbac, requirePermission } from "@portcullis/rbac";
import { agreed, type AgreedVariant } from "./agreement.js";
import { type MetricsKind, metricsOf } from "./metrics.js";
import { type Asked, type Population, QUESTIONS, userOf } from "./questions.js";
import { type Key, KEYS, PERMISSIONS, ROLES } from "./universe.js";

/** The set of all that the user's roles allow is at hand; one question to it. */
export const FLOOR = "compiled lookup: Set.has";
export const CHECK = "portcullis check";
export const CHECK_OF_STRANGERS = "portcullis check, of principals just made";
export const PREPARED = "portcullis prepared check";
export const GUARD = "portcullis guard that allows";
export const GUARD_HALF_DENIED = "portcullis guard, half of them denied";

export function policyOf(kind: MetricsKind): Rbac {
  return defineRbac({ permissions: PERMISSIONS, roles: ROLES, metrics: metricsOf(kind) });
}

export function compiledLookup(population: Population): AgreedVariant {
  const sets = population.asked.map(({ roleSet }) => roleSet.allowed);
  const keys = keysOf(population);
  let next = 0;
  return agreed(population, {
    name: FLOOR,
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const at = next++ & (QUESTIONS - 1);
        if ((sets[at] as ReadonlySet<string>).has(keys[at] as string)) yes += 1; // masked
      }
      return yes;
    },
  });
}

export function check(population: Population, rbac: Rbac): AgreedVariant {
  const users = population.asked.map(({ user }) => user);
  const keys = keysOf(population);
  let next = 0;
  return agreed(population, {
    name: CHECK,
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const at = next++ & (QUESTIONS - 1);
        if (rbac.check(users[at], keys[at] as string).allowed) yes += 1; // masked
      }
      return yes;
    },
  });
}

/** The same, of users whose principals authentication has just made: nothing can be remembered of them but their roles. */
export function checkOfStrangers(population: Population, rbac: Rbac): AgreedVariant {
  const keys = keysOf(population);
  let users: readonly Principal[] = [];
  let next = 0;
  return agreed(population, {
    name: CHECK_OF_STRANGERS,
    prepare() {
      users = population.asked.map(({ user }, index) => userOf(index, user.roles));
    },
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const at = next++ & (QUESTIONS - 1);
        if (rbac.check(users[at], keys[at] as string).allowed) yes += 1; // masked
      }
      return yes;
    },
  });
}

export function preparedCheck(population: Population, rbac: Rbac): AgreedVariant {
  const users = population.asked.map(({ user }) => user);
  const prepared = forEachKey(population, ({ key }) => rbac.prepare(key));
  let next = 0;
  return agreed(population, {
    name: PREPARED,
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const at = next++ & (QUESTIONS - 1);
        if ((prepared[at] as PreparedCheck)(users[at]).allowed) yes += 1; // masked
      }
      return yes;
    },
  });
}

/** A guard for each permission; requests that authentication has passed. A denial makes its problem and is counted. */
export function guard(population: Population, rbac: Rbac, name: string = GUARD): AgreedVariant {
  const guards = forEachKey(population, ({ key }) => requirePermission(rbac, key));
  let requests: readonly GuardRequest[] = [];
  let next = 0;
  return agreed(population, {
    name,
    // A request has its facts once.
    prepare() {
      requests = population.asked.map(({ user }) => new AuthenticatedRequest(user));
    },
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const at = next++ & (QUESTIONS - 1);
        const verdict = (guards[at] as Guard).check(requests[at] as GuardRequest); // masked
        if ("kind" in verdict && verdict.kind === "allow") yes += 1;
      }
      return yes;
    },
  });
}

class AuthenticatedRequest implements GuardRequest {
  readonly method = "GET";
  readonly target = "/workflows/42";
  readonly route = "/workflows/:id";
  readonly ip = "203.0.113.7";
  readonly clientCertificate = undefined;
  readonly facts: Facts = createFacts();

  constructor(user: Principal) {
    this.facts.set(principalFact, user);
  }

  header(): undefined {
    return undefined;
  }

  headerCount(): number {
    return 0;
  }

  removeHeader(): void {}

  param(): undefined {
    return undefined;
  }

  rawBody(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array());
  }
}

function keysOf({ asked }: Population): readonly string[] {
  return asked.map(({ permission }) => permission.key);
}

function forEachKey<Made>({ asked }: Population, make: (key: Key) => Made): readonly Made[] {
  const made = new Map(KEYS.map((key) => [key, make(key)]));
  return asked.map(({ permission }: Asked) => made.get(permission) as Made); // one of the keys
}
