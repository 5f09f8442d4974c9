import { signIdentity } from "@portcullis/rbac";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { describeWith } from "../../../tools/test-services/connect.js";
import { createMember, type NewMember } from "../src/accounts.js";
import { type Answer, type ApiClient, createApiClient, type RequestParts } from "../src/story/api-client.js";
import { logInAs, read } from "../src/story/story.js";
import { FRAMEWORKS } from "./serve.js";
import { startService, type StoreKind, type TestWorld } from "./start-service.js";

const SECRET = "a secret that two services share, 32 bytes";
const AUDIENCE = "reference-server";
const PASSWORD = "another horse, another battery";
const ENVIRONMENT = {
  SERVICE_NAME: AUDIENCE,
  TRUSTED_CALLERS: JSON.stringify([{ id: "billing", maxRoles: ["viewer", "member"], secrets: [SECRET] }]),
};

const heldSchema = z.object({
  epoch: z.number(),
  assignments: z.array(z.object({ name: z.string(), active_until: z.number().nullable() })),
});
const policySchema = z.object({
  policyVersion: z.number(),
  rolesRevision: z.number(),
  roles: z.record(z.string(), z.object({ inherits: z.array(z.string()), grants: z.array(z.string()), denies: z.array(z.string()) })),
  rows: z.array(z.object({ role: z.string(), granted: z.number() })),
  constraints: z.object({ static: z.array(z.object({ name: z.string() })) }),
});
const auditSchema = z.object({
  events: z.array(z.object({ outcome: z.string(), reason: z.string().optional(), actor: z.object({ id: z.string() }) })),
});

/** Somebody who is logged in. */
interface Person {
  readonly id: string;
  readonly token: string;
}

function governAccessOn(kind: StoreKind): void {
  describe.each(Object.keys(FRAMEWORKS) as (keyof typeof FRAMEWORKS)[])("on %s", (framework) => {
    let world: TestWorld;
    let call: ApiClient;
    let owner: Person;
    let count = 0;

    beforeAll(async () => {
      world = await startService(framework, kind, ENVIRONMENT);
      call = createApiClient(world.url);
      owner = await known(await logInAs(call, "owner"));
    });
    afterAll(async () => {
      await world.close();
      expect(world.lines.filter((line) => line.includes('"msg":"fault"') || line.includes("audit event lost"))).toEqual([]);
    });

    async function known(token: string): Promise<Person> {
      return { id: read(await call("GET", "/api/auth/me", { token }), 200, z.object({ id: z.string() })).id, token };
    }
    async function join(role: string, more: Partial<NewMember> = {}): Promise<Person> {
      const email = `somebody-${(count += 1)}@acme.example`;
      const member = { email, password: PASSWORD, role, orgId: "acme", workspaceId: "acme-main", ...more };
      expect((await createMember(world.service, member)).kind).toBe("ok");
      return known(await tokenOf(email));
    }
    // Not over HTTP: so many logins of one address would be limited.
    async function tokenOf(email: string): Promise<string> {
      const login = await world.service.auth.login({ email, password: PASSWORD });
      return login.kind === "ok" ? login.value.tokens.accessToken : "";
    }
    const as = ({ token }: Person, method: string, path: string, body?: unknown): Promise<Answer> =>
      call(method, path, { token, ...(body === undefined ? {} : { body }) });
    const give = (by: Person, to: Person, role: string, how: object = {}): Promise<Answer> =>
      as(by, "PUT", `/api/users/${to.id}/roles/${role}`, how);
    const take = (by: Person, from: Person, role: string): Promise<Answer> => as(by, "DELETE", `/api/users/${from.id}/roles/${role}`);
    const mayReadAudit = async (who: Person): Promise<boolean> => (await as(who, "GET", "/api/audit")).status === 200;
    const policy = async () => read(await as(owner, "GET", "/api/access/policy"), 200, policySchema);

    it("a role that is given counts with the next request, one that is taken does not: no new token is needed", async () => {
      const member = await join("member");
      expect(await mayReadAudit(member)).toBe(false);
      const given = read(await give(owner, member, "admin"), 200, heldSchema);
      expect(given.assignments.map(({ name }) => name).toSorted()).toEqual(["admin", "member"]);
      expect(await mayReadAudit(member)).toBe(true);
      expect((await as(member, "GET", "/api/auth/me")).json?.data).toMatchObject({ roles: ["member", "admin"] });
      expect(read(await take(owner, member, "admin"), 200, heldSchema).epoch).toBe(given.epoch + 1);
      expect(await mayReadAudit(member)).toBe(false);
      expect((await as(member, "GET", "/api/auth/me")).json?.data).toMatchObject({ roles: ["member"] });
    });

    it("who lost the role decides about no approval, whatever the token says", async () => {
      const [member, admin] = [await join("member"), await join("admin")];
      const workflow = { name: "R", steps: [{ tool: "email.send" }] };
      const { id } = read(await as(member, "POST", "/api/workflows", workflow), 201, z.object({ id: z.string() }));
      const asked = await as(member, "POST", `/api/workflows/${id}/execute`, { expectedRevision: 1 });
      const approval = asked.headers.get("location") ?? "";
      expect((await give(owner, admin, "member")).status).toBe(200);
      expect((await as(admin, "GET", approval)).status).toBe(200);
      expect((await take(owner, admin, "admin")).status).toBe(200);
      expect((await as(admin, "POST", `${approval}/approve`, {})).status).toBe(404);
    });

    it("an account that was given nothing may do nothing, whatever the directory says", async () => {
      const email = `ghost-${framework}@acme.example`;
      const account = { email, password: PASSWORD, roles: ["owner"], orgId: "acme" };
      expect((await world.service.auth.createAccount(account)).kind).toBe("ok");
      const token = await tokenOf(email);
      expect((await call("GET", "/api/workflows", { token })).json?.errorDetail).toMatchObject({
        code: 1101,
        reason: "missing_permission",
      });
    });

    it("the last owner stays, of the role and of the organisation's", async () => {
      const conflict = { code: 4001, reason: "last_holder" };
      expect((await take(owner, owner, "owner")).json?.errorDetail).toMatchObject(conflict);
      expect((await as(owner, "DELETE", `/api/users/${owner.id}/organisation-roles/owner`)).json?.errorDetail).toMatchObject(conflict);
      expect((await give(owner, owner, "owner", { expires_at: world.clock.now() + 60_000 })).json?.errorDetail).toMatchObject(conflict);
    });

    it("nobody gives or takes what it does not have, and is told what is missing", async () => {
      const [admin, member] = [await join("admin"), await join("member")];
      const missing = { code: 1101, reason: "missing_permission", missing: ["system.read", "system.manage"] };
      expect((await give(admin, member, "owner")).json?.errorDetail).toMatchObject(missing);
      expect((await take(admin, owner, "owner")).json?.errorDetail).toMatchObject(missing);
      expect((await give(member, member, "admin")).json?.errorDetail).toMatchObject({ code: 1101, permission: "users.manage" });
      expect((await give(admin, member, "admin")).status).toBe(200);
      const granted = await as(admin, "PUT", `/api/users/${member.id}/organisation-roles/editor`, {});
      expect(granted.json?.errorDetail).toMatchObject({ code: 1101, reason: "missing_org_role" });
    });

    it("what cannot be given is refused with the reason: roles apart, unknown, over already, not held", async () => {
      const [member, stranger] = [await join("member"), await join("admin", { orgId: "elsewhere" })];
      expect((await give(owner, member, "auditor")).json?.errorDetail).toMatchObject({
        ...{ code: 4001, reason: "separation_of_duty", constraint: "independent_audit" },
      });
      expect((await give(owner, member, "emperor")).json?.errorDetail).toMatchObject({ code: 2002, reason: "unknown_role" });
      expect((await give(owner, member, "admin", { expires_at: world.clock.now() })).status).toBe(422);
      expect((await take(owner, member, "auditor")).json?.errorDetail).toMatchObject({ code: 4001, reason: "not_held" });
      for (const id of [stranger.id, "nobody"])
        for (const answer of [
          await as(owner, "GET", `/api/users/${id}/roles`),
          await as(owner, "PUT", `/api/users/${id}/roles/member`, {}),
          await as(owner, "DELETE", `/api/users/${id}/roles/admin`),
          await as(owner, "PUT", `/api/users/${id}/organisation-roles/editor`, {}),
          await as(owner, "POST", "/api/access/explain", { user_id: id, permission: "users.read" }),
        ])
          expect(answer.status).toBe(404);
      expect((await as(stranger, "GET", `/api/users/${owner.id}/roles`)).status).toBe(404);
    });

    it("a role for a while ends by itself; one that needs activation counts from then to its end, and no longer than allowed", async () => {
      const [temporary, sleeper] = [await join("member"), await join("member")];
      expect((await give(owner, temporary, "admin", { expires_at: world.clock.now() + 60_000 })).status).toBe(200);
      expect((await give(owner, sleeper, "admin", { activatable_for_seconds: 60 })).status).toBe(200);
      expect([await mayReadAudit(temporary), await mayReadAudit(sleeper)]).toEqual([true, false]);

      const activate = (seconds: number): Promise<Answer> => as(sleeper, "POST", "/api/me/roles/admin/activate", { for_seconds: seconds });
      expect((await activate(61)).status).toBe(422);
      expect((await activate(60)).status).toBe(200);
      expect(await mayReadAudit(sleeper)).toBe(true);
      await world.passTime(59_999);
      expect([await mayReadAudit(temporary), await mayReadAudit(sleeper)]).toEqual([true, true]);
      await world.passTime(1);
      expect([await mayReadAudit(temporary), await mayReadAudit(sleeper)]).toEqual([false, false]);

      await activate(60);
      expect((await as(sleeper, "DELETE", "/api/me/roles/admin/activate")).status).toBe(200);
      expect(await mayReadAudit(sleeper)).toBe(false);
      expect((await as(sleeper, "POST", "/api/me/roles/member/activate", { for_seconds: 1 })).json?.errorDetail).toMatchObject({
        ...{ code: 4001, reason: "not_activatable" },
      });
      expect((await as(temporary, "POST", "/api/me/roles/owner/activate", { for_seconds: 1 })).json?.errorDetail).toMatchObject({
        ...{ code: 4001, reason: "not_held" },
      });
    });

    it("neither a key nor the anonymous activates anything", async () => {
      const sleeper = await join("member");
      await give(owner, sleeper, "admin", { activatable_for_seconds: 60 });
      const made = await as(sleeper, "POST", "/api/auth/api-keys", { name: "k" });
      const { key } = read(made, 201, z.object({ key: z.string() }));
      const body = { for_seconds: 1 };
      expect((await call("POST", "/api/me/roles/admin/activate", { body, headers: { "x-api-key": key } })).status).toBe(403);
      expect((await call("POST", "/api/me/roles/admin/activate", { body })).status).toBe(401);
      expect(await mayReadAudit(sleeper)).toBe(false);
    });

    it("departments are changed by whom the organisation lets, under the name that was checked", async () => {
      const [engineer, bystander] = [await join("member"), await join("admin")];
      const grant = (role: string, body: object): Promise<Answer> =>
        as(owner, "PUT", `/api/users/${engineer.id}/organisation-roles/${role}`, body);
      const put = (who: Person, department: string): Promise<Answer> =>
        as(who, "PUT", `/api/organisation/departments/${department}`, { name: "Engineering" });
      expect((await put(engineer, "eng")).status).toBe(403);
      expect((await grant("department_admin", {})).status).toBe(422);
      expect((await grant("department_admin", { departments: ["not a name"] })).status).toBe(422);
      expect((await grant("department_admin", { departments: ["ENG"] })).status).toBe(200);

      expect((await put(engineer, "ENG")).json?.data).toEqual({ department: "eng", name: "Engineering", revision: 1 });
      expect((await put(engineer, "eng")).json?.data).toMatchObject({ department: "eng", revision: 2 });
      for (const other of ["hr", "eng%2Fhr", "%00", "%E2%84%AA", "eng;x=1"]) expect((await put(engineer, other)).status).toBe(403);
      expect((await put(bystander, "eng")).status).toBe(403);
      expect((await put(owner, "HR")).json?.data).toMatchObject({ department: "hr" });
      expect((await put(owner, "%2e%2e%2f")).status).toBe(422);
      const listed = await as(bystander, "GET", "/api/organisation/departments");
      expect(read(listed, 200, z.array(z.object({ department: z.string() }))).map(({ department }) => department)).toEqual(["eng", "hr"]);

      expect((await as(owner, "DELETE", `/api/users/${engineer.id}/organisation-roles/department_admin`)).status).toBe(200);
      expect((await put(engineer, "eng")).status).toBe(403);
    });

    it("administrators are told why somebody may or may not, role by role; others are not", async () => {
      const [admin, member] = [await join("admin"), await join("member")];
      const explain = (by: Person, permission: string): Promise<Answer> =>
        as(by, "POST", "/api/access/explain", { user_id: member.id, permission });
      expect((await explain(admin, "workflows.read")).json?.data).toMatchObject({
        decision: { allowed: true, role: "member" },
        roles: [{ role: "member", granted: { grant: "workflows.read", path: ["member", "viewer"] } }],
      });
      expect((await explain(admin, "users.manage")).json?.data).toMatchObject({
        ...{ decision: { allowed: false, reason: "missing_permission" }, accountDisabled: false },
      });
      expect((await explain(admin, "no.such")).json?.data).toMatchObject({ decision: { reason: "unknown_permission" } });
      expect((await explain(member, "users.manage")).json?.errorDetail).toMatchObject({ code: 1101, permission: "access.read" });
    });

    it("the manifest lists every route, and each that changes something with what guards it", async () => {
      const entry = z.object({ path: z.string(), operationId: z.string(), permissions: z.array(z.unknown()), orgMutation: z.boolean() });
      const entries = read(await as(owner, "GET", "/api/access/routes"), 200, z.array(entry));
      expect(entries).toHaveLength(world.service.app.routes.length);
      expect(entries).toContainEqual(expect.objectContaining({ operationId: "replaceRoles", permissions: ["access.manage"] }));
      expect(entries).toContainEqual(expect.objectContaining({ operationId: "putDepartment", orgMutation: true }));
    });

    it("roles are replaced by who runs the service, at their revision, and hold at once", async () => {
      const [viewer, admin] = [await join("viewer"), await join("admin")];
      const { roles, rolesRevision, policyVersion } = await policy();
      const mine = { ...roles, viewer: { grants: [...(roles.viewer?.grants ?? []), "audit.read"] } };
      const replace = (by: Person, body: object): Promise<Answer> => as(by, "PUT", "/api/access/roles", body);
      const stronger = { ...roles, admin: { inherits: ["member"], grants: ["*"] } };
      expect((await replace(admin, { roles: stronger, revision: rolesRevision })).json?.errorDetail).toMatchObject({
        ...{ code: 1101, reason: "missing_permission", missing: ["system.read", "system.manage"] },
      });
      expect((await replace(owner, { roles: mine, revision: rolesRevision + 1 })).json?.errorDetail).toMatchObject({ code: 4002 });
      const wrong = await replace(owner, { roles: { ...roles, viewer: { grants: ["workflow.read"] } }, revision: rolesRevision });
      expect([wrong.status, wrong.json?.errorDetail?.detail]).toEqual([422, expect.stringContaining('"workflow.read"')]);
      const { owner: _owner, ...ownerless } = roles;
      expect((await replace(owner, { roles: ownerless, revision: rolesRevision })).json?.errorDetail).toMatchObject({
        reason: "last_holder",
      });
      const foreign = await join("owner", { orgId: "elsewhere" });
      expect((await replace(foreign, { roles: mine, revision: rolesRevision })).json?.errorDetail).toMatchObject({ reason: "wrong_org" });
      expect(await mayReadAudit(viewer)).toBe(false);

      expect((await replace(owner, { roles: mine, revision: rolesRevision })).json?.data).toEqual({
        ...{ rolesRevision: rolesRevision + 1, policyVersion: policyVersion + 1 },
      });
      expect(await mayReadAudit(viewer)).toBe(true);
      expect((await policy()).constraints.static.map(({ name }) => name)).toEqual(["independent_audit"]);
      expect((await replace(owner, { roles, revision: rolesRevision + 1 })).status).toBe(200);
      expect(await mayReadAudit(viewer)).toBe(false);
    });

    it("other services ask the decision point about people of their own organisation, one question or many", async () => {
      const [member, stranger] = [await join("member"), await join("admin", { orgId: "elsewhere" })];
      const made = await as(owner, "POST", "/api/auth/api-keys", { name: "gateway", scopes: ["access.evaluate"] });
      const { key } = read(made, 201, z.object({ key: z.string() }));
      const ask = (path: string, body: object): Promise<Answer> =>
        call("POST", `/access/v1/${path}`, { body, headers: { "x-api-key": key } });
      const question = (id: string, action: string) => ({
        ...{ subject: { type: "user", id }, action: { name: action }, resource: { type: "workflows", id: "7" } },
      });
      expect((await ask("evaluation", question(member.id, "create"))).json).toEqual({ decision: true });
      for (const [id, action] of [
        [member.id, "approve"],
        [member.id, "fly"],
        [stranger.id, "create"],
        ["nobody", "create"],
        ["\u0000", "create"],
      ] as const)
        expect((await ask("evaluation", question(id, action))).json).toEqual({ decision: false });
      const { subject, resource } = question(member.id, "create");
      const batch = { subject, resource, evaluations: [{ action: { name: "create" } }, { action: { name: "approve" } }] };
      expect((await ask("evaluations", batch)).json).toEqual({ evaluations: [{ decision: true }, { decision: false }] });
      await world.service.auth.setDisabled(member.id, true);
      expect((await ask("evaluation", question(member.id, "create"))).json).toEqual({ decision: false });
      expect((await ask("evaluation", {})).status).toBe(400);
      expect((await as(await join("member"), "POST", "/access/v1/evaluation", question(member.id, "create"))).status).toBe(403);
      expect((await call("GET", "/.well-known/authzen-configuration")).json).toMatchObject({
        access_evaluation_endpoint: "https://localhost/access/v1/evaluation",
      });
    });

    it("identity headers are believed with a trusted caller's signature, once and within its roles, and from nobody else", async () => {
      const admin = await join("admin");
      await give(owner, admin, "member");
      const signed = (method: string, target: string, roles: readonly string[], userId = admin.id): Readonly<Record<string, string>> =>
        signIdentity({
          ...{ callerId: "billing", secret: SECRET, audience: AUDIENCE, method, target, userId, orgId: "acme", roles },
          clock: world.clock,
        });
      const send = (method: string, target: string, parts: RequestParts): Promise<Answer> => call(method, target, parts);

      const bare = { "x-user-id": owner.id, "x-org-id": "acme", "x-user-roles": "owner" };
      expect((await send("GET", "/api/workflows", { headers: bare })).status).toBe(401);
      const headers = signed("GET", "/api/workflows", ["member", "admin"]);
      expect((await send("GET", "/api/workflows", { headers })).status).toBe(200);
      expect((await send("GET", "/api/workflows", { headers })).json?.errorDetail).toMatchObject({ code: 1012 });
      // An administrator, but this caller may say no more than member.
      expect((await send("GET", "/api/audit", { headers: signed("GET", "/api/audit", ["member", "admin"]) })).status).toBe(403);
      // The token's owner, but the headers say somebody else.
      const mixed = signed("GET", "/api/workflows", ["member"]);
      expect((await send("GET", "/api/workflows", { token: owner.token, headers: mixed })).json?.errorDetail).toMatchObject({ code: 1011 });
      const durable = signed("POST", "/api/auth/api-keys", ["member"]);
      expect((await send("POST", "/api/auth/api-keys", { headers: durable, body: { name: "k" } })).status).toBe(403);
      const activation = signed("POST", "/api/me/roles/admin/activate", ["member"]);
      expect((await send("POST", "/api/me/roles/admin/activate", { headers: activation, body: { for_seconds: 1 } })).status).toBe(403);
      await world.service.auth.setDisabled(admin.id, true);
      expect((await send("GET", "/api/workflows", { headers: signed("GET", "/api/workflows", ["member"]) })).status).toBe(401);
    });

    it("every change is in the audit trail: who tried, and how it ended", async () => {
      const [admin, member] = [await join("admin"), await join("member")];
      await give(admin, member, "owner");
      await give(owner, member, "admin");
      await as(owner, "PUT", "/api/organisation/departments/ops", { name: "Operations" });
      await call("GET", "/api/workflows", { headers: { "x-user-id": "somebody" } });
      const found = async (category: string, action: string, actor: string): Promise<readonly string[]> => {
        const answer = await as(owner, "GET", `/api/audit?category=${category}&action=${action}&limit=200`);
        const { events } = read(answer, 200, auditSchema);
        return events.filter(({ actor: { id } }) => id === actor).map(({ outcome, reason }) => reason ?? outcome);
      };
      expect(await found("admin", "role.assign", admin.id)).toEqual(["attempted", "missing_permission"]);
      expect(await found("admin", "role.assign", owner.id)).toEqual(expect.arrayContaining(["attempted", "granted"]));
      expect(await found("admin", "department.put", owner.id)).toContain("attempted");
      expect(await found("security", "identity.ignored", "anonymous")).toContain("untrusted");
      const { text } = await call("GET", "/api/metrics");
      expect(text).toContain("rbac_permission_checks_total");
      expect(text).toContain('rbac_forwarded_identities_total{caller="unknown",result="untrusted"}');
    });
  });
}

describe("access to the reference server in memory", () => governAccessOn("memory"));
describe("access to the reference server on SQLite", () => governAccessOn("sqlite"));
describeWith("postgres", "access to the reference server on PostgreSQL and Redis", () => governAccessOn("postgres and redis"));
