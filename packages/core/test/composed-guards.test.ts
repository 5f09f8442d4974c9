import { ALLOW, allOf, createGuardChain, deny, type Guard, problems } from "@portcullis/core";
import { expect, test } from "vitest";
import { requestOf } from "./fake-request.js";

const pass: Guard = { name: "pass", check: () => ALLOW };
const refuse: Guard = { name: "refuse", check: () => deny(problems.forbidden()) };

async function isStopped(guard: Guard): Promise<boolean> {
  return (await createGuardChain([guard]).run(requestOf())).stop !== undefined;
}

test("a composed guard whose check was replaced is asked by that check, not taken apart", async () => {
  const composed = allOf("composed", [pass]);
  expect(await isStopped(composed)).toBe(false);
  expect(await isStopped({ ...composed, check: refuse.check })).toBe(true);
  expect(await isStopped({ ...composed, name: "renamed", meta: { permission: "a.b" } })).toBe(false);
});

test("a guard that says to have parts which allOf did not give it is asked as a whole", async () => {
  expect(await isStopped({ ...refuse, parts: [] })).toBe(true);
  expect(await isStopped({ ...refuse, parts: [pass] })).toBe(true);
  expect(await isStopped({ ...allOf("composed", [refuse]), parts: [] })).toBe(true);
});
