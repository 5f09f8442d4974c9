// Bodies are in the shapes of the OpenID AuthZEN Authorization API 1.0 and of its certification scenario (github.com/openid/authzen).
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ALLOW,
  ConfigurationError,
  correlationId,
  createApp,
  createFactKey,
  deny,
  type Guard,
  type JsonSchema,
  problems,
  type Schema,
  securityHeaders,
  StoreUnavailable,
  toFetchHandler,
  toOpenApi,
} from "@portcullis/core";
import {
  authzenRoutes,
  type AuthzenRoutesOptions,
  type CheckOptions,
  type DecisionReason,
  defineRbac,
  type Identity,
  manifest,
  unguardedRoutes,
} from "@portcullis/rbac";

const rbac = defineRbac({
  permissions: { record: ["read", "write", "delete"], folder: ["read"] },
  roles: {
    reader: { grants: ["record.read"] },
    writer: { inherits: ["reader"], grants: ["record.write"] },
    frozen: { denies: ["record.write"] },
    owner: { grants: ["*"] },
  },
});

const PEOPLE: ReadonlyMap<string, Identity> = new Map<string, Identity>([
  ["alice", { roles: ["writer"], orgId: "org-1" }],
  ["bob", { roles: ["reader"], orgId: "org-2" }],
  ["carol", { roles: ["writer", "frozen"] }],
  ["owner", { roles: ["owner"] }],
  ["bounded", { roles: ["writer"], scopes: ["record.read"] }],
  ["nothing", { roles: [] }],
  ["ünïcødé-名前-🦊", { roles: ["reader"] }],
]);

const anyone: Guard = { name: "anyone", check: () => ALLOW };
const SINGLE = "/access/v1/evaluation";
const BATCH = "/access/v1/evaluations";

type Options = Partial<AuthzenRoutesOptions>;

function service(options: Options = {}, outer: readonly Guard[] = []) {
  const asked: string[] = [];
  const routes = authzenRoutes(rbac, {
    identityOf: ({ type, id }) => {
      asked.push(id);
      return type === "user" ? PEOPLE.get(id) : undefined;
    },
    guards: [anyone],
    policyDecisionPoint: "https://pdp.example.com",
    ...options,
  });
  const faults: unknown[] = [];
  const handler = toFetchHandler(createApp({ guards: outer, routes, onFault: ({ error }) => void faults.push(error) }));
  const send = (path: string, text: string, headers: Record<string, string> = { "content-type": "application/json" }): Promise<Response> =>
    handler(new Request(`https://pdp.example.com${path}`, { method: "POST", headers, body: text }));
  return {
    routes,
    asked,
    faults,
    send,
    post: (path: string, body: unknown, headers?: Record<string, string>) => send(path, JSON.stringify(body), headers),
    get: (path: string, headers: Record<string, string> = {}) => handler(new Request(`https://pdp.example.com${path}`, { headers })),
  };
}

const subject = (id: string) => ({ type: "user", id });
const action = (name: string) => ({ name });
const record = (id: string) => ({ type: "record", id });
const question = (who: string, what: string, id = "record-1") => ({
  subject: subject(who),
  action: action(what),
  resource: record(id),
});

async function answerOf(response: Response): Promise<unknown> {
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  return response.json();
}

async function decisionsOf(response: Response): Promise<readonly boolean[]> {
  const { evaluations } = (await answerOf(response)) as { readonly evaluations: readonly { readonly decision: boolean }[] };
  return evaluations.map(({ decision }) => decision);
}

interface ProblemBody {
  readonly code: number;
  readonly errors?: readonly { readonly in: string; readonly pointer: string }[];
}

async function pointersOf(response: Response): Promise<readonly string[]> {
  expect(response.status).toBe(400);
  const { code, errors = [] } = (await response.json()) as ProblemBody;
  expect(code).toBe(2001);
  return errors.map(({ pointer }) => pointer);
}

describe("AuthZEN access evaluation", () => {
  test.each([
    ["alice", "read", true],
    ["alice", "write", true],
    ["bob", "read", true],
    ["bob", "write", false],
  ])("AuthZEN %s may %s: %s, with status 200 and nothing but the decision", async (who, what, decision) => {
    expect(await answerOf(await service().post(SINGLE, question(who, what)))).toEqual({ decision });
  });

  test("AuthZEN properties, context and members that nobody knows change no decision", async () => {
    const body = {
      subject: { ...subject("alice"), properties: { department: "Sales", roles: ["owner"] }, extra: 1 },
      action: { name: "read", properties: { method: "GET" } },
      resource: { ...record("record-1"), properties: { library_record: { title: "x", isbn: "978" } } },
      context: { time: "1985-10-26T01:22-07:00", schema: "https://schema.example.com/x.json" },
      futureField: { nested: true },
      evaluations: "of the other endpoint",
    };
    expect(await answerOf(await service().post(SINGLE, body))).toEqual({ decision: true });
  });

  test("AuthZEN callbacks get what was asked, the context and the facts of the guards", async () => {
    const caller = createFactKey<string>("caller");
    const guard: Guard = { name: "caller", check: (request) => (request.facts.set(caller, "gateway-1"), ALLOW) };
    const seen: unknown[] = [];
    const { post } = service({
      guards: [guard],
      identityOf: (who, { context, facts }) => {
        seen.push([who, context, facts.get(caller)]);
        return Promise.resolve({ roles: ["reader"] });
      },
      permissionOf: (what, resource) => {
        seen.push([what, resource]);
        return "record.read";
      },
      checkOptionsOf: (resource, { context, facts }) => {
        seen.push([resource.id, context, facts.get(caller)]);
        return {};
      },
    });
    const body = { ...question("u", "can_read", "7"), context: { ip: "192.0.2.1" } };
    expect(await answerOf(await post(SINGLE, { ...body, subject: { ...body.subject, properties: { a: 1 } } }))).toEqual({ decision: true });
    expect(seen).toEqual([
      [
        { name: "can_read", properties: {} },
        { type: "record", id: "7", properties: {} },
      ],
      [{ type: "user", id: "u", properties: { a: 1 } }, { ip: "192.0.2.1" }, "gateway-1"],
      ["7", { ip: "192.0.2.1" }, "gateway-1"],
    ]);
  });

  test.each([
    ["owner", "*", "read"],
    ["owner", "record", "*"],
    ["owner", "*", "*"],
    ["owner", "record", "archive"],
    ["owner", "record.read", "x"],
    ["owner", "__proto__", "toString"],
    ["owner", "recörd", "read"],
    ["nobody", "record", "read"],
  ])("AuthZEN what is not declared and who is not known is false, no error: %s %s %s", async (who, type, name) => {
    const body = { subject: subject(who), action: action(name), resource: { type, id: "1" } };
    expect(await answerOf(await service().post(SINGLE, body))).toEqual({ decision: false });
  });

  test("AuthZEN ids of any script are told apart", async () => {
    const { post } = service();
    expect(await answerOf(await post(SINGLE, question("ünïcødé-名前-🦊", "read", "資料/一 ✓")))).toEqual({ decision: true });
    expect(await answerOf(await post(SINGLE, question("u\u0308nïcødé-名前-🦊", "read")))).toEqual({ decision: false });
  });

  test("AuthZEN strings pass up to their bound", async () => {
    const { post } = service();
    const longest = { subject: { type: "t".repeat(128), id: "i".repeat(512) }, action: action("n".repeat(128)), resource: record("1") };
    expect(await answerOf(await post(SINGLE, longest))).toEqual({ decision: false });
  });

  test("AuthZEN a decision is not stored by caches, and the same question has the same answer", async () => {
    const { post } = service();
    for (let n = 0; n < 3; n += 1) {
      const response = await post(SINGLE, question("bob", "write"));
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(await answerOf(response)).toEqual({ decision: false });
    }
  });

  test.each<[string, unknown, boolean]>([
    ["the subject's own", { org: "org-1" }, true],
    ["another", { org: "org-2" }, false],
    ["none that can be told", { org: undefined }, false],
    ["undefined instead of options", undefined, false],
    ["null instead of options", null, false],
    ["a string instead of options", "org-1", false],
    ["not asked for", {}, true],
  ])("AuthZEN checkOptionsOf says whose the resource is: %s", async (_name, options, decision) => {
    const { post } = service({ checkOptionsOf: () => options as CheckOptions });
    expect(await answerOf(await post(SINGLE, question("alice", "read")))).toEqual({ decision });
  });

  test.each<[string, string, DecisionReason]>([
    ["nobody", "record.read", "unauthenticated"],
    ["alice", "record.archive", "unknown_permission"],
    ["alice", "record.*", "invalid_permission"],
    ["nothing", "record.read", "no_roles"],
    ["alice", "record.delete", "missing_permission"],
    ["carol", "record.write", "explicit_deny"],
    ["bounded", "record.write", "out_of_scope"],
  ])("AuthZEN RBAC-34 only with reasons does a denial say why: %s %s %s", async (who, permission, reason) => {
    const options = { permissionOf: () => permission };
    expect(await answerOf(await service(options).post(SINGLE, question(who, "x")))).toEqual({ decision: false });
    expect(await answerOf(await service({ ...options, reasons: true }).post(SINGLE, question(who, "x")))).toEqual({
      decision: false,
      context: { reason },
    });
  });

  test("AuthZEN a permission carries no context, which a client may refuse for not understanding it", async () => {
    expect(await answerOf(await service({ reasons: true }).post(SINGLE, question("alice", "read")))).toEqual({ decision: true });
  });
});

describe("AuthZEN access evaluations", () => {
  test("AuthZEN without defaults each evaluation says everything", async () => {
    const { post } = service();
    const evaluations = [question("alice", "read"), question("bob", "write"), question("bob", "read")];
    expect(await answerOf(await post(BATCH, { evaluations }))).toEqual({
      evaluations: [{ decision: true }, { decision: false }, { decision: true }],
    });
  });

  test("AuthZEN the top level has the defaults, and an evaluation overrides them", async () => {
    const { post } = service();
    const body = {
      subject: subject("bob"),
      action: action("read"),
      context: { time: "2024-05-31T15:22-07:00" },
      evaluations: [
        { resource: record("1") },
        { resource: record("2"), action: action("write") },
        { resource: record("3"), action: action("write"), subject: subject("alice") },
      ],
    };
    expect(await decisionsOf(await post(BATCH, body))).toEqual([true, false, true]);
  });

  test("AuthZEN an entity replaces the default whole, except for the members it must have and lacks", async () => {
    const seen: unknown[] = [];
    const { post } = service({ checkOptionsOf: (resource, { context }) => (seen.push([resource, context]), {}) });
    const body = {
      subject: subject("alice"),
      action: action("write"),
      resource: { type: "record", properties: { status: "of the default" } },
      context: { of: "all" },
      evaluations: [
        { resource: { id: "record-1" }, context: { of: "one" } },
        { resource: { type: "folder", id: "f", properties: { status: "active" } } },
      ],
    };
    expect(await decisionsOf(await post(BATCH, body))).toEqual([true, false]);
    expect(seen).toEqual([
      [{ type: "record", id: "record-1", properties: {} }, { of: "one" }],
      [{ type: "folder", id: "f", properties: { status: "active" } }, { of: "all" }],
    ]);
  });

  test.each<[string, object, readonly boolean[], number]>([
    ["no options", {}, [true, false, true, false], 4],
    ["options of others only", { options: { another_option: "value" } }, [true, false, true, false], 4],
    ["execute_all", { options: { evaluations_semantic: "execute_all" } }, [true, false, true, false], 4],
    ["deny_on_first_deny", { options: { evaluations_semantic: "deny_on_first_deny" } }, [true, false], 2],
    ["permit_on_first_permit", { options: { evaluations_semantic: "permit_on_first_permit" } }, [true], 1],
  ])("AuthZEN semantics: %s", async (_name, options, decisions, lookups) => {
    const { post, asked } = service();
    const evaluations = ["alice", "bob", "owner", "carol"].map((who) => ({ subject: subject(who) }));
    const response = await post(BATCH, { action: action("write"), resource: record("1"), evaluations, ...options });
    expect(await decisionsOf(response)).toEqual(decisions);
    expect(asked).toHaveLength(lookups);
  });

  test("AuthZEN permit_on_first_permit goes on past denials and what is malformed, deny_on_first_deny stops at either", async () => {
    const { post } = service();
    const evaluations = [{}, { subject: subject("bob") }, { subject: subject("alice") }, { subject: subject("bob") }];
    const batch = (evaluations_semantic: string) => ({
      action: action("write"),
      resource: record("1"),
      evaluations,
      options: { evaluations_semantic },
    });
    expect(await decisionsOf(await post(BATCH, batch("permit_on_first_permit")))).toEqual([false, false, true]);
    expect(await decisionsOf(await post(BATCH, batch("deny_on_first_deny")))).toEqual([false]);
  });

  test.each([
    ["absent", {}],
    ["empty", { evaluations: [] }],
  ])("AuthZEN with evaluations %s the top level is the one question", async (_name, members) => {
    const { post } = service();
    expect(await answerOf(await post(BATCH, { ...question("alice", "read"), ...members }))).toEqual({ decision: true });
    expect(await pointersOf(await post(BATCH, { subject: subject("alice"), ...members }))).toEqual(["/action", "/resource"]);
  });

  test.each<[string, unknown, string]>([
    ["without a resource", {}, "/evaluations/1/resource is required"],
    ["of the wrong type", "record-2", "/evaluations/1 must be an object"],
    ["null", null, "/evaluations/1 must be an object"],
    ["a list", [], "/evaluations/1 must be an object"],
    ["with a wrong subject", { subject: "alice", resource: record("2") }, "/evaluations/1/subject must be an object"],
    ["with a null subject", { subject: null, resource: record("2") }, "/evaluations/1/subject must be an object"],
    ["with a wrong context", { context: 1, resource: record("2") }, "/evaluations/1/context must be an object"],
    [
      "with an id too long",
      { resource: record("i".repeat(513)) },
      "/evaluations/1/resource/id must be a well-formed string of 1 to 512 characters",
    ],
    ["wrong twice", { subject: {}, context: [] }, "/evaluations/1/resource is required; /evaluations/1/context must be an object"],
  ])("AuthZEN an evaluation %s is false with an error, and the others are answered", async (_name, item, message) => {
    const { post } = service();
    const body = {
      subject: subject("alice"),
      action: action("read"),
      evaluations: [{ resource: record("1") }, item, { resource: record("3") }],
    };
    expect(await answerOf(await post(BATCH, body))).toEqual({
      evaluations: [{ decision: true }, { decision: false, context: { error: { status: 400, message } } }, { decision: true }],
    });
  });

  test("AuthZEN a default that lacks a member refuses only the evaluations that lack it too", async () => {
    const { post } = service();
    const body = { ...question("alice", "read"), resource: { type: "record" }, evaluations: [{}, { resource: { id: "1" } }] };
    expect(await answerOf(await post(BATCH, body))).toEqual({
      evaluations: [{ decision: false, context: { error: { status: 400, message: "/resource/id is required" } } }, { decision: true }],
    });
  });

  test("AuthZEN a subject named once for all is looked up once, so that all answers are about one identity", async () => {
    let lookups = 0;
    const { post } = service({ identityOf: () => ({ roles: (lookups += 1) === 1 ? ["reader"] : [] }) });
    const evaluations = Array.from({ length: 100 }, (_, n) => ({ resource: record(`${n}`) }));
    const decisions = await decisionsOf(await post(BATCH, { subject: subject("alice"), action: action("read"), evaluations }));
    expect(decisions).toEqual(evaluations.map(() => true));
    expect(lookups).toBe(1);
  });

  test("AuthZEN a context of its own is a lookup of its own", async () => {
    const { post } = service({ identityOf: (_who, { context }) => (context.trusted === true ? { roles: ["owner"] } : undefined) });
    const evaluations = [{}, { context: { trusted: true } }, {}, { context: {} }];
    expect(await decisionsOf(await post(BATCH, { ...question("alice", "write"), evaluations }))).toEqual([false, true, false, false]);
  });

  test("AuthZEN maxEvaluations are answered; one more and nothing is", async () => {
    const { post, asked } = service({ maxEvaluations: 3 });
    const batch = (count: number) => ({ ...question("alice", "read"), evaluations: Array.from({ length: count }, () => ({})) });
    expect(await decisionsOf(await post(BATCH, batch(3)))).toEqual([true, true, true]);
    asked.length = 0;
    expect(await pointersOf(await post(BATCH, batch(4)))).toEqual(["/evaluations"]);
    expect(asked).toEqual([]);
    const byDefault = service();
    expect(await decisionsOf(await byDefault.post(BATCH, batch(100)))).toHaveLength(100);
    expect(await pointersOf(await byDefault.post(BATCH, batch(101)))).toEqual(["/evaluations"]);
  });

  test("AuthZEN a batch decides as its questions do one by one, whichever of their parts are defaults", async () => {
    const { post } = service({ reasons: true });
    const who = fc.constantFrom(...PEOPLE.keys(), "nobody").map(subject);
    const what = fc.constantFrom("read", "write", "delete", "archive", "*").map(action);
    const which = fc.record({
      type: fc.constantFrom("record", "folder", "*"),
      id: fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }),
    });
    const evaluation = fc.record({ subject: who, action: what, resource: which });
    const partial = fc.record({ subject: who, action: what, resource: which }, { requiredKeys: [] });
    await fc.assert(
      fc.asyncProperty(evaluation, fc.array(partial, { minLength: 1, maxLength: 5 }), async (defaults, evaluations) => {
        const singles = await Promise.all(evaluations.map(async (item) => answerOf(await post(SINGLE, { ...defaults, ...item }))));
        expect(await answerOf(await post(BATCH, { ...defaults, evaluations }))).toEqual({ evaluations: singles });
      }),
      { numRuns: 100 },
    );
  });
});

describe("AuthZEN bodies that are refused", () => {
  const valid = question("alice", "read");
  const entities: readonly [string, unknown, readonly string[]][] = [
    ["an array", [], [""]],
    ["null", null, [""]],
    ["a string", "alice", [""]],
    ["a number", 1, [""]],
    ["an empty object", {}, ["/subject", "/action", "/resource"]],
    ["no subject", { ...valid, subject: undefined }, ["/subject"]],
    ["no action", { ...valid, action: undefined }, ["/action"]],
    ["no resource", { ...valid, resource: undefined }, ["/resource"]],
    ["a subject without type", { ...valid, subject: { id: "alice" } }, ["/subject/type"]],
    ["a subject without id", { ...valid, subject: { type: "user" } }, ["/subject/id"]],
    ["an action without name", { ...valid, action: {} }, ["/action/name"]],
    ["a resource without type", { ...valid, resource: { id: "1" } }, ["/resource/type"]],
    ["a resource without id", { ...valid, resource: { type: "record" } }, ["/resource/id"]],
    ["a subject that is a string", { ...valid, subject: "alice" }, ["/subject"]],
    ["a subject that is null", { ...valid, subject: null }, ["/subject"]],
    ["a resource that is a list", { ...valid, resource: [record("1")] }, ["/resource"]],
    ["a name that is a number", { ...valid, action: { name: 123 } }, ["/action/name"]],
    ["an id that is a number", { ...valid, resource: { type: "record", id: 1 } }, ["/resource/id"]],
    ["an empty id", { ...valid, subject: subject("") }, ["/subject/id"]],
    ["an id too long", { ...valid, subject: subject("i".repeat(513)) }, ["/subject/id"]],
    ["a type too long", { ...valid, resource: { type: "t".repeat(129), id: "1" } }, ["/resource/type"]],
    ["a name too long", { ...valid, action: action("n".repeat(129)) }, ["/action/name"]],
    ["an id with half a character", { ...valid, subject: subject("a\ud800") }, ["/subject/id"]],
    ["properties that are a list", { ...valid, subject: { ...subject("alice"), properties: [] } }, ["/subject/properties"]],
    ["properties that are null", { ...valid, action: { name: "read", properties: null } }, ["/action/properties"]],
    ["a context that is a string", { ...valid, context: "now" }, ["/context"]],
    [
      "much that is wrong",
      { subject: { id: 1, properties: 1 }, context: null },
      ["/subject/type", "/subject/id", "/subject/properties", "/action", "/resource", "/context"],
    ],
  ];

  test.each(entities)("AuthZEN evaluation, 400 naming each field: %s", async (_name, body, pointers) => {
    const { post, asked } = service();
    expect(await pointersOf(await post(SINGLE, body))).toEqual(pointers);
    expect(await pointersOf(await post(BATCH, body))).toEqual(pointers);
    expect(asked).toEqual([]);
  });

  const wholes: readonly [string, object, readonly string[]][] = [
    ["evaluations that are no list", { ...valid, evaluations: {} }, ["/evaluations"]],
    ["evaluations that are null", { ...valid, evaluations: null }, ["/evaluations"]],
    ["options that are no object", { ...valid, evaluations: [{}], options: "execute_all" }, ["/options"]],
    [
      "a semantic nobody knows",
      { ...valid, evaluations: [{}], options: { evaluations_semantic: "any" } },
      ["/options/evaluations_semantic"],
    ],
    ["a semantic of an object's own", { ...valid, options: { evaluations_semantic: "toString" } }, ["/options/evaluations_semantic"]],
    ["a default of the wrong type", { ...valid, subject: "alice", evaluations: [valid] }, ["/subject"]],
    ["a default with a wrong member", { ...valid, action: { name: 1 }, evaluations: [valid] }, ["/action/name"]],
    ["a default context of the wrong type", { ...valid, context: 1, evaluations: [{}] }, ["/context"]],
  ];

  test.each(wholes)("AuthZEN evaluations, 400 and nothing is answered: %s", async (_name, body, pointers) => {
    const { post, asked } = service();
    expect(await pointersOf(await post(BATCH, body))).toEqual(pointers);
    expect(asked).toEqual([]);
  });

  test.each([
    ["nothing", ""],
    ["what is not JSON", "{"],
    [
      "a member twice",
      '{"subject":{"type":"user","id":"bob","id":"owner"},"action":{"name":"read"},"resource":{"type":"record","id":"1"}}',
    ],
    ["an entity twice", '{"subject":{"type":"user","id":"bob"},"subject":{"type":"user","id":"owner"}}'],
    ["a prototype key", '{"__proto__":{"subject":{"type":"user","id":"owner"}},"action":{"name":"read"}}'],
    ["a prototype key inside", '{"subject":{"type":"user","id":"alice","properties":{"constructor":{}}}}'],
    ["deep nesting", `{"context":${"[".repeat(80)}${"]".repeat(80)}}`],
  ])("AuthZEN 400 before anything is read: %s", async (_name, text) => {
    const { send, asked } = service();
    expect(await pointersOf(await send(SINGLE, text))).toEqual([]);
    expect(await pointersOf(await send(BATCH, text))).toEqual([]);
    expect(asked).toEqual([]);
  });

  test.each([undefined, "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/ld+json"])(
    "AuthZEN 400 for the content type %s",
    async (type) => {
      const { post } = service();
      expect(await pointersOf(await post(SINGLE, valid, type === undefined ? {} : { "content-type": type }))).toEqual([]);
    },
  );

  test("AuthZEN a content type may have parameters", async () => {
    const response = await service().post(SINGLE, valid, { "content-type": "application/json; charset=utf-8" });
    expect(await answerOf(response)).toEqual({ decision: true });
  });

  test("AuthZEN a polluted Object.prototype is no member of any body", async () => {
    const { send } = service();
    const pollution = { subject: subject("owner"), id: "owner", evaluations: [valid], properties: 1 };
    try {
      for (const [name, value] of Object.entries(pollution))
        Reflect.defineProperty(Object.prototype, name, { value, configurable: true, writable: true });
      const text = '{"action":{"name":"read"},"resource":{"type":"record"}}';
      for (const path of [SINGLE, BATCH]) expect(await pointersOf(await send(path, text))).toEqual(["/subject", "/resource/id"]);
    } finally {
      for (const name of Object.keys(pollution)) Reflect.deleteProperty(Object.prototype, name);
    }
  });
});

describe("AuthZEN faults", () => {
  const down = (): never => {
    throw new StoreUnavailable("subjects.get");
  };

  test.each<[string, string, object]>([
    ["an evaluation", SINGLE, {}],
    ["a batch that executes all", BATCH, { evaluations: [{}, {}] }],
    ["a batch that denies on the first denial", BATCH, { evaluations: [{}], options: { evaluations_semantic: "deny_on_first_deny" } }],
    ["a batch that permits on the first permit", BATCH, { evaluations: [{}], options: { evaluations_semantic: "permit_on_first_permit" } }],
  ])("AuthZEN a store that does not answer is 503 for %s, never a denial", async (_name, path, members) => {
    const body = { ...question("alice", "read"), ...members };
    for (const options of [
      { identityOf: down },
      { identityOf: () => Promise.reject(new StoreUnavailable("subjects.get")) },
      { checkOptionsOf: down },
    ] satisfies Options[]) {
      const response = await service(options).post(path, body);
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ code: 8002, retryable: true });
    }
  });

  test("AuthZEN one lookup that fails takes the batch with it, unless its answer stood before", async () => {
    const { post } = service({ identityOf: ({ id }) => (id === "down" ? down() : PEOPLE.get(id)) });
    const batch = (evaluations_semantic: string, ...ids: readonly string[]) => ({
      action: action("write"),
      resource: record("1"),
      evaluations: ids.map((id) => ({ subject: subject(id) })),
      options: { evaluations_semantic },
    });
    expect((await post(BATCH, batch("execute_all", "alice", "down", "bob"))).status).toBe(503);
    expect((await post(BATCH, batch("permit_on_first_permit", "bob", "down", "alice"))).status).toBe(503);
    expect(await decisionsOf(await post(BATCH, batch("permit_on_first_permit", "alice", "down")))).toEqual([true]);
    expect(await decisionsOf(await post(BATCH, batch("deny_on_first_deny", "bob", "down")))).toEqual([false]);
  });

  test("AuthZEN a callback that throws is a 500 without detail", async () => {
    const { post, faults } = service({
      permissionOf: () => {
        throw new Error("secret");
      },
    });
    const response = await post(SINGLE, question("alice", "read"));
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain("secret");
    expect(faults).toHaveLength(1);
  });
});

describe("AuthZEN transport", () => {
  test("AuthZEN who may not ask learns nothing, not even that the body is wrong", async () => {
    const { send, asked, get } = service({ guards: [{ name: "nobody", check: () => deny(problems.unauthenticated()) }] });
    for (const path of [SINGLE, BATCH]) {
      const response = await send(path, "{", {});
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
    }
    expect(asked).toEqual([]);
    expect((await get("/.well-known/authzen-configuration")).status).toBe(200);
  });

  test("AuthZEN X-Request-ID comes back where correlationId is mounted, with decisions and with errors", async () => {
    const { post } = service({}, [correlationId()]);
    const headers = { "content-type": "application/json", "x-request-id": "bfe9eb29-ab87-4ca3-be83-a1d5d8305716" };
    for (const body of [question("alice", "read"), question("bob", "write"), {}])
      expect((await post(SINGLE, body, headers)).headers.get("x-request-id")).toBe(headers["x-request-id"]);
    expect((await post(SINGLE, question("alice", "read"))).headers.get("x-request-id")).toMatch(/^[\x21-\x7e]+$/);
  });

  test("AuthZEN evaluations are asked by POST", async () => {
    const { get } = service();
    for (const path of [SINGLE, BATCH]) expect((await get(path)).status).toBe(405);
  });

  test("AuthZEN the guards of the caller stand in the manifest, and without them the routes are unguarded", () => {
    const guarded: Guard = { ...anyone, meta: { permission: "record.read" } };
    expect(unguardedRoutes(manifest(service({ guards: [guarded] }).routes))).toEqual([]);
    expect(unguardedRoutes(manifest(service({ guards: [] }).routes))).toHaveLength(2);
  });

  test("AuthZEN OpenAPI gets the bodies by Standard JSON Schema, as it gets those of a schema library", () => {
    const toJsonSchema = (schema: Schema): JsonSchema => {
      const { jsonSchema } = schema["~standard"] as unknown as { jsonSchema: { input(options: { target: string }): JsonSchema } }; // ours have it
      return jsonSchema.input({ target: "draft-2020-12" });
    };
    const { paths } = toOpenApi(service({ maxEvaluations: 7 }).routes, { info: { title: "t", version: "1" }, toJsonSchema });
    const id = { type: "string", minLength: 1, maxLength: 512 };
    const name = { type: "string", minLength: 1, maxLength: 128 };
    expect(paths).toMatchObject({
      [SINGLE]: {
        post: {
          requestBody: {
            content: {
              "application/json": {
                schema: {
                  required: ["subject", "action", "resource"],
                  properties: {
                    subject: { properties: { type: name, id, properties: { type: "object" } } },
                    action: { properties: { name } },
                    context: { type: "object" },
                  },
                },
              },
            },
          },
          responses: { 200: { content: { "application/json": { schema: { required: ["decision"] } } } } },
        },
      },
      [BATCH]: { post: { requestBody: { content: { "application/json": { schema: { properties: { evaluations: { maxItems: 7 } } } } } } } },
      "/.well-known/authzen-configuration": {
        get: {
          responses: {
            200: { content: { "application/json": { schema: { required: expect.arrayContaining(["policy_decision_point"]) } } } },
          },
        },
      },
    });
  });
});

describe("AuthZEN metadata", () => {
  test.each([
    ["https://pdp.example.com", undefined, "", ""],
    ["https://pdp.example.com:8443", undefined, "", ""],
    ["https://pdp.example.com", "/v1", "/v1", "/v1"],
    ["https://pdp.example.com/tenant1", undefined, "/tenant1", ""],
    ["https://pdp.example.com/tenant1", "/tenant1", "/tenant1", ""],
    ["https://pdp.example.com/tenant1", "/tenant1/v1", "/tenant1/v1", "/v1"],
    ["https://pdp.example.com/tenant1", "", "", ""],
    ["https://pdp.example.com/tenant1", "/tenant12", "/tenant12", "/tenant12"],
  ])("AuthZEN metadata of %s with the prefix %s", async (policyDecisionPoint, prefix, inside, after) => {
    const { get, post } = service({ policyDecisionPoint, ...(prefix === undefined ? {} : { prefix }) });
    const response = await get(`/.well-known/authzen-configuration${new URL(policyDecisionPoint).pathname.replace(/\/$/, "")}`);
    expect(await answerOf(response)).toEqual({
      policy_decision_point: policyDecisionPoint,
      access_evaluation_endpoint: `${policyDecisionPoint}${after}/access/v1/evaluation`,
      access_evaluations_endpoint: `${policyDecisionPoint}${after}/access/v1/evaluations`,
    });
    expect(await answerOf(await post(`${inside}${SINGLE}`, question("alice", "read")))).toEqual({ decision: true });
  });

  test("AuthZEN metadata may be cached for an hour, also behind securityHeaders, which forbids it for the rest", async () => {
    const { get, post } = service({}, [securityHeaders()]);
    expect((await get("/.well-known/authzen-configuration")).headers.get("cache-control")).toBe("public, max-age=3600");
    expect((await post(SINGLE, question("alice", "read"))).headers.get("cache-control")).toBe("no-store");
  });
});

describe("AuthZEN options", () => {
  const complete: AuthzenRoutesOptions = { identityOf: () => undefined, guards: [], policyDecisionPoint: "https://pdp.example.com" };

  test.each<[string, object]>([
    ["no guards", { guards: undefined }],
    ["guards that are no list", { guards: anyone }],
    ["no identityOf", { identityOf: undefined }],
    ["permissionOf that is no function", { permissionOf: "record.read" }],
    ["checkOptionsOf that is no function", { checkOptionsOf: { org: "org-1" } }],
    ["reasons that is no boolean", { reasons: "no" }],
    ["maxEvaluations of 0", { maxEvaluations: 0 }],
    ["maxEvaluations of a half", { maxEvaluations: 1.5 }],
    ["maxEvaluations without end", { maxEvaluations: Number.POSITIVE_INFINITY }],
    ["an option nobody reads", { reason: true }],
    ["a prefix with a slash at the end", { prefix: "/v1/" }],
    ["a prefix with a parameter", { prefix: "/:tenant" }],
    ["a prefix that is no string", { prefix: 1 }],
    ["no policyDecisionPoint", { policyDecisionPoint: undefined }],
    ["a policyDecisionPoint that is no URL", { policyDecisionPoint: "pdp.example.com" }],
    ...[
      "http://pdp.example.com",
      "https://pdp.example.com/",
      "https://pdp.example.com/tenant1/",
      "https://pdp.example.com?tenant=1",
      "https://pdp.example.com?",
      "https://pdp.example.com#",
      "https://pdp.example.com/#a",
      "https://me:secret@pdp.example.com",
      "https://PDP.example.com",
      "https://pdp.example.com:443",
      "https://pdp.example.com/a/../b",
      "https://pdp.example.com/a%20b",
      "https://pdp.example.com//a",
      " https://pdp.example.com",
    ].map((policyDecisionPoint): [string, object] => [`the policyDecisionPoint ${policyDecisionPoint}`, { policyDecisionPoint }]),
  ])("AuthZEN refused where it is made: %s", (_name, wrong) => {
    const options = { ...complete, ...wrong } as AuthzenRoutesOptions; // wrong on purpose
    expect(() => authzenRoutes(rbac, options)).toThrow(ConfigurationError);
    expect(() => authzenRoutes(rbac, options)).toThrow(
      expect.objectContaining({ code: "invalid_option", message: expect.stringContaining(Object.keys(wrong)[0] ?? "") }),
    );
  });

  test("AuthZEN without options nothing is made", () => {
    expect(() => authzenRoutes(rbac, undefined as unknown as AuthzenRoutesOptions)).toThrow(ConfigurationError);
  });

  test("AuthZEN an empty list of guards is a decision that is written down", () => {
    expect(authzenRoutes(rbac, complete).map(({ operationId }) => operationId)).toEqual([
      "authzenEvaluation",
      "authzenEvaluations",
      "authzenConfiguration",
    ]);
  });

  test("AuthZEN guards added to the list later are not asked, nor are any taken away", async () => {
    const guards: Guard[] = [{ name: "nobody", check: () => deny(problems.forbidden()) }];
    const { post } = service({ guards });
    guards.length = 0;
    expect((await post(SINGLE, question("alice", "read"))).status).toBe(403);
  });
});
