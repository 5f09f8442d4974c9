import { noMetrics, systemClock } from "@portcullis/core";
import { describe, expect, test } from "vitest";
import { Constraints, parseConstraints } from "../src/policy/compile-constraints.js";
import { Universe } from "../src/policy/compile-permissions.js";
import { compileRoles } from "../src/policy/compile-roles.js";
import { decide } from "../src/decision/decide.js";
import { Instruments } from "../src/policy/instruments.js";
import { RoleUnions } from "../src/policy/role-unions.js";

const names = Array.from({ length: 100 }, (_, index) => `role${index}`);
const universe = new Universe({ things: Array.from({ length: 2_000 }, (_, index) => `act${index}`) }, /^[a-z0-9]+$/);
const roles = compileRoles(
  Object.fromEntries(names.map((name, index) => [name, { grants: [`things.act${index}`] }])),
  universe,
  /^[a-z0-9]+$/,
);

const constraints = new Constraints(parseConstraints(undefined), roles);
const orgRoles = { byName: new Map(), heldBy: new Set(), grantAnything: false };

function unionsOf() {
  return new RoleUnions(roles, universe.words, () => new Instruments(noMetrics, systemClock, undefined, 0).unknownRole());
}

describe("what is remembered of role lists", () => {
  test("is bounded: after thousands of combinations it starts over", () => {
    const unions = unionsOf();
    const first = unions.of(["role0"]);
    expect(unions.of(["role0"])).toBe(first);
    for (const one of names) for (const other of names) unions.of([one, other]);
    const again = unions.of(["role0"]);
    expect(again).not.toBe(first);
    expect([again?.roles, again?.effective]).toEqual([first?.roles, first?.effective]);
  });

  test("is bounded by decisions too, and none of them changes by it", () => {
    const unions = unionsOf();
    const policy = { version: 1, roles, unions, constraints, orgRoles, personas: new Map() };
    const first = unions.of(["role0"]);
    for (const name of names)
      for (const permission of universe.permissions)
        if (decide(policy, permission, { roles: [name] }, undefined).allowed !== (permission.key === `things.act${name.slice(4)}`))
          throw new Error(`${name} ${permission.key}`);
    expect(unions.of(["role0"])).not.toBe(first);
  });

  test("is kept after it started over, until the bound is reached again", () => {
    const unions = unionsOf();
    const policy = { version: 1, roles, unions, constraints, orgRoles, personas: new Map() };
    const first = unions.of(["role0"]);
    const ask = (count: number) => {
      for (let asked = 0; asked < count; asked += 1) {
        const permission = universe.permissions[asked % 2_000];
        if (permission !== undefined) decide(policy, permission, { roles: [`role${Math.floor(asked / 2_000)}`] }, undefined);
      }
    };
    ask(65_536);
    const second = unions.of(["role0"]);
    expect(second).not.toBe(first);
    ask(1_000);
    expect(unions.of(["role0"])).toBe(second);
  });

  test("does not grow with roles that are repeated or that nobody defined, and these are reported each time", () => {
    let strangers = 0;
    const unions = new RoleUnions(roles, universe.words, () => void (strangers += 1));
    const one = unions.of(["role0"]);
    expect(unions.of(["role0", "role0", "role0"])).toBe(one);
    for (let again = 0; again < 3; again += 1) expect(unions.of(["stranger", "role0", "stranger"])).toBe(one);
    expect(strangers).toBe(6);
    expect([...(one?.next.keys() ?? [])]).toEqual(["role0"]);
  });
});
