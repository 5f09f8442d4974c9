import { expect, test } from "vitest";
import { actor, at, namesOf, ROLES, startProcess } from "./assignment-setup.js";
import { gatedGrants } from "./gated-grants.js";

type Process = ReturnType<typeof startProcess>;
const OWNER = { role: "owner" } as const;

async function withOwners(ids: readonly string[], process: Process = startProcess()): Promise<Process> {
  for (const id of ids) expect((await process.assignments.assign("program", at(id), OWNER)).allowed).toBe(true);
  return process;
}

async function ownersOf({ assignments }: Process): Promise<readonly string[]> {
  return (await assignments.holders("acme", OWNER, { limit: 100 })).map(({ subjectId }) => subjectId);
}

test.each([
  ["each other", "bob", "ada"],
  ["themselves", "ada", "bob"],
] as const)("RBAC-28 of two owners that take the role from %s at once, one stays: a hundred times", async (_, byAda, byBob) => {
  for (let time = 0; time < 100; time += 1) {
    const process = await withOwners(["ada", "bob"], startProcess({ store: gatedGrants() }));
    const results = await Promise.all([
      process.assignments.revoke(actor("ada"), at(byAda), OWNER),
      process.assignments.revoke(actor("bob"), at(byBob), OWNER),
    ]);
    expect(results.filter(({ allowed }) => allowed)).toHaveLength(1);
    expect(results.some(({ reason }) => reason === "last_holder" || reason === "no_roles")).toBe(true);
    expect(await ownersOf(process)).toHaveLength(1);
  }
});

test("RBAC-28 an owner demotes the other while being demoted: each change read the other as owner, the second to write is refused", async () => {
  const store = gatedGrants();
  const process = await withOwners(["ada", "bob"], startProcess({ store }));
  // Each write waits for its turn after both have read that the other is an owner too.
  const reads = Array.from({ length: 4 }, () => store.hold("readSubject"));
  const started = process.assignments.revoke(actor("ada"), at("bob"), OWNER);
  const other = process.assignments.revoke(actor("bob"), at("ada"), OWNER);
  await Promise.all(reads.slice(0, 2).map(({ reached }) => reached));
  for (const read of reads.slice(0, 2)) read.release();
  await Promise.all(reads.slice(2).map(({ reached }) => reached));
  for (const read of reads.slice(2)) read.release();
  const reasons = [(await started).reason, (await other).reason].toSorted();
  expect(reasons).toEqual(["granted", "last_holder"]);
});

test.each(["program", "owner"] as const)("RBAC-28 the %s cannot take the role from its last holder, in any way", async (by) => {
  const process = await withOwners(["ada"]);
  const { assignments, clock } = process;
  const who = by === "program" ? by : actor("ada");
  const expiresAt = clock.now() + 1;
  expect((await assignments.revoke(who, at("ada"), OWNER)).reason).toBe("last_holder");
  expect((await assignments.assign(who, at("ada"), OWNER, { expiresAt })).reason).toBe("last_holder");
  expect((await assignments.assign(who, at("ada"), OWNER, { activatableForMs: 1 })).reason).toBe("last_holder");
  const { owner: _, ...others } = ROLES;
  expect((await assignments.replaceRoles("program", others, 0)).reason).toBe("last_holder");
  expect(process.rbac.policyVersion).toBe(1);
  expect((await assignments.of(at("ada"))).assignments).toMatchObject([
    { name: "owner", expiresAt: undefined, activatableForMs: undefined },
  ]);
  expect(process.events.map(({ reason }) => reason)).toEqual(["granted", ...Array.from({ length: 4 }, () => "last_holder")]);
  // What changes nothing of it may be done.
  expect((await assignments.assign(who, at("ada"), OWNER)).allowed).toBe(true);
  expect((await assignments.assign("program", at("ada"), { role: "viewer" })).allowed).toBe(true);
});

test("RBAC-28 who holds it for a time, must activate it, or holds it elsewhere, is no other holder", async () => {
  const { assignments, clock } = await withOwners(["ada"]);
  const expiresAt = clock.now() + 1_000_000;
  await assignments.assign("program", at("temp"), OWNER, { expiresAt });
  await assignments.assign("program", at("idle"), OWNER, { activatableForMs: 1_000 });
  await assignments.activate("program", at("idle"), OWNER, 1_000);
  await assignments.assign("program", at("other", "elsewhere"), OWNER);
  await assignments.assign("program", at("editor"), { orgRole: "owner" });
  expect((await assignments.revoke("program", at("ada"), OWNER)).reason).toBe("last_holder");
  // The others are not the last either.
  expect((await assignments.revoke("program", at("temp"), OWNER)).allowed).toBe(true);
  expect((await assignments.assign("program", at("idle"), OWNER)).allowed).toBe(true);
  expect((await assignments.revoke("program", at("ada"), OWNER)).allowed).toBe(true);
});

test("RBAC-28 the organisation role owner is kept as well; keep says what is, or that nothing is", async () => {
  const { assignments } = startProcess();
  await assignments.assign("program", at("ada"), { orgRole: "owner" });
  expect((await assignments.revoke("program", at("ada"), { orgRole: "owner" })).reason).toBe("last_holder");

  const process = startProcess({ keep: { roles: ["admin"] } });
  for (const held of [{ role: "admin" }, { role: "owner" }, { orgRole: "owner" }, { orgRole: "editor" }] as const)
    await process.assignments.assign("program", at("ada"), held);
  expect((await process.assignments.revoke("program", at("ada"), { role: "admin" })).reason).toBe("last_holder");
  expect((await process.assignments.revoke("program", at("ada"), { role: "owner" })).allowed).toBe(true);
  expect((await process.assignments.revoke("program", at("ada"), { orgRole: "owner" })).reason).toBe("last_holder");
  expect((await process.assignments.revoke("program", at("ada"), { orgRole: "editor" })).allowed).toBe(true);

  const loose = startProcess({ keep: { roles: [], orgRoles: [] } });
  await loose.assignments.assign("program", at("ada"), OWNER);
  expect((await loose.assignments.revoke("program", at("ada"), OWNER)).allowed).toBe(true);
  expect(await namesOf(loose, "ada")).toEqual([]);
});

test.each([{ roles: ["nobody"] }, { orgRoles: ["admin"] }, { roles: "owner" }, { role: ["owner"] }, { roles: [undefined] }])(
  "RBAC-28 keep %j is refused where it is set up",
  (keep) => {
    expect(() => startProcess({ keep: keep as never })).toThrow(/keep/);
  },
);

test("RBAC-28 with Object.prototype polluted the last owner stays", async () => {
  const polluted = Object.prototype as { roles?: unknown; orgRoles?: unknown };
  Object.assign(polluted, { roles: [], orgRoles: [] });
  try {
    const { assignments } = await withOwners(["ada"], startProcess({ keep: {} }));
    expect((await assignments.revoke("program", at("ada"), OWNER)).reason).toBe("last_holder");
  } finally {
    delete polluted.roles;
    delete polluted.orgRoles;
  }
});
