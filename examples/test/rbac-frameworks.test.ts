// RBAC-36: one table of requests, sent byte by byte, and the same answer on every framework.
import {
  accessFact,
  ALLOW,
  correlationId,
  createApp,
  createMemoryStore,
  type Facts,
  type Guard,
  type Principal,
  principalFact,
  StoreUnavailable,
  type UserPrincipal,
} from "@portcullis/core";
import {
  checkedScopeFact,
  defineRbac,
  requireMfa,
  requireOrgMutation,
  requirePermission,
  requireRoles,
  requireWriteAccess,
  secureEndpoint,
  signIdentity,
  standardOrgRoles,
  standardPermissions,
  standardPersonas,
  standardRoles,
  trustIdentityHeaders,
} from "@portcullis/rbac";
import { type AdapterHost, createManualClock, type NativeCall, type NativeRoute, type RunningAdapter } from "@portcullis/testkit";
import * as onExpress from "@portcullis/express";
import type { Listening } from "@portcullis/express";
import * as onHono from "@portcullis/hono";
import express from "express";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linesOf, RawConnection, type RawResponse } from "../../packages/testkit/src/adapter-laws/raw-connection.js";
import { HOSTS_WITHOUT_ADDRESS, RBAC_HOSTS, seesLines } from "./rbac-hosts.js";

const clock = createManualClock();
const LOCAL = { port: 0, host: "127.0.0.1" };
const SECRET = "a secret of at least thirty-two bytes";
const LOOPBACK = ["127.0.0.0/8", "::1"];
const rbac = defineRbac({ permissions: standardPermissions, roles: standardRoles, orgRoles: standardOrgRoles, personas: standardPersonas });

const user = (id: string, more: Partial<UserPrincipal>): readonly [string, Principal] => [
  id,
  {
    type: "user",
    id,
    orgId: "acme",
    workspaceId: undefined,
    roles: [],
    orgRoles: [],
    scopes: undefined,
    authMethod: "token",
    email: undefined,
    sessionId: undefined,
    tokenVersion: 1,
    mfaAt: undefined,
    mustChangePassword: false,
    ...more,
  },
];

/** By the bearer token they have. */
const PRINCIPALS: ReadonlyMap<string, Principal> = new Map([
  user("viewer", { roles: ["viewer"] }),
  user("member", { roles: ["member"] }),
  user("admin", { roles: ["admin"], mfaAt: clock.now() - 60_000 }),
  user("owner", { roles: ["owner"], mfaAt: clock.now() - 60_001 }),
  user("editor", { orgRoles: ["editor"] }),
  user("head", { orgRoles: ["department_admin"], scopedDepartments: ["eng", "k"] }),
  user("ceo", { personas: ["ceo"] }),
  user("observer", { personas: ["observer"] }),
]);

const bearer: Guard = {
  name: "bearer",
  check(request) {
    const principal = PRINCIPALS.get(request.header("authorization")?.slice("Bearer ".length) ?? "");
    if (principal !== undefined) request.facts.set(principalFact, principal);
    return ALLOW;
  },
};

const trusting = (addresses: readonly string[]): Guard =>
  trustIdentityHeaders({
    callers: [
      { id: "gateway", maxRoles: ["viewer", "member"], addresses },
      { id: "billing", maxRoles: ["viewer", "member"], secrets: [SECRET] },
    ],
    store: createMemoryStore({ clock }),
    audience: "api",
    clock,
  });

const failing = (name: string, check: Guard["check"]): Guard => ({ name, check });
const boom = (): never => {
  throw new Error("boom");
};

/** Names under which a handler might look for somebody. */
const IDENTITY = ["x-user-id", "x-org-id", "x-user-roles", "x_user_id", "x.org.id", "x-user_roles", "x_user.roles"];

/** What a handler can know of who calls, in one text. */
function seenBy({ facts, header }: Pick<NativeCall, "header"> & { readonly facts: Facts }): string {
  const principal = facts.get(principalFact);
  return JSON.stringify({
    id: principal?.id ?? null,
    roles: principal?.roles ?? null,
    via: principal?.via ?? null,
    right: facts.get(accessFact)?.permission ?? null,
    rightVia: facts.get(accessFact)?.via ?? null,
    department: facts.get(checkedScopeFact)?.department ?? null,
    headers: IDENTITY.flatMap((name) => header(name)).filter((value) => value !== undefined),
    trace: header("x-trace")[0] ?? null,
  });
}

/** A server of one framework and what happened in it. */
interface World {
  readonly host: AdapterHost;
  readonly running: RunningAdapter;
  /** How often a handler ran. */
  ran: number;
  /** What the audit guard was told, in order. */
  readonly audited: string[];
  readonly faults: string[];
  /** Resolves when a handler of `/secure/slow` has started. */
  readonly slow: Gate;
}

interface Gate {
  readonly started: Promise<void>;
  start(): void;
  readonly opened: Promise<void>;
  open(): void;
}

function gate(): Gate {
  const { promise: started, resolve: start } = withResolvers();
  const { promise: opened, resolve: open } = withResolvers();
  return { started, start, opened, open };
}

function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function routes(world: () => World): readonly NativeRoute[] {
  const echo = (path: string, guards: readonly Guard[] = [], method: NativeRoute["method"] = "GET"): NativeRoute => ({
    method,
    path,
    guards,
    handle(call) {
      world().ran += 1;
      return { kind: "text", body: seenBy(call) };
    },
  });
  const audit = ({ action, resourceIdParam }: { readonly action: string; readonly resourceIdParam: string | undefined }): Guard => ({
    name: "audit",
    check: (request) => {
      const about = `${action} ${request.param(resourceIdParam ?? "") ?? "-"}`;
      return {
        kind: "allow",
        settle: (outcome) => void world().audited.push(`${about} ${outcome.kind === "responded" ? outcome.status : outcome.kind}`),
      };
    },
  });
  const secured = secureEndpoint(rbac, {
    permission: "workflows.delete",
    audit,
    auditAction: "workflow.removed",
    resourceIdParam: "id",
    mfa: { maxAgeMs: 60_000, clock },
  });
  return [
    echo("/echo"),
    echo("/execute", [requirePermission(rbac, "workflows.execute")]),
    echo("/execute", [requirePermission(rbac, "workflows.execute")], "POST"),
    echo("/members", [requireRoles(rbac, "member")]),
    echo("/only-members", [requireRoles(rbac, "member", { exact: true })]),
    echo("/orgs/:org/workflows", [requirePermission(rbac, "workflows.read", { org: (request) => request.param("org") })]),
    echo("/organisation", [requireOrgMutation(rbac)]),
    echo("/departments/:department", [requireOrgMutation(rbac, { departmentParam: "department" })]),
    echo("/write", [requireWriteAccess(rbac)]),
    echo("/write", [requireWriteAccess(rbac)], "POST"),
    echo("/mfa", [requireMfa({ maxAgeMs: 60_000, clock })]),
    echo("/mfa-403", [requireMfa({ maxAgeMs: 60_000, status: 403, clock })]),
    echo("/fails/now", [failing("now", boom)]),
    echo("/fails/later", [failing("later", () => Promise.reject(new Error("boom")))]),
    echo("/fails/store", [failing("store", () => Promise.reject(new StoreUnavailable("find")))]),
    echo("/fails/store-now", [
      failing("store-now", () => {
        throw new StoreUnavailable("find");
      }),
    ]),
    echo("/fails/verdict", [failing("verdict", () => ({ kind: "allowed" }) as unknown as typeof ALLOW)]),
    echo("/fails/behind", [requirePermission(rbac, "workflows.execute"), failing("behind", boom)]),
    echo("/secure/echo/:id", [secured]),
    {
      method: "GET",
      path: "/secure/throw/:id",
      guards: [secured],
      handle: () => {
        world().ran += 1;
        return boom();
      },
    },
    {
      method: "GET",
      path: "/secure/slow/:id",
      guards: [secured],
      async handle() {
        world().ran += 1;
        world().slow.start();
        await world().slow.opened;
        return { kind: "text", body: "done" };
      },
    },
  ];
}

async function startWorld(host: AdapterHost, addresses: readonly string[]): Promise<World> {
  const state = { host, ran: 0, audited: [] as string[], faults: [] as string[], slow: gate() };
  const world = (): World => started;
  const running = await host.start({
    mounts: [[correlationId()], [bearer, trusting(addresses)]],
    headersFirst: host.capabilities.includes("native-routes"),
    routes: routes(world),
    onFault: ({ source }) => void state.faults.push(source),
  });
  const started: World = Object.assign(state, { running });
  return started;
}

/** What is sent, and what must come of it. */
interface Vector {
  readonly name: string;
  /** `trusted` (default): the peer is a trusted caller by its address. */
  readonly peer?: "trusted" | "stranger";
  readonly method?: string;
  readonly target: string;
  readonly lines?: readonly string[];
  /** Only where repeated lines can be told apart, or the framework passes on what was sent. */
  readonly needsLines?: true;
  /** `ran`: whether the handler ran is the same, the framework's own answer is not. */
  readonly alike?: "ran";
  readonly status?: number;
  readonly code?: number;
  /** Of what the handler saw. */
  readonly saw?: object;
  readonly challenge?: string;
  readonly faults?: readonly string[];
}

const NOBODY = { id: null, roles: null, via: null, headers: [] };
const ADA = { id: "ada", via: "gateway", headers: [] };
const IDENTITY_LINES = ["X-User-ID: ada", "X-Org-ID: acme", "X-User-Roles: member"];
const CHALLENGE = 'Bearer error="insufficient_user_authentication", error_description="A second factor is required", max_age=60';
const as = (name: string): readonly string[] => [`Authorization: Bearer ${name}`];
const latin1 = (text: string): string => Buffer.from(text).toString("latin1");
const signed = (target: string, method = "GET"): readonly string[] =>
  Object.entries(
    signIdentity({
      callerId: "billing",
      secret: SECRET,
      audience: "api",
      method,
      target,
      userId: "ada",
      orgId: "acme",
      roles: ["member", "owner"],
      clock,
    }),
  ).map(([name, value]) => `${name}: ${value}`);
const [once, tampered] = [signed("/execute?a=%2F"), signed("/execute")];

const VECTORS: readonly Vector[] = [
  // Strangers.
  ...[
    IDENTITY_LINES,
    IDENTITY_LINES.map((line) => line.toUpperCase()),
    [...IDENTITY_LINES, ...IDENTITY_LINES, "x-user-roles: owner"],
    ["X_User_ID: ada", "X.Org.ID: acme", "X-User_Roles: owner", "x_user.roles: owner"],
    [
      ...IDENTITY_LINES,
      "X-Forwarded-For: 127.0.0.1",
      "Forwarded: for=127.0.0.1",
      "X-Real-IP: 127.0.0.1",
      "X-Forwarded-Client-Cert: Subject=x",
    ],
    ["X-User-ID:", "X-User-Roles: \xff,,*"],
    ["Connection: X-User-ID", ...IDENTITY_LINES],
  ].flatMap((lines, index): readonly Vector[] => [
    {
      name: `RBAC-20 a stranger's identity is stripped (${index})`,
      peer: "stranger",
      target: "/echo",
      lines: [...lines, "X-Trace: t1"],
      status: 200,
      saw: { ...NOBODY, trace: "t1" },
    },
    {
      name: `RBAC-20 a stranger's identity opens nothing (${index})`,
      peer: "stranger",
      target: "/execute",
      lines,
      status: 401,
      code: 1001,
      challenge: "Bearer",
    },
  ]),
  {
    name: "RBAC-20 a stranger keeps what its own credential gives",
    peer: "stranger",
    target: "/execute",
    lines: [...as("member"), ...IDENTITY_LINES],
    status: 200,
    saw: { id: "member", via: null, headers: [], rightVia: null },
  },
  {
    name: "RBAC-20 a stranger's body is untouched by the stripping",
    peer: "stranger",
    method: "POST",
    target: "/execute",
    lines: [...as("member"), ...IDENTITY_LINES, "Content-Type: application/json", "Content-Length: 2"],
    status: 200,
    saw: { id: "member", headers: [] },
  },
  // Trusted callers.
  {
    name: "RBAC-20 RBAC-23 RBAC-24 a trusted caller's identity is accepted, cut and stripped",
    target: "/execute",
    lines: ["X-User-ID: ada", "X-Org-ID: acme", "X-User-Roles: member , owner,admin"],
    status: 200,
    saw: { ...ADA, roles: ["member"], right: "workflows.execute", rightVia: "gateway" },
  },
  { name: "RBAC-20 a trusted caller without identity headers is nobody", target: "/echo", status: 200, saw: NOBODY },
  {
    name: "RBAC-20 what it says of addresses changes nothing",
    target: "/echo",
    lines: [...IDENTITY_LINES, "X-Forwarded-For: 198.51.100.1"],
    status: 200,
    saw: ADA,
  },
  {
    name: "RBAC-23 a role it may not give is not given",
    target: "/members",
    lines: ["X-User-ID: ada", "X-User-Roles: owner,admin,viewer"],
    status: 403,
    code: 1101,
  },
  ...(
    [
      ["the user twice", ["X-User-ID: ada"]],
      ["the user twice, otherwise", ["X-User-ID: bob"]],
      ["the user twice, in other letters", ["x-user-id: ada"]],
      ["the organisation twice", ["X-ORG-ID: acme"]],
      ["an alias", ["X_User_Roles: owner"]],
      ["another alias", ["X.User-ID: root"]],
      ["an empty second line", ["X-User-ID:"]],
    ] as const
  ).map(([what, more]): Vector => ({
    name: `RBAC-21 ${what}`,
    target: "/echo",
    lines: [...IDENTITY_LINES, ...more],
    status: 400,
    code: 1011,
  })),
  {
    name: "RBAC-21 the roles twice",
    needsLines: true,
    target: "/echo",
    lines: [...IDENTITY_LINES, "X-User-Roles: viewer"],
    status: 400,
    code: 1011,
  },
  ...["", "ada,bob", "a b", "x".repeat(129), "ad\xe4", latin1("adä"), "ada\xa0"].map((id, index): Vector => ({
    name: `RBAC-22 no user id (${index})`,
    target: "/echo",
    lines: [`X-User-ID: ${id}`, "X-User-Roles: member"],
    status: 400,
    code: 1011,
  })),
  ...[
    "",
    ",",
    "member,",
    "viewer,,member",
    "Member",
    "*",
    "__proto__",
    "member\xa0",
    latin1("\u212a"),
    `member${" ".repeat(4090)},viewer`,
  ].map((roles, index): Vector => ({
    name: `RBAC-22 no list of roles (${index})`,
    target: "/echo",
    lines: ["X-User-ID: ada", `X-User-Roles: ${roles}`],
    status: 400,
    code: 1011,
  })),
  {
    name: "RBAC-22 blanks about what is sent do not count",
    target: "/echo",
    lines: ["X-User-ID: \t ada \t", "X-User-Roles:member\t,\tviewer"],
    status: 200,
    saw: { ...ADA, roles: ["member", "viewer"] },
  },
  {
    name: "RBAC-23 a credential of the same user wins",
    target: "/execute",
    lines: [...as("viewer"), "X-User-ID: viewer", "X-Org-ID: acme", "X-User-Roles: member"],
    status: 403,
    code: 1101,
  },
  {
    name: "RBAC-23 a credential of another user refuses",
    target: "/echo",
    lines: [...as("admin"), ...IDENTITY_LINES],
    status: 400,
    code: 1011,
  },
  {
    name: "RBAC-23 a credential in another organisation refuses",
    target: "/echo",
    lines: [...as("viewer"), "X-User-ID: viewer", "X-Org-ID: evil", "X-User-Roles: viewer"],
    status: 400,
    code: 1011,
  },
  {
    name: "RBAC-26 a second factor cannot be asserted",
    target: "/mfa",
    lines: [...IDENTITY_LINES, "X-User-MFA: true"],
    status: 401,
    code: 1010,
    challenge: CHALLENGE,
  },
  // Signatures.
  {
    name: "RBAC-20 a signature is accepted from anywhere",
    peer: "stranger",
    target: "/execute?a=%2F",
    lines: once,
    status: 200,
    saw: { id: "ada", roles: ["member"], via: "billing", headers: [] },
  },
  { name: "RBAC-20 and once only", peer: "stranger", target: "/execute?a=%2F", lines: once, status: 401, code: 1012, challenge: "Bearer" },
  {
    name: "RBAC-20 for another path it says nothing",
    peer: "stranger",
    target: "/echo",
    lines: tampered,
    status: 401,
    code: 1012,
    challenge: "Bearer",
  },
  {
    name: "RBAC-20 nor for another query",
    peer: "stranger",
    target: "/execute?",
    lines: [...tampered.slice(0, -1), `${tampered.at(-1)?.replace("identity=:", "identity=:A")}`],
    status: 401,
    code: 1012,
    challenge: "Bearer",
  },
  {
    name: "RBAC-20 nor with another organisation",
    peer: "stranger",
    target: "/execute",
    lines: tampered.map((line) => line.replace("acme", "evil")),
    status: 401,
    code: 1012,
    challenge: "Bearer",
  },
  // Permissions and roles.
  { name: "RBAC-10 nobody is asked who it is", target: "/execute", status: 401, code: 1001, challenge: "Bearer" },
  { name: "RBAC-10 an unknown token is nobody's", target: "/execute", lines: as("root"), status: 401, code: 1001, challenge: "Bearer" },
  { name: "RBAC-10 who may not is told so", target: "/execute", lines: as("viewer"), status: 403, code: 1101 },
  {
    name: "RBAC-10 who may passes",
    target: "/execute",
    lines: as("member"),
    status: 200,
    saw: { id: "member", right: "workflows.execute" },
  },
  { name: "RBAC-10 HEAD is asked what GET is", method: "HEAD", target: "/execute", lines: as("viewer"), status: 403 },
  { name: "RBAC-12 a role that inherits it passes", target: "/members", lines: as("owner"), status: 200 },
  { name: "RBAC-12 exactly that role does not", target: "/only-members", lines: as("owner"), status: 403, code: 1101 },
  { name: "RBAC-12 a role below does not", target: "/members", lines: as("viewer"), status: 403, code: 1101 },
  { name: "RBAC-12 nobody has a role", target: "/members", status: 401, code: 1001, challenge: "Bearer" },
  { name: "RBAC-17 the own organisation", target: "/orgs/acme/workflows", lines: as("viewer"), status: 200 },
  { name: "RBAC-17 another organisation, whatever role", target: "/orgs/evil/workflows", lines: as("owner"), status: 403, code: 1101 },
  {
    name: "RBAC-17 an organisation that only looks like it",
    target: "/orgs/acm%65%20/workflows",
    lines: as("owner"),
    status: 403,
    code: 1101,
  },
  { name: "RBAC-17 an encoded letter is the letter", target: "/orgs/acm%65/workflows", lines: as("viewer"), status: 200 },
  // Departments.
  ...(
    [
      ["eng", "eng"],
      ["ENG", "eng"],
      ["e%6Eg", "eng"],
      ["K", "k"],
    ] as const
  ).map(([sent, department]): Vector => ({
    name: `RBAC-16 the department ${sent} is ${department}`,
    target: `/departments/${sent}`,
    lines: as("head"),
    status: 200,
    saw: { id: "head", department },
  })),
  ...[
    "hr",
    "eng%2Fhr",
    "%00",
    "eng%00",
    "..%2f",
    "eng%2f..",
    "eng;x=1",
    "eng%20",
    "%20eng",
    "%E2%84%AA",
    "%2A",
    "*",
    "eng%0a",
    "eng,hr",
    "e".repeat(10_000),
  ].map((sent): Vector => ({
    name: `RBAC-16 the department ${sent.slice(0, 20)} is not the head's`,
    target: `/departments/${sent}`,
    lines: as("head"),
    status: 403,
    code: 1101,
  })),
  ...["%ff", "%C0%AE", "%", "%E2%84"].map((sent): Vector => ({
    name: `RBAC-16 ${sent} is no path`,
    target: `/departments/${sent}`,
    lines: as("head"),
    status: 400,
    code: 2001,
  })),
  {
    name: "RBAC-15 an editor changes any department",
    target: "/departments/HR",
    lines: as("editor"),
    status: 200,
    saw: { department: "hr" },
  },
  {
    name: "RBAC-15 the head of a department does not change the organisation",
    target: "/organisation",
    lines: as("head"),
    status: 403,
    code: 1101,
  },
  { name: "RBAC-15 an editor does", target: "/organisation", lines: as("editor"), status: 200 },
  { name: "RBAC-15 a role outside organisations does not", target: "/organisation", lines: as("owner"), status: 403, code: 1101 },
  {
    name: "RBAC-15 a parameter in the query names no department",
    target: "/departments/hr?department=eng",
    lines: as("head"),
    status: 403,
    code: 1101,
  },
  // Personas.
  { name: "RBAC-13 GET of what writes needs write access", target: "/write", lines: as("observer"), status: 403, code: 1101 },
  { name: "RBAC-13 and passes with it", target: "/write", lines: as("ceo"), status: 200 },
  { name: "RBAC-13 HEAD does not downgrade", method: "HEAD", target: "/write", lines: as("observer"), status: 403 },
  { name: "RBAC-13 OPTIONS runs no handler", method: "OPTIONS", target: "/write", lines: as("observer"), alike: "ran" },
  ...["X-HTTP-Method-Override: GET", "X-HTTP-Method: GET", "X-Method-Override: HEAD"].map((line): Vector => ({
    name: `RBAC-13 ${line} does not downgrade`,
    method: "POST",
    target: "/write?_method=GET",
    lines: [...as("observer"), line, "Content-Length: 0"],
    status: 403,
    code: 1101,
  })),
  { name: "RBAC-13 an unknown method runs no handler", method: "PURGE", target: "/write", lines: as("observer"), alike: "ran" },
  // Second factor.
  { name: "RBAC-25 no second factor", target: "/mfa", lines: as("member"), status: 401, code: 1010, challenge: CHALLENGE },
  { name: "RBAC-25 one as old as it may be", target: "/mfa", lines: as("admin"), status: 200 },
  { name: "RBAC-25 one a millisecond older", target: "/mfa", lines: as("owner"), status: 401, code: 1010, challenge: CHALLENGE },
  { name: "RBAC-25 as 403", target: "/mfa-403", lines: as("owner"), status: 403, code: 1102, challenge: CHALLENGE },
  { name: "RBAC-25 nobody", target: "/mfa", status: 401, code: 1001, challenge: "Bearer" },
  // Faults.
  { name: "RBAC-10 a guard that throws", target: "/fails/now", lines: as("owner"), status: 500, faults: ["now"] },
  { name: "RBAC-10 a guard that rejects", target: "/fails/later", lines: as("owner"), status: 500, faults: ["later"] },
  { name: "RBAC-10 a store that is down", target: "/fails/store", lines: as("owner"), status: 503, faults: ["store"] },
  { name: "RBAC-10 a store that is down at once", target: "/fails/store-now", lines: as("owner"), status: 503, faults: ["store-now"] },
  { name: "RBAC-10 a guard without a verdict", target: "/fails/verdict", lines: as("owner"), status: 500, faults: ["verdict"] },
  {
    name: "RBAC-10 a guard that throws behind one that lets pass",
    target: "/fails/behind",
    lines: as("owner"),
    status: 500,
    faults: ["behind"],
  },
  { name: "RBAC-10 it is not asked of whom the first refuses", target: "/fails/behind", lines: as("viewer"), status: 403, code: 1101 },
];

/** An answer, as far as it must be the same everywhere. */
interface Answer {
  readonly status: number;
  readonly body: string;
  readonly fields: readonly (readonly [name: string, values: readonly string[]])[];
  readonly ran: number;
  readonly faults: readonly string[];
}

const COMPARED = ["cache-control", "www-authenticate", "x-request-id", "retry-after"];

async function send(world: World, { method = "GET", target, lines = [] }: Vector): Promise<RawResponse> {
  const connection = await RawConnection.open(world.running.port);
  const head = [`${method} ${target} HTTP/1.1`, "Host: api.example", "X-Request-ID: r-1", ...lines];
  const body = lines.includes("Content-Length: 2") ? "{}" : "";
  // Latin-1: each character is the byte that is sent.
  await connection.send(Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`, "latin1"));
  const response = await connection.next({ bodiless: method === "HEAD" });
  connection.abort();
  return response;
}

async function answerOf(world: World, vector: Vector): Promise<Answer> {
  const [ran, faults] = [world.ran, world.faults.length];
  const response = await send(world, vector);
  const { status, body } = response;
  const compared = status >= 400 ? ["content-type", ...COMPARED] : COMPARED;
  return {
    status,
    body,
    fields: compared.map((name) => [name, linesOf(response, name)]),
    ran: world.ran - ran,
    faults: world.faults.slice(faults),
  };
}

const worlds: Record<"trusted" | "stranger", World[]> = { trusted: [], stranger: [] };

beforeAll(async () => {
  for (const host of RBAC_HOSTS) {
    worlds.trusted.push(await startWorld(host, LOOPBACK));
    worlds.stranger.push(await startWorld(host, ["192.0.2.1"]));
  }
  for (const host of HOSTS_WITHOUT_ADDRESS) worlds.stranger.push(await startWorld(host, LOOPBACK));
});

afterAll(async () => {
  await Promise.all(Object.values(worlds).flatMap((all) => all.map(({ running }) => running.close())));
});

describe("RBAC-36 the same answer everywhere", () => {
  test.each(VECTORS)("$name", async (vector) => {
    const { peer = "trusted", needsLines, alike, status, code, saw, challenge, faults = [] } = vector;
    const asked = worlds[peer].filter(({ host }) => needsLines === undefined || seesLines(host));
    const answers = await Promise.all(asked.map(async (world) => ({ host: world.host.name, ...(await answerOf(world, vector)) })));
    if (alike === "ran") return expect(answers.map(({ host, ran }) => [host, ran])).toEqual(asked.map(({ host }) => [host.name, 0]));
    const [first] = answers;
    for (const answer of answers) expect(answer).toEqual({ ...first, host: answer.host });
    expect(first).toMatchObject({ status, ran: status === 200 ? 1 : 0, faults });
    const body: unknown = first?.body === "" ? {} : JSON.parse(first?.body ?? "");
    if (code !== undefined) expect(body).toMatchObject({ code, status, instance: "r-1" });
    if (saw !== undefined) expect(body).toMatchObject(saw);
    expect(new Map(first?.fields).get("www-authenticate")).toEqual(challenge === undefined ? [] : [challenge]);
    if (status !== 200) expect(new Map(first?.fields).get("content-type")).toEqual(["application/problem+json"]);
  });

  test("RBAC-21 where repeated lines are joined before anybody sees them, roles in two lines read as one list, cut as one is", async () => {
    const joining = worlds.trusted.filter(({ host }) => !seesLines(host));
    expect(joining).toHaveLength(1);
    for (const world of joining) {
      const response = await send(world, { name: "", target: "/echo", lines: [...IDENTITY_LINES, "X-User-Roles: owner"] });
      expect(JSON.parse(response.body)).toMatchObject({ ...ADA, roles: ["member"] });
    }
  });
});

describe("RBAC-35 audit of a secured endpoint", () => {
  const ENDINGS: readonly (readonly [what: string, path: string, who: string, status: number, ran: number])[] = [
    ["allowed", "/secure/echo/w1", "admin", 200, 1],
    ["denied for want of a credential", "/secure/echo/w2", "nobody", 401, 0],
    ["denied for want of a second factor", "/secure/echo/w3", "member", 401, 0],
    ["denied for an old second factor", "/secure/echo/w4", "owner", 401, 0],
    ["a handler that throws", "/secure/throw/w5", "admin", 500, 1],
  ];

  test.each(ENDINGS)("RBAC-35 is told once: %s", async (_what, path, who, status, ran) => {
    const id = path.split("/").at(-1);
    for (const world of worlds.trusted) {
      const before = [world.ran, world.audited.length] as const;
      const response = await send(world, { name: "", target: path, lines: as(who) });
      await until(() => world.audited.length > before[1]);
      expect([world.host.name, response.status, world.ran - before[0], world.audited.slice(before[1])]).toEqual([
        world.host.name,
        status,
        ran,
        [`workflow.removed ${id} ${status}`],
      ]);
    }
  });

  test("RBAC-35 is told once: a client that left while the handler ran", async () => {
    for (const world of worlds.trusted) {
      const before = [world.ran, world.audited.length] as const;
      const connection = await RawConnection.open(world.running.port);
      await connection.send("GET /secure/slow/w6 HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer admin\r\n\r\n");
      await world.slow.started;
      expect(world.audited).toHaveLength(before[1]);
      connection.abort();
      // By the time that another request was answered the server knows; an application's place is its handler's until that returns.
      await send(world, { name: "", target: "/echo" });
      world.slow.open();
      await until(() => world.audited.length > before[1]);
      await send(world, { name: "", target: "/echo" });
      expect([world.host.name, world.ran - before[0], world.audited.slice(before[1])]).toEqual([
        world.host.name,
        3,
        ["workflow.removed w6 aborted"],
      ]);
    }
  });
});

describe("RBAC-10 a middleware that goes on twice", () => {
  const guards = [bearer, trusting(["192.0.2.1"]), requirePermission(rbac, "workflows.execute")];
  const late: Guard = { name: "late", check: () => new Promise((resolve) => setImmediate(resolve, ALLOW)) };

  test.each([
    ["at once", guards],
    ["later", [late, ...guards]],
  ])("RBAC-10 runs no handler twice, and none whose guards refuse: guards that answer %s", async (_when, asked) => {
    for (const start of [startExpressTwice, startHonoTwice]) {
      let ran = 0;
      const running = await start(asked, () => void (ran += 1));
      for (const [who, times] of [
        ["viewer", 0],
        ["nobody", 0],
        ["member", 1],
      ] as const) {
        ran = 0;
        const connection = await RawConnection.open(running.port);
        await connection.send(`GET / HTTP/1.1\r\nHost: api.example\r\nAuthorization: Bearer ${who}\r\n\r\n`);
        await connection.next();
        connection.abort();
        await turns();
        expect([start.name, who, ran]).toEqual([start.name, who, times]);
      }
      await running.close();
    }
  });

  // On the route: what `app.use` mounts, Express walks past when somebody in front goes on twice.
  function startExpressTwice(asked: readonly Guard[], handled: () => void): Promise<Listening> {
    const app = express();
    app.use((_request, _response, next) => {
      next();
      next();
    });
    app.get("/", onExpress.guard(...asked), (_request, response) => {
      handled();
      response.send("ok");
    });
    return onExpress.listen(onExpress.mount(app, createApp({ routes: [] })), LOCAL);
  }

  // Hono itself answers 500: it knows that its `next` was called before.
  function startHonoTwice(asked: readonly Guard[], handled: () => void): Promise<Listening> {
    const app = new Hono();
    app.use(async (_c, next) => {
      await next();
      await next();
    });
    app.get("/", onHono.guard(...asked), (c) => {
      handled();
      return c.text("ok");
    });
    return onHono.listen(onHono.mount(app, createApp({ routes: [] })), LOCAL);
  }
});

/** Several turns of the event loop, for what would still happen. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets everything else run until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
