// One of several processes that change assignments in one store; see assignments-stores.test.ts.
//   node --import tsx --conditions=@portcullis/source assignments-contender.ts <target> <place>
// Says "ready"; then does the job of each line on standard input, and prints what came of it; ends when its standard input does.
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { openSqlStore } from "@portcullis/store-sql";
import { type Churned, MAX_STALENESS_MS, OWNERS, type RaceJob, type RaceResult, type Watched } from "./assignments-jobs.js";
import { APART, IN_TURN, openAssignments, userOf } from "./assignments-policy.js";

const [target = "", place = "0"] = process.argv.slice(2);
const own = Number(place);
const store = await openSqlStore(target, { deadlineMs: 30_000 });
const ending = new AbortController();
const { rbac, assignments } = openAssignments(store, { maxStalenessMs: MAX_STALENESS_MS });

const owner = { role: "owner" } as const;
const me = OWNERS[own] ?? "ada";
const next = OWNERS[(own + 1) % OWNERS.length] ?? "ada";
const races = {
  demote: (orgId: string) => assignments.revoke(userOf(me, orgId), { subjectId: next, orgId }, owner),
  resign: (orgId: string) => assignments.revoke(userOf(me, orgId), { subjectId: me, orgId }, owner),
  apart: (orgId: string) => assignments.assign("program", { subjectId: "new", orgId }, { role: APART[own] ?? "cashier" }),
  inTurn: (orgId: string) => assignments.activate("program", { subjectId: "old", orgId }, { role: IN_TURN[own] ?? "approver" }, 3_600_000),
  first: (orgId: string) =>
    assignments.assign("program", { subjectId: "first", orgId }, { role: IN_TURN[own] ?? "approver" }, { activatableForMs: 1 }),
};

/** Makes somebody owner and somebody else not, again and again, until this process is killed or told to end. */
async function churn(): Promise<void> {
  for (let turn = own; !ending.signal.aborted; turn += 1) {
    const subjectId = OWNERS[turn % OWNERS.length] ?? "ada";
    const made = await (turn % 2 === 0
      ? assignments.assign("program", { subjectId, orgId: "churn" }, owner)
      : assignments.revoke("program", { subjectId, orgId: "churn" }, owner));
    if (made.epoch !== undefined) say({ subjectId, epoch: made.epoch } satisfies Churned);
  }
}

async function watch(): Promise<Watched> {
  const user = userOf("watched", "watch");
  for (let lastAllowedAtMs = 0; ; await setImmediate()) {
    const beganAtMs = nowMs();
    const isAllowed = rbac.check(await assignments.resolve(user), "users.manage").allowed;
    if (!isAllowed) return { lastAllowedAtMs };
    if (lastAllowedAtMs === 0) say("allowed");
    lastAllowedAtMs = beganAtMs;
  }
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

let churning: Promise<void> | undefined;
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "churn") churning = churn();
  else if (line === "stop") {
    ending.abort();
    await churning;
    say("stopped");
  } else if (line === "watch") say(await watch());
  else {
    const { race, rounds } = JSON.parse(line) as RaceJob; // as the test wrote it
    const results = await Promise.all(Array.from({ length: rounds }, (_, round) => races[race](`${race}-${round}`)));
    say(results.map(({ reason }) => reason) satisfies RaceResult);
  }
}
await store.close();
