// The rules of assignments on stores that several processes share, and with several processes that share them.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadAssignments } from "@portcullis/rbac";
import { openSqlStore, type SqlStore } from "@portcullis/store-sql";
import { createManualClock } from "@portcullis/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Child, startChild } from "../../packages/store-sql/test/child.js";
import { requestOf, run } from "../../packages/rbac/test/request.js";
import { describeWith, postgresUrl } from "../../tools/test-services/connect.js";
import { type Churned, MAX_STALENESS_MS, OWNERS, type RaceJob, type RaceResult, type Watched } from "./assignments-jobs.js";
import { APART, IN_TURN, openAssignments, ROLES, userOf } from "./assignments-policy.js";

const ROUNDS = 25;
const PROCESSES = 3;
const CONTENDER = new URL("./assignments-contender.ts", import.meta.url).href;
const OWNER = { role: "owner" } as const;
const folder = mkdtempSync(join(tmpdir(), "portcullis-assignments-"));
const children: Child[] = [];

afterAll(async () => {
  for (const child of children) await child.kill();
  rmSync(folder, { recursive: true });
});

async function startContenders(target: string): Promise<readonly Child[]> {
  const started = Array.from({ length: PROCESSES }, (_, place) => startChild(CONTENDER, target, String(place)));
  children.push(...started);
  for (const child of started) expect(await child.line()).toBe("ready");
  return started;
}

async function answerOf<Answer>(child: Child): Promise<Answer> {
  return JSON.parse((await child.line()) ?? "") as Answer; // what assignments-contender.ts prints
}

function rulesOn(newTarget: () => Promise<string>): void {
  let target: string;
  let store: SqlStore;
  const open = (options: { readonly maxStalenessMs?: number } = {}) => {
    const clock = createManualClock();
    return { clock, ...openAssignments(store, { clock, ...options }) };
  };
  const at = (orgId: string) => (subjectId: string) => ({ subjectId, orgId });

  beforeAll(async () => {
    target = await newTarget();
    store = await openSqlStore(target, { deadlineMs: 30_000 });
  });
  afterAll(() => store.close());

  it("RBAC-27 RBAC-28 nobody gives or takes what they do not have, and the last owner stays", async () => {
    const { assignments } = open();
    const [here, by] = [at("rules"), (id: string) => userOf(id, "rules")];
    await assignments.assign("program", here("ada"), OWNER);
    expect((await assignments.assign(by("mallory"), here("mallory"), { role: "viewer" })).reason).toBe("no_roles");
    expect((await assignments.assign(by("ada"), here("bob"), { role: "admin" })).allowed).toBe(true);
    expect((await assignments.assign(by("bob"), here("bob"), OWNER)).missing).toEqual(["organisation.delete"]);
    expect((await assignments.revoke(by("bob"), here("ada"), OWNER)).missing).toEqual(["organisation.delete"]);
    expect((await assignments.assign(userOf("ada", "elsewhere"), here("bob"), OWNER)).reason).toBe("wrong_org");
    expect((await assignments.revoke(by("ada"), here("ada"), OWNER)).reason).toBe("last_holder");
    expect((await assignments.assign("program", here("ada"), OWNER, { activatableForMs: 1 })).reason).toBe("last_holder");
    expect(await assignments.holders("rules", OWNER, { limit: 9 })).toMatchObject([{ subjectId: "ada" }]);
    expect((await assignments.of(here("ada"), { consistency: "strong" })).epoch).toBe(1);
  });

  it("RBAC-29 roles are kept apart, assigned or active; a time is over at its instant", async () => {
    const { assignments, clock, rbac } = open({ maxStalenessMs: 60_000 });
    const here = at("apart");
    await assignments.assign("program", here("bob"), { role: "cashier" });
    expect((await assignments.assign("program", here("bob"), { role: "auditor" })).reason).toBe("separation_of_duty");
    for (const role of IN_TURN) await assignments.assign("program", here("bob"), { role }, { activatableForMs: 10 });
    expect((await assignments.activate("program", here("bob"), { role: "approver" }, 10)).allowed).toBe(true);
    expect((await assignments.activate("program", here("bob"), { role: "requester" }, 10)).reason).toBe("separation_of_duty");
    const rights = async () => rbac.permissionsOf(await assignments.resolve(userOf("bob", "apart")));
    clock.advance(9);
    expect(await rights()).toEqual(["workflows.approve", "billing.manage"]);
    clock.advance(1);
    expect(await rights()).toEqual(["billing.manage"]);
    expect((await assignments.activate("program", here("bob"), { role: "requester" }, 10)).allowed).toBe(true);
  });

  it("RBAC-31 a change counts at once here, and elsewhere at exactly the bound", async () => {
    const [one, two] = [open(), open({ maxStalenessMs: 1_000 })];
    const bob = userOf("bob", "bound");
    await one.assignments.assign("program", at("bound")("bob"), { role: "manager" });
    const rights = async ({ assignments, rbac }: typeof one) => rbac.permissionsOf(await assignments.resolve(bob));
    expect([await rights(one), await rights(two)]).toEqual([["users.manage"], ["users.manage"]]);
    await one.assignments.revoke("program", at("bound")("bob"), { role: "manager" });
    two.clock.advance(999);
    expect([await rights(one), await rights(two)]).toEqual([[], ["users.manage"]]);
    two.clock.advance(1);
    expect(await rights(two)).toEqual([]);
    expect(await one.assignments.bumpEpoch(at("bound")("bob"))).toBe(3);
  });

  it("stored roles have one version in every process, and one winner", async () => {
    const [one, two] = [open(), open()];
    const results = await Promise.all([
      one.assignments.replaceRoles("program", { ...ROLES, requester: {} }, 0),
      two.assignments.replaceRoles("program", { ...ROLES, approver: {} }, 0),
    ]);
    expect(results.map(({ reason }) => reason).toSorted()).toEqual(["changed_meanwhile", "granted"]);
    await Promise.all([one.assignments.refresh(), two.assignments.refresh()]);
    expect([one.rbac.policyVersion, two.rbac.policyVersion]).toEqual([2, 2]);
    expect(one.rbac.describeRole("requester")).toEqual(two.rbac.describeRole("requester"));
    expect((await one.assignments.replaceRoles("program", ROLES, 1)).epoch).toBe(2);
  });

  it("no two subjects are one, whatever their ids are made of", async () => {
    const { assignments } = open();
    const ids = [
      "",
      "a",
      "A",
      "é",
      "e\u0301",
      "\u0000",
      "\ud800",
      "\ud801",
      "\ufffd",
      "K",
      "\u212a",
      '","',
      "a ",
      "\\",
      "%",
      "'",
      "x".repeat(512),
    ];
    for (const [index, subjectId] of ids.entries())
      for (const orgId of ["", "odd\u0000", "odd"])
        if (index % 2 === 0) await assignments.assign("program", { subjectId, orgId }, { role: "viewer" });
    for (const [index, subjectId] of ids.entries())
      for (const orgId of ["", "odd\u0000", "odd"])
        expect((await assignments.of({ subjectId, orgId }, { consistency: "strong" })).epoch).toBe(index % 2 === 0 ? 1 : 0);
  });

  it("RBAC-10 a store that is closed is 503, and no guard behind is asked", async () => {
    const closed = await openSqlStore(target, { deadlineMs: 1_000 });
    const { assignments } = openAssignments(closed);
    await closed.close();
    let asked = 0;
    const behind = { name: "behind", check: () => void (asked += 1) as never };
    const { stop } = await run([loadAssignments(assignments), behind], requestOf(userOf("bob", "rules")));
    expect(stop).toMatchObject({ problem: { status: 503 } });
    expect(asked).toBe(0);
  });

  it("RBAC-28 RBAC-29 three processes race: an owner stays, one of three roles apart is held, every first assignment is kept", async () => {
    const { assignments } = openAssignments(store);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const subjectId of OWNERS)
        for (const race of ["demote", "resign"]) await assignments.assign("program", { subjectId, orgId: `${race}-${round}` }, OWNER);
      for (const role of IN_TURN)
        await assignments.assign("program", { subjectId: "old", orgId: `inTurn-${round}` }, { role }, { activatableForMs: 3_600_000 });
    }
    const contenders = await startContenders(target);
    const race = async (name: RaceJob["race"]): Promise<readonly RaceResult[]> => {
      const job: RaceJob = { race: name, rounds: ROUNDS };
      for (const child of contenders) child.tell(JSON.stringify(job));
      return Promise.all(contenders.map((child) => answerOf<RaceResult>(child)));
    };
    const reasonsOf = (results: readonly RaceResult[], round: number) => results.map((result) => String(result[round])).toSorted();
    const held = async (orgId: string, subjectId: string) => assignments.of({ subjectId, orgId }, { consistency: "strong" });

    for (const name of ["demote", "resign"] as const) {
      const results = await race(name);
      for (let round = 0; round < ROUNDS; round += 1) {
        const owners = await assignments.holders(`${name}-${round}`, OWNER, { limit: 9 });
        const granted = reasonsOf(results, round).filter((reason) => reason === "granted");
        expect([name, round, owners.length]).toEqual([name, round, PROCESSES - granted.length]);
        expect(owners.length).toBeGreaterThan(0);
      }
    }
    const refusedTwice = ["granted", "separation_of_duty", "separation_of_duty"];
    const apart = await race("apart");
    const inTurn = await race("inTurn");
    const first = await race("first");
    for (let round = 0; round < ROUNDS; round += 1) {
      expect(reasonsOf(apart, round)).toEqual(refusedTwice);
      expect(await held(`apart-${round}`, "new")).toMatchObject({ epoch: 1, assignments: [{ kind: "role" }] });
      expect(reasonsOf(inTurn, round)).toEqual(refusedTwice);
      const active = (await held(`inTurn-${round}`, "old")).assignments.filter(({ activeUntil }) => activeUntil !== undefined);
      expect(active).toHaveLength(1);
      expect(reasonsOf(first, round)).toEqual(["granted", "granted", "granted"]);
      const { epoch, assignments: all } = await held(`first-${round}`, "first");
      expect([epoch, all.map(({ name }) => name).toSorted()]).toEqual([PROCESSES, IN_TURN.toSorted()]);
    }
    expect(APART).toHaveLength(PROCESSES);
  }, 120_000);

  it("RBAC-28 a process that is killed in the middle of changes leaves an owner, and each epoch to one change", async () => {
    const { assignments } = openAssignments(store);
    await assignments.assign("program", { subjectId: "eve", orgId: "churn" }, OWNER);
    const contenders = await startContenders(target);
    for (const child of contenders) child.tell("churn");
    const made: Churned[] = [];
    const [victim, ...others] = contenders as [Child, ...Child[]]; // there are three
    while (made.length < 10) made.push(await answerOf<Churned>(victim));
    await victim.kill();
    // The others are not kept waiting by what the dead one held.
    for (const child of others) for (let change = 0; change < 10; change += 1) made.push(await answerOf<Churned>(child));
    for (const child of others) {
      child.tell("stop");
      for (let said = await answerOf<Churned | "stopped">(child); said !== "stopped"; said = await answerOf(child)) made.push(said);
    }
    expect((await assignments.holders("churn", OWNER, { limit: 9 })).length).toBeGreaterThan(0);
    expect(new Set(made.map(({ subjectId, epoch }) => `${subjectId} ${epoch}`)).size).toBe(made.length);
    for (const subjectId of OWNERS) {
      const { epoch } = await assignments.of({ subjectId, orgId: "churn" }, { consistency: "strong" });
      expect(epoch).toBeGreaterThanOrEqual(Math.max(...made.filter((one) => one.subjectId === subjectId).map((one) => one.epoch), 0));
    }
  }, 120_000);

  it("RBAC-31 what one process takes away another denies within the bound", async () => {
    const { assignments } = openAssignments(store);
    const place = { subjectId: "watched", orgId: "watch" };
    await assignments.assign("program", place, { role: "manager" });
    const [watcher] = (await startContenders(target)) as [Child, ...Child[]]; // there are three
    watcher.tell("watch");
    expect(await answerOf<string>(watcher)).toBe("allowed");
    await assignments.revoke("program", place, { role: "manager" });
    const revokedAtMs = Number(process.hrtime.bigint()) / 1e6;
    const { lastAllowedAtMs } = await answerOf<Watched>(watcher);
    expect(lastAllowedAtMs - revokedAtMs).toBeLessThan(MAX_STALENESS_MS);
  }, 60_000);
}

describe("assignments on a SQLite file", () => rulesOn(() => Promise.resolve(`file:${join(folder, "assignments.db")}`)));

describeWith("postgres", "assignments on PostgreSQL", () => rulesOn(postgresUrl));
