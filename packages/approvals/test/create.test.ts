import { createMemoryStore, ConfigurationError } from "@portcullis/core";
import { createApprovals, requireApproval } from "@portcullis/approvals";
import { describe, expect, it } from "vitest";
import { ada, bob, fixture, gated, operation, outcomeOf, policy, user } from "./approvals-fixture.js";

const problem = (code: number): object => expect.objectContaining({ name: "ProblemError", code });

describe("asking for approval", () => {
  it.each(["LOW", "MEDIUM", "HIGH", "CRITICAL"] as const)("APR-1 %s is a risk level", async (riskLevel) => {
    expect((await fixture().approvals.create({ ...operation, riskLevel })).approval.riskLevel).toBe(riskLevel);
  });

  it.each([
    { riskLevel: "high" },
    { riskLevel: "EXTREME" },
    { operationType: "database" },
    { operationType: "database:drop:now" },
    { operationType: "database: drop" },
    { operationType: ":drop" },
    { operationType: "Database:drop" },
    { operationType: `a:${"b".repeat(127)}` },
    { description: "" },
    { description: "   " },
    { description: "x".repeat(4097) },
    { title: "" },
    { title: "x".repeat(257) },
    { taskId: "" },
    { metadata: [] },
    { metadata: { a: 1 } },
    { metadata: { "": "x" } },
    { metadata: { ["k".repeat(257)]: "x" } },
    { metadata: { a: "x".repeat(257) } },
    { metadata: Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`k${index}`, "x"])) },
    { metadata: Object.fromEntries(Array.from({ length: 20 }, (_, index) => [String(index).padEnd(256, "k"), "x".repeat(256)])) },
    { metadata: JSON.parse('{"__proto__":"x"}') as object },
    { metadata: { constructor: "x" } },
    { metadata: new Map([["a", "b"]]) },
  ])("APR-1 %j is refused by name, and nothing is stored", async (wrong) => {
    const { approvals, events } = fixture();
    // The point is what the types do not allow: input from outside.
    const request = { ...operation, ...wrong } as unknown as Parameters<typeof approvals.create>[0];
    await expect(approvals.create(request)).rejects.toEqual(problem(2002));
    expect(events).toEqual([]);
  });

  it.each([
    { description: "x".repeat(4096) },
    { title: "x".repeat(256) },
    { operationType: `a:${"b".repeat(126)}` },
    { metadata: { ["k".repeat(256)]: "x".repeat(256) } },
    { taskId: "t" },
  ])("APR-1 the bounds themselves are accepted", async (limits) =>
    expect((await fixture().approvals.create({ ...operation, ...limits })).created).toBe(true),
  );

  it.each([59_000, 604_801_000, 60_500, Number.NaN, Infinity, 0, -60_000, "60000", "1e3", true, [60_000]])(
    "APR-1 a ttl of %s ms is refused",
    async (ttlMs) => {
      const { approvals } = fixture();
      const request = { ...operation, ttlMs } as unknown as Parameters<typeof approvals.create>[0];
      await expect(approvals.create(request)).rejects.toBeInstanceOf(ConfigurationError);
    },
  );

  it.each([60_000, 604_800_000])("APR-1 a ttl of %s ms is accepted", async (ttlMs) => {
    const { approvals, clock } = fixture();
    expect((await approvals.create({ ...operation, ttlMs })).approval.expiresAt).toBe(clock.now() + ttlMs);
  });

  it("APR-2 the same operation gives the open approval again, while it waits and while it is approved but unused", async () => {
    const { approvals, events } = fixture();
    const first = await approvals.create(operation);
    const again = await approvals.create(operation);
    await approvals.resolve(first.approval.id, { decision: "approve", by: bob });
    const approved = await approvals.create(operation);
    expect([first.created, again.created, approved.created]).toEqual([true, false, false]);
    expect([again.approval.id, approved.approval.id]).toEqual([first.approval.id, first.approval.id]);
    expect(events.filter(({ type }) => type === "approval.requested")).toHaveLength(1);
  });

  it("APR-2 another operation, requester or workspace makes another approval", async () => {
    const { approvals } = fixture();
    const others = [
      operation,
      { ...operation, description: "Drop production" },
      { ...operation, by: bob },
      { ...operation, workspaceId: "ws-2" },
      { ...operation, input: { n: 5 } },
      { ...operation, input: { n: "5" } },
    ];
    const made = await Promise.all(others.map((other) => approvals.create(other)));
    expect(new Set(made.map(({ approval }) => approval.id)).size).toBe(others.length);
  });

  it("APR-2 one hundred concurrent requests make one approval", async () => {
    const { approvals } = fixture();
    const made = await Promise.all(Array.from({ length: 100 }, () => approvals.create(operation)));
    expect(made.filter(({ created }) => created)).toHaveLength(1);
    expect(new Set(made.map(({ approval }) => approval.id)).size).toBe(1);
  });

  it("APR-2 after a denial the same operation may be asked for again", async () => {
    const { approvals } = fixture();
    const { approval } = await approvals.create(operation);
    await approvals.resolve(approval.id, { decision: "reject", by: bob, notes: "Not today" });
    expect((await approvals.create(operation)).approval.id).not.toBe(approval.id);
  });

  it("APR-3 ids carry 144 random bits, and another workspace's approval does not exist", async () => {
    const { approvals } = fixture();
    const { approval } = await approvals.create(operation);
    expect(approval.id).toMatch(/^[A-Za-z0-9_-]{24}$/);
    expect(await approvals.get(approval.id, { workspaceId: "ws-2" })).toBeUndefined();
    expect(await approvals.get("unknown", { workspaceId: "ws-1" })).toBeUndefined();
    await expect(approvals.resolve(approval.id, { decision: "approve", by: bob, workspaceId: "ws-2" })).rejects.toEqual(problem(3001));
  });

  it("keeps organisations without workspaces apart", async () => {
    const { approvals } = fixture();
    const member = { orgId: "org-2", workspaceId: undefined };
    const { approval } = await approvals.create({ ...operation, by: user("ada", member) });
    expect(approval.workspaceId).toBe("organisation:org-2");
  });
});

describe("the first response", () => {
  it("APR-4 is 202 with Location, Retry-After and the state; the handler does not run", async () => {
    const { send, runs, clock } = gated();
    const { status, headers, body } = await outcomeOf(send());
    expect(status).toBe(202);
    expect(headers.get("location")).toBe(`/approvals/${body.approvalId}`);
    expect(headers.get("retry-after")).toBe("5");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(body).toEqual({
      approvalId: expect.any(String) as string,
      status: "PENDING",
      expiresAt: new Date(clock.now() + 86_400_000).toISOString(),
    });
    expect(runs).toEqual([]);
  });

  it("APR-4 stores no body, and shows parameters and query without secrets", async () => {
    const { send, store } = gated();
    const { body } = await outcomeOf(send({ path: "/workflows/7?access_token=s3cret&dry=0", body: '{"password":"hunter2"}' }));
    const found = await store.approvals.find(body.approvalId);
    expect(found?.record.data).not.toContain("hunter2");
    expect(found?.record.data).not.toContain("s3cret");
    const shown = (JSON.parse(found?.record.data ?? "{}") as { request: object }).request;
    expect(shown).toEqual({
      method: "POST",
      route: "/workflows/:id",
      params: { id: "7" },
      query: { access_token: "[redacted]", dry: ["0"] },
      bodyBytes: 22,
    });
  });

  it("APR-4 redacts a body that is shown before it is stored, while the digest tells secrets apart", async () => {
    const shown = gated({ gate: { showBody: true }, approvals: { redact: ["iban"] } });
    const body = (password: string): string => JSON.stringify({ name: "a", list: [{ newPassword: password, IBAN: "DE00" }] });
    const first = await outcomeOf(shown.send({ body: body("one") }));
    const second = await outcomeOf(shown.send({ body: body("two") }));
    expect(first.body.approvalId).not.toBe(second.body.approvalId);
    const approval = await shown.approvals.get(first.body.approvalId);
    expect(approval?.request).toMatchObject({ body: { name: "a", list: [{ newPassword: "[redacted]", IBAN: "[redacted]" }] } });
  });

  it("APR-4 redacts keys of every kind, and lists of secrets", async () => {
    const shown = gated({ gate: { showBody: true } });
    const secrets = [
      "tokens",
      "secretKey",
      "AWS_SECRET_ACCESS_KEY",
      "signing-key",
      "jwt",
      "otp",
      "pwd",
      "apiKeys",
      "credentials",
      "cookies",
    ];
    const body = Object.fromEntries(secrets.map((name) => [name, ["hunter2"]]));
    const { body: answer } = await outcomeOf(shown.send({ body: JSON.stringify({ ...body, shipping: "kept" }) }));
    const request = JSON.stringify((await shown.approvals.get(answer.approvalId))?.request);
    expect(request).not.toContain("hunter2");
    expect(request).toContain("kept");
  });

  it("APR-13 a body of nothing but escapes is covered, however long", async () => {
    const long = gated({ gate: { maxBodyBytes: 32_000_000 } });
    const { status } = await outcomeOf(long.send({ body: JSON.stringify("\n".repeat(8_000_000)) }));
    expect(status).toBe(202);
  });

  it("asks for credentials where nobody is known", async () => {
    expect((await outcomeOf(gated().send({ user: "nobody" }))).status).toBe(401);
  });

  it.each([
    ["a duplicate member", '{"a":1,"a":2}'],
    ["a duplicate member in disguise", '{"a":1,"\\u0061":2}'],
    ["no JSON", "{"],
    ["a lone surrogate", '{"a":"\\ud800"}'],
    ["a number out of range", '{"a":1e400}'],
  ])("APR-13 a JSON body with %s is 400", async (_name, body) => {
    expect((await outcomeOf(gated().send({ body }))).status).toBe(400);
  });

  it("a body above the limit is 413", async () => {
    expect((await outcomeOf(gated({ gate: { maxBodyBytes: 10 } }).send())).status).toBe(413);
  });
});

describe("when", () => {
  it("a request that needs no approval passes in the same turn, without a promise", () => {
    const { approvals } = fixture();
    const guard = requireApproval(approvals, { riskLevel: "LOW", operationType: "a:b", description: "x", when: () => false });
    // check() must not touch the request at all here.
    expect(guard.check({} as Parameters<typeof guard.check>[0])).toEqual({ kind: "allow" });
  });

  it("may answer later", async () => {
    const { send, runs } = gated({ gate: { when: async (request) => request.method === "PUT" } });
    expect((await outcomeOf(send())).status).toBe(200);
    expect((await outcomeOf(send({ method: "PUT" }))).status).toBe(202);
    expect(runs).toHaveLength(1);
  });

  it("fails closed", async () => {
    const { send, runs } = gated({
      gate: {
        when: () => {
          throw new Error("lookup failed");
        },
      },
    });
    expect((await outcomeOf(send())).status).toBe(500);
    expect(runs).toEqual([]);
  });
});

describe("construction", () => {
  const store = createMemoryStore();
  it.each([
    { policy: undefined },
    { policy: { LOW: policy.LOW, MEDIUM: policy.MEDIUM, HIGH: policy.HIGH } },
    { policy: { ...policy, CRITICAL: { canApprove: true } } },
    { policy: { ...policy, HIGH: { ...policy.HIGH, selfApproval: true } } },
    { prefix: "v1" },
    { prefix: "/v1/" },
    { policyVersion: "" },
    { defaults: { ttlMs: 59_000 } },
    { defaults: { executeWithinMs: 999 } },
    { defaults: { attemptTtlMs: Number.NaN } },
    { defaults: { pollAfterMs: Infinity } },
  ])("refuses %j: there is no default for who may approve, and no silent correction", (options) => {
    const wrong = { store, policy, ...options } as unknown as Parameters<typeof createApprovals>[0];
    expect(() => createApprovals(wrong)).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });

  it.each([
    { operationType: "x" },
    { description: "" },
    { ttlMs: 1 },
    { maxBodyBytes: -1 },
    { headers: ["X-Mode"] },
    { riskLevel: "high" },
  ])("requireApproval refuses %j", (wrong) => {
    const { approvals } = fixture();
    const options = { riskLevel: "HIGH", operationType: "a:b", description: "x", ...wrong } as Parameters<typeof requireApproval>[1];
    expect(() => requireApproval(approvals, options)).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });

  it("requireApproval takes only what createApprovals made", () => {
    const copy = { ...fixture().approvals };
    expect(() => requireApproval(copy, { riskLevel: "HIGH", operationType: "a:b", description: "x" })).toThrow(
      expect.objectContaining({ code: "invalid_option" }),
    );
  });

  it("shows ada's approval to ada", async () => {
    const { approvals } = fixture();
    const { approval } = await approvals.create(operation);
    expect(await approvals.get(approval.id, { workspaceId: "ws-1", visibleTo: ada })).toEqual(approval);
  });
});
