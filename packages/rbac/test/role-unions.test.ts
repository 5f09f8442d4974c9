import { describe, expect, test } from "vitest";
import { Universe } from "../src/policy/compile-permissions.js";
import { compileRoles } from "../src/policy/compile-roles.js";
import { RoleUnions } from "../src/policy/role-unions.js";

const names = Array.from({ length: 100 }, (_, index) => `role${index}`);
// 625 words a mask: not six thousand unions fit.
const universe = new Universe({ things: Array.from({ length: 20_000 }, (_, index) => `act${index}`) }, /^[a-z0-9]+$/);
const roles = compileRoles(
  Object.fromEntries(names.map((name, index) => [name, { grants: [`things.act${index}`] }])),
  universe,
  /^[a-z0-9]+$/,
);

function unionsOf(onUnknownRole: () => void = () => {}) {
  return new RoleUnions(roles, universe, onUnknownRole);
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

  test("is kept after it started over, until the bound is reached again", () => {
    const unions = unionsOf();
    for (const one of names) for (const other of names) unions.of([one, other]);
    const second = unions.of(["role0"]);
    for (const other of names) unions.of(["role0", other]);
    expect(unions.of(["role0"])).toBe(second);
  });

  test("does not grow with roles that are repeated or that nobody defined, and these are reported each time", () => {
    let strangers = 0;
    const unions = unionsOf(() => void (strangers += 1));
    const one = unions.of(["role0"]);
    expect(unions.of(["role0", "role0", "role0"])).toBe(one);
    for (let again = 0; again < 3; again += 1) expect(unions.of(["stranger", "role0", "stranger"])).toBe(one);
    expect(strangers).toBe(6);
    expect([...(one?.next.keys() ?? [])]).toEqual(["role0"]);
  });
});
