import { createHash } from "node:crypto";
import {
  ALLOW,
  createApp,
  createFacts,
  createMemoryStore,
  defineRoute,
  deny,
  type Guard,
  principalFact,
  problems,
  StoreUnavailable,
  type StoreWith,
  toFetchHandler,
} from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { approvalFact, requireApproval } from "@portcullis/approvals";
import { describe, expect, it } from "vitest";
import {
  ada,
  approvedId,
  bob,
  fixture,
  gated,
  identify,
  MINUTE_MS,
  operation,
  outcomeOf,
  type SendInit,
  settled,
  statusOf,
} from "./approvals-fixture.js";

const problem = (code: number): object => expect.objectContaining({ name: "ProblemError", code });

describe("resending the request with Approval-Id", () => {
  it("waits while it is pending, runs once when it is approved, and never again", async () => {
    const gate = gated();
    const { send, approvals, runs } = gate;
    const id = (await outcomeOf(send())).body.approvalId;
    expect(await outcomeOf(send({ id }))).toMatchObject({ status: 202, body: { approvalId: id, status: "PENDING" } });
    await approvals.resolve(id, { decision: "approve", by: bob });
    expect(await outcomeOf(send())).toMatchObject({ status: 202, body: { approvalId: id, status: "APPROVED" } });
    expect((await outcomeOf(send({ id }))).status).toBe(200);
    expect(await approvals.get(id)).toMatchObject({ status: "EXECUTED", execution: { httpStatus: 200 } });
    expect(await outcomeOf(send({ id }))).toMatchObject({ status: 409, body: { code: 4005, status: 409, approvalId: id } });
    expect(runs).toEqual([{ body: '{"name":"a","size":5}' }]);
  });

  it("is 403 when it was denied and 410 when it expired", async () => {
    const { send, approvals, clock, runs } = gated();
    const denied = (await outcomeOf(send())).body.approvalId;
    await approvals.resolve(denied, { decision: "reject", by: bob, notes: "No" });
    expect(await outcomeOf(send({ id: denied }))).toMatchObject({ status: 403, body: { code: 1105, approvalId: denied } });
    const expired = (await outcomeOf(send())).body.approvalId;
    clock.advance(86_400_000);
    expect(await outcomeOf(send({ id: expired }))).toMatchObject({ status: 410, body: { code: 3002 } });
    const cancelled = (await outcomeOf(send())).body.approvalId;
    await approvals.cancel(cancelled, { by: ada });
    expect(await outcomeOf(send({ id: cancelled }))).toMatchObject({ status: 409, body: { code: 4006 } });
    expect(runs).toEqual([]);
  });

  const changes: readonly { readonly name: string; readonly changed: SendInit; readonly original?: SendInit }[] = [
    { name: "a number become text", changed: { body: '{"name":"a","size":"5"}' } },
    { name: "another value", changed: { body: '{"name":"b","size":5}' } },
    { name: "a member more", changed: { body: '{"name":"a","size":5,"x":null}' } },
    { name: "a member fewer", changed: { body: '{"name":"a"}' } },
    { name: "another Unicode form", original: { body: '{"name":"\u00e5","size":5}' }, changed: { body: '{"name":"a\u030a","size":5}' } },
    { name: "another order in an array", original: { body: "[1,2]" }, changed: { body: "[2,1]" } },
    { name: "null for absent", original: { body: '{"a":null}' }, changed: { body: "{}" } },
    { name: "a digit beyond a double", original: { body: "[9007199254740992]" }, changed: { body: "[9007199254740993]" } },
    { name: "a negative zero", original: { body: "[0]" }, changed: { body: "[-0]" } },
    { name: "another content type", changed: { headers: { "content-type": "text/plain" } } },
    {
      name: "a raw byte",
      original: { body: "a", headers: { "content-type": "text/plain" } },
      changed: { body: "b", headers: { "content-type": "text/plain" } },
    },
    { name: "another query order", original: { path: "/workflows/7?a=1&b=2" }, changed: { path: "/workflows/7?b=2&a=1" } },
    { name: "a query key more", changed: { path: "/workflows/7?dry=0&x" } },
    { name: "another spelling of the query", changed: { path: "/workflows/7?dry=%30" } },
    { name: "another parameter", changed: { path: "/workflows/8?dry=0" } },
    { name: "another method", changed: { method: "PUT" } },
    { name: "another user", changed: { user: "bob" } },
    { name: "another credential of the user", changed: { user: "ada-key" } },
    { name: "another workspace", changed: { user: "ada-elsewhere" } },
    { name: "a covered header", changed: { headers: { "x-mode": "fast" } } },
  ];
  it.each(changes)("APR-13 $name is 409, and the approval stays unused", async ({ changed, original = {} }) => {
    const gate = gated({ gate: { headers: ["x-mode"] } });
    const id = await approvedId(gate, original);
    expect(await outcomeOf(gate.send({ ...original, ...changed, id }))).toMatchObject({ status: 409, body: { code: 4004 } });
    expect(gate.runs).toEqual([]);
    expect(await statusOf(gate.approvals, id)).toBe("APPROVED");
    expect((await outcomeOf(gate.send({ ...original, id }))).status).toBe(200);
  });

  it("APR-13 the order of members and white space do not matter; an unknown id looks like a mismatch", async () => {
    const gate = gated();
    const id = await approvedId(gate);
    expect(await outcomeOf(gate.send({ id: "unknown" }))).toMatchObject({ status: 409, body: { code: 4004 } });
    expect((await outcomeOf(gate.send({ id, body: '{ "size": 5, "name": "\\u0061" }' }))).status).toBe(200);
  });

  it("APR-13 another policy version makes old approvals worthless", async () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock });
    const before = gated({ approvals: { store } });
    const after = gated({ approvals: { store, policyVersion: "2" } });
    const id = await approvedId(before);
    expect(await outcomeOf(after.send({ id }))).toMatchObject({ status: 409, body: { code: 4004 } });
  });

  it("APR-13 the digest is SHA-256 over a domain of its own and the canonical form, from release to release", async () => {
    const { approval } = await fixture().approvals.create(operation);
    const covered =
      '{"actor":{"id":"ada","subject":"ada","type":"user"},"description":"Drop staging","kind":"operation","metadata":{},' +
      '"operationType":"database:drop","organisation":"org-1","policyVersion":"1","riskLevel":"HIGH","v":1,"workspace":"ws-1"}';
    expect(approval.digest).toBe(createHash("sha256").update(`portcullis/approval/v1\n${covered}`).digest("hex"));
  });

  it("APR-13 what was approved under one permission does not run under another", async () => {
    const store = createMemoryStore();
    const read = gated({ approvals: { store }, gate: { permission: "workflows.read" } });
    const write = gated({ approvals: { store }, gate: { permission: "workflows.write" } });
    const id = await approvedId(read);
    expect(await outcomeOf(write.send({ id }))).toMatchObject({ status: 409, body: { code: 4004 } });
    expect((await outcomeOf(read.send({ id }))).status).toBe(200);
  });

  it.each([
    ["without a digest", (row: Row): Row => ({ ...row, digest: "" })],
    ["of another version", (row: Row): Row => ({ ...row, data: row.data.replace('"v":1', '"v":0') })],
    ["that is no JSON", (row: Row): Row => ({ ...row, data: "{" })],
    ["moved to another workspace", (row: Row): Row => ({ ...row, workspaceId: "ws-2" })],
    ["given to another requester", (row: Row): Row => ({ ...row, requesterId: "eve" })],
    ["with another risk", (row: Row): Row => ({ ...row, risk: "NONE" })],
  ])("APR-14 a stored row %s never runs", async (_name, damage) => {
    const store = createMemoryStore();
    const damaged = {
      approvals: {
        ...store.approvals,
        find: async (id: string) => {
          const found = await store.approvals.find(id);
          return found && { ...found, record: damage(found.record) };
        },
      },
    };
    const whole = gated({ approvals: { store } });
    const id = await approvedId(whole);
    const gate = gated({ approvals: { store: damaged } });
    expect(await outcomeOf(gate.send({ id }))).toMatchObject({ status: 409, body: { code: 4004 } });
    expect(gate.runs).toEqual([]);
  });

  it("APR-17 the report of one run does not end another that took its place", async () => {
    const memory = createMemoryStore();
    let attemptId: string | undefined;
    const find: typeof memory.approvals.find = async (id) => {
      const found = await memory.approvals.find(id);
      if (found === undefined || attemptId === undefined) return found;
      return { ...found, record: { ...found.record, data: found.record.data.replace(attemptId, "another-run") } };
    };
    const { approvals } = fixture({ store: { approvals: { ...memory.approvals, find } } });
    const { approval } = await approvals.create(operation);
    await approvals.resolve(approval.id, { decision: "approve", by: bob });
    await approvals.gate(operation, (grant) => (attemptId = grant.attemptId));
    expect((await memory.approvals.find(approval.id))?.record.status).toBe("EXECUTING");
  });

  it("APR-15 of one hundred concurrent resumes one runs, the others are 409", async () => {
    const gate = gated();
    const id = await approvedId(gate);
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => outcomeOf(gate.send({ id }))));
    expect(outcomes.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(outcomes.filter(({ status, body }) => status === 409 && body.code === 4005)).toHaveLength(99);
    expect(gate.runs).toHaveLength(1);
  });

  it("APR-16 a handler that throws or answers an error leaves FAILED; the next try needs a new approval", async () => {
    const failing = gated({
      respond: () => {
        throw new Error("boom");
      },
    });
    const id = await approvedId(failing);
    expect((await outcomeOf(failing.send({ id }))).status).toBe(500);
    expect(await statusOf(failing.approvals, id)).toBe("FAILED");
    expect((await outcomeOf(failing.send({ id }))).body.code).toBe(4005);
    expect((await outcomeOf(failing.send())).body.approvalId).not.toBe(id);
    const refusing = gated({ respond: () => Response.json({}, { status: 422 }) });
    const second = await approvedId(refusing);
    await outcomeOf(refusing.send({ id: second }));
    expect(await refusing.approvals.get(second)).toMatchObject({ status: "FAILED", execution: { httpStatus: 422 } });
  });

  it("APR-17 a crash after the claim becomes UNKNOWN when the attempt's time is over, and never runs again", async () => {
    const { approvals, clock, events } = fixture();
    const { approval } = await approvals.create(operation);
    await approvals.resolve(approval.id, { decision: "approve", by: bob });
    const crashed = new Promise<never>(() => {}); // a process that dies in its handler never settles
    void approvals.gate(operation, () => crashed);
    await settled();
    expect(await statusOf(approvals, approval.id)).toBe("EXECUTING");
    clock.advance(5 * MINUTE_MS - 1);
    expect(await statusOf(approvals, approval.id)).toBe("EXECUTING");
    expect((await approvals.listUnresolved({ workspaceId: "ws-1" })).approvals).toEqual([]);
    clock.advance(1);
    expect((await approvals.listUnresolved({ workspaceId: "ws-1" })).approvals.map(({ id, status }) => ({ id, status }))).toEqual([
      { id: approval.id, status: "UNKNOWN" },
    ]);
    expect(await approvals.gate({ ...operation, approvalId: approval.id }, () => "again")).toMatchObject({
      kind: "refused",
      problem: { code: 4005 },
    });
    expect(events.at(-2)?.type).toBe("approval.unresolved");
  });

  it.each([
    ["executed", "EXECUTED"],
    ["not_executed", "FAILED"],
  ] as const)("APR-17 what was %s is reconciled by hand, with a reason, once", async (outcome, status) => {
    const { approvals, clock } = fixture();
    const { approval } = await approvals.create(operation);
    await approvals.resolve(approval.id, { decision: "approve", by: bob });
    void approvals.gate(operation, () => new Promise<never>(() => {}));
    await settled();
    await expect(approvals.reconcile(approval.id, { outcome, reason: "Looked", by: bob })).rejects.toEqual(problem(4006));
    clock.advance(5 * MINUTE_MS);
    await expect(approvals.reconcile(approval.id, { outcome, reason: " ", by: bob })).rejects.toEqual(problem(2008));
    expect(await approvals.reconcile(approval.id, { outcome, reason: "Looked", by: bob })).toMatchObject({
      status,
      closing: { by: "bob", reason: "Looked" },
    });
    await expect(approvals.reconcile(approval.id, { outcome, reason: "Looked", by: bob })).rejects.toEqual(problem(4006));
    expect((await approvals.listUnresolved({ workspaceId: "ws-1" })).approvals).toEqual([]);
  });

  it("APR-18 a client that leaves says nothing of the outcome: unreported it becomes UNKNOWN", async () => {
    const gate = gated();
    const id = await approvedId(gate);
    const response = await gate.send({ id });
    await response.body?.cancel();
    await settled();
    expect(await statusOf(gate.approvals, id)).toBe("EXECUTING");
    expect(await outcomeOf(gate.send({ id }))).toMatchObject({
      status: 409,
      body: { code: 4005, executedAt: expect.any(String) as string },
    });
    gate.clock.advance(5 * MINUTE_MS);
    expect(await statusOf(gate.approvals, id)).toBe("UNKNOWN");
  });

  it("APR-18 a handler that reports its outcome has it recorded whatever the client does, even late", async () => {
    let report: (() => Promise<void>) | undefined;
    const capture: Guard = {
      name: "capture",
      check: (request) => {
        report = () => request.facts.get(approvalFact)?.report("executed") ?? Promise.resolve();
        return ALLOW;
      },
    };
    const gate = gated({ before: [capture] });
    const id = await approvedId(gate);
    const response = await gate.send({ id });
    await response.body?.cancel();
    gate.clock.advance(5 * MINUTE_MS);
    expect(await statusOf(gate.approvals, id)).toBe("UNKNOWN");
    await report?.();
    expect(await statusOf(gate.approvals, id)).toBe("EXECUTED");
  });

  it("APR-19 an approval is no permission: guards before it are asked again, and their denial leaves it unused", async () => {
    let isAllowed = true;
    const permission: Guard = { name: "permission", check: () => (isAllowed ? ALLOW : deny(problems.forbidden())) };
    const gate = gated({ before: [permission] });
    const id = await approvedId(gate);
    isAllowed = false;
    expect((await outcomeOf(gate.send({ id }))).status).toBe(403);
    expect(await statusOf(gate.approvals, id)).toBe("APPROVED");
    expect(gate.runs).toEqual([]);
  });

  it("APR-27 with the store down the answer is 503 and the handler does not run", async () => {
    const down = (): never => {
      throw new StoreUnavailable("approvals");
    };
    const store: StoreWith<"approvals"> = { approvals: { open: down, find: down, update: down, list: down } };
    const { send, runs, approvals } = gated({ approvals: { store } });
    expect((await outcomeOf(send())).status).toBe(503);
    expect((await outcomeOf(send({ id: "any" }))).status).toBe(503);
    await expect(approvals.gate(operation, () => runs.push({ body: "" }))).rejects.toBeInstanceOf(StoreUnavailable);
    expect(runs).toEqual([]);
  });

  it("two Approval-Id fields are 400", async () => {
    const { approvals } = fixture();
    const facts = createFacts();
    facts.set(principalFact, ada);
    const line = { method: "POST", target: "/", route: "/", ip: undefined, clientCertificate: undefined, facts };
    const unused = { param: () => undefined, removeHeader: () => {} };
    const request = { ...line, ...unused, header: () => "a, b", headerCount: () => 2, rawBody: () => Promise.resolve(new Uint8Array()) };
    const guard = requireApproval(approvals, { riskLevel: "HIGH", operationType: "a:b", description: "x" });
    expect(await guard.check(request)).toMatchObject({ kind: "deny", problem: { code: 2001 } });
  });

  it("a second gate on one request is a mistake of the program: 500, and the handler does not run", async () => {
    const { approvals } = fixture();
    const twice = requireApproval(approvals, { riskLevel: "HIGH", operationType: "a:b", description: "x" });
    const runs: string[] = [];
    const route = defineRoute({
      method: "POST",
      path: "/",
      operationId: "twice",
      summary: "Twice",
      guards: [twice, twice],
      handle: () => Response.json(runs.push("ran")),
    });
    const faults: unknown[] = [];
    const handler = toFetchHandler(createApp({ guards: [identify], routes: [route], onFault: ({ error }) => faults.push(error) }));
    const send = (headers: Record<string, string>): Promise<Response> =>
      handler(new Request("http://localhost/", { method: "POST", headers: { "x-user": "ada", ...headers } }));
    const id = (await outcomeOf(send({}))).body.approvalId;
    await approvals.resolve(id, { decision: "approve", by: bob });
    expect((await outcomeOf(send({ "approval-id": id }))).status).toBe(500);
    expect(faults).toEqual([expect.objectContaining({ code: "fact_set_twice" })]);
    expect(runs).toEqual([]);
    expect(await statusOf(approvals, id)).toBe("FAILED");
  });
});

describe("gate, for code that is not HTTP", () => {
  it("waits, runs once, and gives the value", async () => {
    const { approvals } = fixture();
    const pending = await approvals.gate(operation, () => "ran");
    if (pending.kind !== "pending") throw new Error("not pending");
    await approvals.resolve(pending.approval.id, { decision: "approve", by: bob });
    const results = await Promise.all(
      Array.from({ length: 100 }, () => approvals.gate({ ...operation, approvalId: pending.approval.id }, ({ attemptId }) => attemptId)),
    );
    const executed = results.filter((result) => result.kind === "executed");
    expect(executed).toHaveLength(1);
    expect(executed[0]).toMatchObject({ approval: { status: "EXECUTED" } });
    expect(results.filter((result) => result.kind === "refused")).toHaveLength(99);
  });

  it("records FAILED and passes on what the operation threw", async () => {
    const { approvals } = fixture();
    const { approval } = await approvals.create(operation);
    await approvals.resolve(approval.id, { decision: "approve", by: bob });
    await expect(approvals.gate(operation, () => Promise.reject(new Error("disk full")))).rejects.toThrow("disk full");
    expect(await statusOf(approvals, approval.id)).toBe("FAILED");
  });

  it("gives the value of what ran even when its outcome cannot be recorded", async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    let isDown = false;
    const store: StoreWith<"approvals"> = {
      approvals: {
        ...memory.approvals,
        find: (id) => {
          if (isDown) throw new StoreUnavailable("approvals.find");
          return memory.approvals.find(id);
        },
      },
    };
    const { approvals } = fixture({ store });
    const { approval } = await approvals.create(operation);
    await approvals.resolve(approval.id, { decision: "approve", by: bob });
    const result = await approvals.gate(operation, () => {
      isDown = true;
      return "ran";
    });
    expect(result).toMatchObject({ kind: "executed", value: "ran", approval: { status: "EXECUTING" } });
    isDown = false;
    clock.advance(5 * MINUTE_MS);
    expect(await statusOf(approvals, approval.id)).toBe("UNKNOWN");
  });

  it("is refused after a denial when it names the approval, and asks anew when it does not", async () => {
    const { approvals } = fixture();
    const { approval } = await approvals.create(operation);
    await approvals.resolve(approval.id, { decision: "reject", by: bob, notes: "No" });
    expect(await approvals.gate({ ...operation, approvalId: approval.id }, () => 1)).toMatchObject({
      kind: "refused",
      problem: { code: 1105 },
    });
    expect(await approvals.gate(operation, () => 1)).toMatchObject({ kind: "pending" });
  });
});

type Row = NonNullable<Awaited<ReturnType<StoreWith<"approvals">["approvals"]["find"]>>>["record"];
