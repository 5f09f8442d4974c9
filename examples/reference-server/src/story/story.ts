import { strict as assert } from "node:assert";
import { z } from "zod";
import { DEMO_PASSWORD, DEMO_USERS } from "../seed.js";
import { type Answer, type ApiClient, createApiClient, type RequestParts } from "./api-client.js";
import type { Receiver } from "./receiver.js";

/** Where the story plays: a running server and what the teller can do to it. */
export interface World {
  readonly url: () => string;
  readonly receiver: Receiver;
  /** Lets time pass: on a manual clock at once, on a real one by waiting. */
  passTime(ms: number): Promise<void>;
  /** Everything that the database holds, as bytes; `undefined` where the store has no files. */
  readDatabase(): Promise<Buffer | undefined>;
  /** Flips one bit of one stored audit entry behind the server's back; absent where there is no database to reach. @returns its index. */
  corruptAudit?(): Promise<number>;
  /** Says what happens, for people. */
  narrate(line: string): void;
}

/** The story's characters, logged in. */
export interface Cast {
  readonly call: ApiClient;
  readonly viewer: string;
  readonly member: string;
  readonly admin: string;
}

const RETRIES = 50;
const WEBHOOK_TIMEOUT_MS = 20_000;

/** Plays every chapter in order. @throws {AssertionError} The server broke a promise. */
export async function playStory(world: World): Promise<Cast> {
  const cast = await logIn(world);
  await listAndCreate(world, cast);
  await beRefused(world, cast);
  await hitTheLimit(world, cast);
  await subscribe(world, cast);
  const executionId = await approveAndExecuteOnce(world, cast);
  await receiveTheWebhook(world, executionId);
  await storeASecret(world, cast);
  await decideTwice(world, cast);
  await logOutEverywhere(world, cast);
  await verifyTheAudit(world, cast);
  return cast;
}

async function logIn(world: World): Promise<Cast> {
  chapter(world, "Log in");
  const call = createApiClient(world.url);
  const wrong = await call("POST", "/api/auth/login", { body: { email: DEMO_USERS.member, password: "not the password" } });
  expectProblem(wrong, 401, 1005);
  world.narrate(`A wrong password: ${wrong.status}, code 1005.`);
  const [viewer, member, admin] = await Promise.all([logInAs(call, "viewer"), logInAs(call, "member"), logInAs(call, "admin")]);
  world.narrate("A viewer, a member and an admin are logged in.");
  return { call, viewer, member, admin };
}

/** Logs one of the seeded users in. @returns the access token. */
export async function logInAs(call: ApiClient, role: keyof typeof DEMO_USERS): Promise<string> {
  const answer = await call("POST", "/api/auth/login", { body: { email: DEMO_USERS[role], password: DEMO_PASSWORD } });
  return read(answer, 200, z.object({ access_token: z.string() })).access_token;
}

async function listAndCreate(world: World, { call, member }: Cast): Promise<void> {
  chapter(world, "List and create workflows");
  const before = await call("GET", "/api/workflows", { token: member });
  assert.equal(before.status, 200);
  const created = await createWorkflow(call, member, "Weekly summary", [{ tool: "text.join", input: { parts: ["a", "week"] } }]);
  const executed = read(
    await call("POST", `/api/workflows/${created.id}/execute`, { token: member, body: { expectedRevision: 1 } }),
    200,
    z.object({ results: z.array(z.object({ output: z.string() })) }),
  );
  assert.equal(executed.results[0]?.output, "a week");
  world.narrate(`The member creates a workflow of harmless steps and runs it at once: "${executed.results[0]?.output}".`);
}

/** Creates a workflow. */
export async function createWorkflow(
  call: ApiClient,
  token: string,
  name: string,
  steps: readonly object[],
): Promise<{ readonly id: string; readonly revision: number }> {
  return read(
    await call("POST", "/api/workflows", { token, body: { name, steps } }),
    201,
    z.object({ id: z.string(), revision: z.number() }),
  );
}

async function beRefused(world: World, { call, viewer }: Cast): Promise<void> {
  chapter(world, "Be refused, with the reason");
  const refused = await call("POST", "/api/workflows", { token: viewer, body: { name: "x", steps: [{ tool: "math.sum" }] } });
  expectProblem(refused, 403, 1101);
  assert.equal(refused.json?.errorDetail?.["permission"], "workflows.create");
  world.narrate(`The viewer may not create: 403, ${String(refused.json?.errorDetail?.["reason"])}, workflows.create.`);
}

async function hitTheLimit(world: World, { call, viewer }: Cast): Promise<void> {
  chapter(world, "Hit the limit of a tier, and wait it out");
  let allowed = 0;
  let limited: Answer | undefined;
  while (limited === undefined) {
    const answer = await call("GET", "/api/workflows", { token: viewer });
    if (answer.status === 429) limited = answer;
    else {
      assert.equal(answer.status, 200);
      allowed += 1;
      assert.ok(allowed < 1000, "the viewer was never limited");
    }
  }
  expectProblem(limited, 429, 5001);
  const retryAfter = Number(limited.headers.get("retry-after"));
  assert.ok(Number.isInteger(retryAfter) && retryAfter >= 1, "Retry-After is whole seconds");
  assert.equal(limited.json?.errorDetail?.retryAfter, retryAfter);
  world.narrate(`After ${allowed} requests: 429, Retry-After: ${retryAfter}. ${limited.headers.get("ratelimit") ?? ""}`);
  await world.passTime(retryAfter * 1000);
  assert.equal((await call("GET", "/api/workflows", { token: viewer })).status, 200);
  world.narrate(`${retryAfter} s later the viewer may go on.`);
}

async function subscribe(world: World, { call, admin }: Cast): Promise<void> {
  chapter(world, "Subscribe a webhook");
  const endpoint = read(
    await call("POST", "/api/webhooks/endpoints", { token: admin, body: { url: world.receiver.url, events: ["workflow.executed"] } }),
    201,
    z.object({ id: z.string(), secret: z.string() }),
  );
  world.receiver.useSecret(endpoint.secret);
  world.narrate("The admin registers a receiver; its secret is shown once.");
}

/** Creates a risky workflow, asks for its execution and approves it. @returns the request that may now be sent. */
export async function approvedExecution(
  call: ApiClient,
  member: string,
  admin: string,
  name: string,
): Promise<{ readonly path: string; readonly parts: RequestParts; readonly approvalId: string }> {
  const workflow = await createWorkflow(call, member, name, [{ tool: "email.send", input: { to: "everybody@example.com" } }]);
  const path = `/api/workflows/${workflow.id}/execute`;
  const body = { expectedRevision: workflow.revision };
  const asked = await call("POST", path, { token: member, body });
  assert.equal(asked.status, 202);
  assert.ok(asked.headers.get("retry-after"), "202 says when to ask again");
  const location = asked.headers.get("location") ?? "";
  const approvalId = location.split("/").at(-1) ?? "";
  assert.equal((await call("GET", location, { token: member })).status, 200);
  const parts = { token: member, body, headers: { "approval-id": approvalId } };
  assert.equal((await call("POST", path, parts)).status, 202, "not approved yet");
  const approved = await call("POST", `${location}/approve`, { token: admin, body: {} });
  assert.equal(approved.status, 200, approved.text);
  return { path, parts, approvalId };
}

async function approveAndExecuteOnce(world: World, { call, member, admin }: Cast): Promise<string> {
  chapter(world, "Run a risky operation exactly once");
  const { path, parts } = await approvedExecution(call, member, admin, "Send the newsletter");
  world.narrate("Asked: 202. The member polls; the admin approves.");
  const other = await call("POST", path, { ...parts, body: { expectedRevision: 2 } });
  expectProblem(other, 409, 4004);
  const answers = await Promise.all(Array.from({ length: RETRIES }, () => call("POST", path, parts)));
  const ran = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status === 409);
  assert.equal(ran.length, 1, `ran ${ran.length} times`);
  assert.equal(refused.length, RETRIES - 1, `statuses ${answers.map(({ status }) => status).join(" ")}`);
  world.narrate(
    `${RETRIES} retries at once: 1 ran, ${refused.length} were told that the approval is used. Another body: 409, it is not what was approved.`,
  );
  return read(ran[0] as Answer, 200, z.object({ id: z.string() })).id; // ran has one element
}

async function receiveTheWebhook({ receiver, narrate }: World, executionId: string): Promise<void> {
  const isIt = ({ payload }: (typeof receiver.events)[number]): boolean => JSON.stringify(payload).includes(executionId);
  await receiver.waitFor((events) => events.some(isIt), WEBHOOK_TIMEOUT_MS);
  assert.equal(receiver.rejected(), 0);
  narrate("The receiver got the event and verified its signature with the standardwebhooks package.");
}

async function storeASecret(world: World, { call, admin }: Cast): Promise<void> {
  chapter(world, "Store a secret");
  const secret = `sk-live-${crypto.randomUUID()}`;
  const created = await call("POST", "/api/integrations", {
    token: admin,
    body: { name: "Mail", provider: "mailer", credentials: { apiKey: secret } },
  });
  const view = read(created, 201, z.object({ id: z.string(), has_api_key: z.boolean() }));
  assert.equal(view.has_api_key, true);
  assert.ok(!created.text.includes(secret), "the answer does not repeat the secret");
  const shown = await call("GET", `/api/integrations/${view.id}`, { token: admin });
  assert.ok(shown.status === 200 && !shown.text.includes(secret), "nor does a later read");
  const database = await world.readDatabase();
  if (database === undefined) return world.narrate("The secret is shown nowhere; this store has no file to search.");
  assert.ok(database.includes(view.id), "the record is in the database");
  assert.ok(!database.includes(secret), "the secret is not in the database");
  world.narrate(`The API key is stored; ${database.length.toLocaleString("en")} bytes of database hold the record and not the key.`);
}

async function decideTwice(world: World, { call, member, admin }: Cast): Promise<void> {
  chapter(world, "Decide twice, then change the policy");
  const decision = z.object({ agent: z.string(), cached: z.boolean(), policyVersion: z.number() });
  const decide = async (): Promise<z.infer<typeof decision>> =>
    read(await call("POST", "/api/decisions", { token: member, body: { skill: "summarise" } }), 200, decision);
  const first = await decide();
  const second = await decide();
  assert.deepEqual([first.cached, second.cached, second.agent], [false, true, first.agent]);
  const policy = await call("PUT", "/api/policy", { token: admin, body: { strategy: "best", expectedVersion: first.policyVersion } });
  assert.equal(policy.status, 200, policy.text);
  const third = await decide();
  assert.equal(third.cached, false);
  assert.notEqual(third.agent, first.agent);
  world.narrate(`${first.agent} (computed), ${second.agent} (cached); under the new policy ${third.agent} (computed again).`);
}

async function logOutEverywhere(world: World, { call, member }: Cast): Promise<void> {
  chapter(world, "Log out everywhere");
  const out = read(
    await call("POST", "/api/auth/logout-all", { token: member }),
    200,
    z.object({ sessions_invalidated: z.literal(true), token_version: z.number() }),
  );
  const dead = await call("GET", "/api/workflows", { token: member });
  expectProblem(dead, 401, 1004);
  world.narrate(`Token version ${out.token_version}; the old token: 401, code 1004.`);
}

async function verifyTheAudit(world: World, { call, admin }: Cast): Promise<void> {
  chapter(world, "Export the audit trail, verify it, tamper with it");
  // An admin sees the own workspace; the log as a whole is the owner's.
  expectProblem(await call("GET", "/api/audit/verify", { token: admin }), 403, 1101);
  const owner = await logInAs(call, "owner");
  const exported = await call("GET", "/api/audit/export?format=ndjson", { token: owner });
  assert.equal(exported.status, 200, exported.text);
  const csv = await call("GET", "/api/audit/export?format=csv", { token: owner });
  assert.ok(csv.status === 200 && /text\/csv/.test(csv.headers.get("content-type") ?? ""));
  const verdict = z.object({ verdict: z.string(), size: z.number() });
  const before = read(await call("GET", "/api/audit/verify", { token: owner }), 200, verdict);
  assert.equal(before.verdict, "intact");
  world.narrate(`${before.size} entries exported; verified: ${before.verdict}.`);
  if (world.corruptAudit === undefined) return world.narrate("There is no database to tamper with in this store.");
  const index = await world.corruptAudit();
  const after = read(await call("GET", "/api/audit/verify", { token: owner }), 200, verdict.extend({ firstBad: z.number() }));
  assert.deepEqual([after.verdict, after.firstBad], ["tampered", index]);
  world.narrate(`One bit flipped in the database, in entry ${index}; verified: ${after.verdict}, at entry ${after.firstBad}.`);
}

/** The data of an answer with the expected status, validated. */
export function read<T>(answer: Answer, status: number, schema: z.ZodType<T>): T {
  assert.equal(answer.status, status, answer.text);
  return schema.parse(answer.json?.data);
}

function expectProblem(answer: Answer, status: number, code: number): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.json?.errorDetail?.code, code, answer.text);
}

function chapter(world: World, title: string): void {
  world.narrate("");
  world.narrate(`## ${title}`);
}
