// AUTH-G5: one table of requests, sent byte by byte, and the same answer on every framework.
import { authenticate, authRoutes, type Auth, createAuth, createUserDirectory, credentialFact } from "@portcullis/auth";
import { ALLOW, correlationId, createApp, createMemoryStore, type Guard, principalFact } from "@portcullis/core";
import { type AdapterHost, createManualClock, type NativeRoute, type RunningAdapter } from "@portcullis/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linesOf, RawConnection, type RawResponse } from "../../packages/testkit/src/adapter-laws/raw-connection.js";
import { HOSTS_WITHOUT_ADDRESS, RBAC_HOSTS, seesLines } from "./rbac-hosts.js";

const SECRET = "a secret of at least thirty-two bytes";
const PEPPER = "a pepper of at least thirty-two bytes";
const PASSWORD = "correct horse battery";
const INVALID = 'Bearer error="invalid_token"';

/** A server of one framework, and credentials for it. */
interface World {
  readonly host: AdapterHost;
  readonly running: RunningAdapter;
  readonly faults: string[];
  readonly auth: Auth;
  readonly userId: string;
  /** Of one session, its CSRF token with them. */
  readonly access: string;
  readonly refresh: string;
  readonly csrf: string;
  readonly eve: string;
  readonly key: string;
}

/** Adds fields of its own, `Set-Cookie` twice, where it is asked to. */
const greeting: Guard = {
  name: "greeting",
  check: (request) =>
    request.header("x-greet") === undefined
      ? ALLOW
      : {
          kind: "allow",
          headers: [
            ["set-cookie", "greeting=1; Path=/"],
            ["set-cookie", "second=2; Path=/"],
          ],
        },
};

async function startWorld(host: AdapterHost): Promise<World> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const users = createUserDirectory({ store });
  const auth = createAuth({ store, users, clock, secrets: SECRET, apiKeyPeppers: PEPPER, cookies: {} });
  const faults: string[] = [];
  const account = await auth.createAccount({ email: "ada@example.com", password: PASSWORD, roles: ["member"] });
  if (account.kind !== "ok") throw new Error("no account");
  const required = authenticate(auth, { required: true });
  const echo = (method: "GET" | "POST", path: string, guards: readonly Guard[]): NativeRoute => ({
    method,
    path,
    guards,
    handle({ facts }) {
      const principal = facts.get(principalFact);
      const seen = {
        id: principal === undefined ? null : "somebody",
        by: principal?.authMethod ?? null,
        from: facts.get(credentialFact)?.source ?? null,
      };
      return { kind: "text", body: JSON.stringify(seen) };
    },
  });
  const running = await host.start({
    mounts: [[correlationId()], [greeting]],
    routes: [
      echo("GET", "/native", [required]),
      echo("POST", "/native", [required]),
      echo("GET", "/open", [authenticate(auth, { required: false })]),
    ],
    app: createApp({ routes: authRoutes(auth) }),
    onFault: ({ source }) => void faults.push(source),
  });
  const userId = account.value.id;
  const eve = await auth.createTokenPair({ userId: "eve", role: "member" });
  const pair = await auth.createTokenPair({ userId, role: "member" });
  const verified = await auth.verifyAccessToken(pair.accessToken);
  const key = verified.kind === "ok" ? await auth.apiKeys.create(verified.value.principal, { name: "ci" }) : verified;
  if (key.kind !== "ok") throw new Error("no key");
  const world = { host, running, faults, auth, userId, eve: eve.accessToken, key: key.value.key };
  const asked = { name: "", target: "/auth/csrf", lines: () => [`Cookie: __Host-session=${pair.accessToken}`] };
  const answered = await send({ ...world, access: "", refresh: "", csrf: "" }, asked);
  const { csrf_token: csrf } = JSON.parse(answered.body) as { readonly csrf_token: string };
  return { ...world, access: pair.accessToken, refresh: pair.refreshToken, csrf };
}

/** What is sent, and what must come of it. */
interface Vector {
  readonly name: string;
  readonly method?: string;
  readonly target: string;
  readonly lines?: (world: World) => readonly string[];
  readonly body?: unknown;
  /** Only where repeated lines can be told apart. */
  readonly needsLines?: true;
  readonly status?: number;
  readonly code?: number;
  readonly saw?: object;
  readonly challenge?: string;
  /** Names and attributes of the cookies that are set, in order. */
  readonly sets?: readonly string[];
}

const GONE = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
const SESSION_GONE = `__Host-session; Path=/; Secure; HttpOnly; SameSite=Lax; ${GONE}`;
const ALL_GONE = [
  SESSION_GONE,
  `__Secure-refresh; Path=/auth; HttpOnly; Secure; SameSite=Strict; ${GONE}`,
  `__Host-csrf; Path=/; Secure; SameSite=Lax; ${GONE}`,
];
const ALL_SET = [
  "__Host-session; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=3600",
  "__Secure-refresh; Path=/auth; HttpOnly; Secure; SameSite=Strict; Max-Age=2592000",
  "__Host-csrf; Path=/; Secure; SameSite=Lax; Max-Age=2592000",
];
const cookie = ({ access, csrf }: World): string => `Cookie: __Host-session=${access}; __Host-csrf=${csrf}`;
const token = ({ csrf }: World): string => `X-CSRF-Token: ${csrf}`;
const bearer = ({ access }: World): string => `Authorization: Bearer ${access}`;
const json = "Content-Type: application/json";
const login = (more: object): object => ({ email: "ada@example.com", password: PASSWORD, ...more });
const BY_COOKIE = { id: "somebody", by: "session", from: "cookie" };
const BY_BEARER = { id: "somebody", by: "token", from: "authorization" };

// In this order: logins open sessions of their own, the last ones end the session of the others.
const VECTORS: readonly Vector[] = [
  // Extraction.
  { name: "nothing", target: "/native", status: 401, code: 1001, challenge: "Bearer" },
  { name: "nothing where nothing is required", target: "/open", status: 200, saw: { id: null, from: null } },
  { name: "AUTH-X a cookie", target: "/native", lines: (w) => [cookie(w)], status: 200, saw: BY_COOKIE },
  { name: "AUTH-X a bearer token", target: "/native", lines: (w) => [bearer(w)], status: 200, saw: BY_BEARER },
  {
    name: "AUTH-X the scheme in any case",
    target: "/native",
    lines: (w) => [bearer(w).replace("Bearer", "bEARER")],
    status: 200,
    saw: BY_BEARER,
  },
  {
    name: "AUTH-X an API key",
    target: "/native",
    lines: (w) => [`X-API-Key: ${w.key}`],
    status: 200,
    saw: { by: "apiKey", from: "x-api-key" },
  },
  { name: "AUTH-X a cookie and a bearer token", target: "/native", lines: (w) => [cookie(w), bearer(w)], status: 200, saw: BY_COOKIE },
  {
    name: "AUTH-X of different users",
    target: "/native",
    lines: (w) => [cookie(w), `Authorization: Bearer ${w.eve}`],
    status: 401,
    code: 1013,
    challenge: INVALID,
  },
  {
    name: "AUTH-X a bad cookie and a good bearer token",
    target: "/native",
    lines: (w) => ["Cookie: __Host-session=bad", bearer(w)],
    status: 401,
    code: 1002,
    challenge: INVALID,
    sets: [SESSION_GONE],
  },
  {
    name: "AUTH-X a bad cookie where nothing is required",
    target: "/open",
    lines: () => ["Cookie: __Host-session=bad"],
    status: 401,
    code: 1002,
    challenge: INVALID,
    sets: [SESSION_GONE],
  },
  { name: "AUTH-X a bad bearer token", target: "/native", lines: (w) => [`${bearer(w)}x`], status: 401, code: 1002, challenge: INVALID },
  {
    name: "AUTH-X two spaces",
    target: "/native",
    lines: (w) => [bearer(w).replace("Bearer ", "Bearer  ")],
    status: 401,
    code: 1002,
    challenge: INVALID,
  },
  { name: "AUTH-X two Authorization lines", target: "/native", lines: (w) => [bearer(w), bearer(w)], status: 400, code: 1007 },
  {
    name: "AUTH-X two Authorization lines in two spellings",
    target: "/native",
    lines: (w) => [bearer(w), `authorization: Bearer ${w.eve}`],
    status: 400,
    code: 1007,
  },
  {
    name: "AUTH-X two X-API-Key lines",
    target: "/native",
    lines: (w) => [`X-API-Key: ${w.key}`, `X-API-Key: ${w.key}`],
    status: 400,
    code: 1007,
  },
  {
    name: "AUTH-X Authorization and X-API-Key",
    target: "/native",
    lines: (w) => [bearer(w), `X-API-Key: ${w.key}`],
    status: 400,
    code: 1007,
  },
  { name: "AUTH-X from the query", target: "/native?access_token=x&token=x", status: 401, code: 1001, challenge: "Bearer" },
  // Cookies twice.
  {
    name: "AUTH-S4 one name twice in a line",
    target: "/native",
    lines: (w) => [`${cookie(w)}; __Host-session=x`],
    status: 401,
    code: 1013,
    challenge: INVALID,
  },
  {
    name: "AUTH-S4 one name in two lines",
    target: "/native",
    lines: (w) => [cookie(w), cookie(w)],
    status: 401,
    code: 1013,
    challenge: INVALID,
  },
  {
    name: "AUTH-S4 two Cookie lines",
    target: "/native",
    lines: (w) => [cookie(w), "Cookie: a=b"],
    needsLines: true,
    status: 401,
    code: 1013,
    challenge: INVALID,
  },
  {
    name: "AUTH-S4 a name that is trimmed elsewhere",
    target: "/native",
    lines: (w) => [`Cookie: a=b; \u00e2\u0080\u0080__Host-session=${w.access}`],
    status: 401,
    code: 1001,
    challenge: "Bearer",
  },
  {
    name: "AUTH-S4 a quoted value",
    target: "/native",
    lines: (w) => [`Cookie: __Host-session="${w.access}"`],
    status: 401,
    code: 1002,
    challenge: INVALID,
    sets: [SESSION_GONE],
  },
  // CSRF.
  { name: "AUTH-C a cookie without a token", method: "POST", target: "/native", lines: (w) => [cookie(w)], status: 403, code: 1104 },
  { name: "AUTH-C with its token", method: "POST", target: "/native", lines: (w) => [cookie(w), token(w)], status: 200, saw: BY_COOKIE },
  {
    name: "AUTH-C with the token twice",
    method: "POST",
    target: "/native",
    lines: (w) => [cookie(w), token(w), token(w)],
    status: 403,
    code: 1104,
  },
  {
    name: "AUTH-C from the same origin",
    method: "POST",
    target: "/native",
    lines: (w) => [cookie(w), token(w), "Sec-Fetch-Site: same-origin"],
    status: 200,
    saw: BY_COOKIE,
  },
  {
    name: "AUTH-C from another site",
    method: "POST",
    target: "/native",
    lines: (w) => [cookie(w), token(w), "Sec-Fetch-Site: cross-site"],
    status: 403,
    code: 1104,
  },
  {
    name: "AUTH-C from both",
    method: "POST",
    target: "/native",
    lines: (w) => [cookie(w), token(w), "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"],
    status: 403,
    code: 1104,
  },
  {
    name: "AUTH-C from our own origin",
    method: "POST",
    target: "/native",
    lines: (w) => [cookie(w), token(w), "Origin: https://api.example"],
    status: 200,
    saw: BY_COOKIE,
  },
  {
    name: "AUTH-C from another origin",
    method: "POST",
    target: "/native",
    lines: (w) => [cookie(w), token(w), "Origin: https://evil.example"],
    status: 403,
    code: 1104,
  },
  {
    name: "AUTH-C a bearer token from anywhere",
    method: "POST",
    target: "/native",
    lines: (w) => [bearer(w), "Sec-Fetch-Site: cross-site"],
    status: 200,
    saw: BY_BEARER,
  },
  {
    name: "AUTH-C GET from another site",
    target: "/native",
    lines: (w) => [cookie(w), "Sec-Fetch-Site: cross-site"],
    status: 200,
    saw: BY_COOKIE,
  },
  // The routes.
  { name: "me by cookie", target: "/auth/me", lines: (w) => [cookie(w)], status: 200, saw: { email: "ada@example.com" } },
  {
    name: "login",
    method: "POST",
    target: "/auth/login",
    lines: () => [json],
    body: login({}),
    status: 200,
    saw: { token_type: "Bearer" },
  },
  {
    name: "AUTH-S2 login by cookie",
    method: "POST",
    target: "/auth/login",
    lines: () => [json],
    body: login({ delivery: "cookie" }),
    status: 200,
    sets: ALL_SET,
  },
  {
    name: "AUTH-S2 every cookie has a line, also beside those of guards",
    method: "POST",
    target: "/auth/login",
    lines: () => [json, "X-Greet: yes"],
    body: login({ delivery: "cookie" }),
    status: 200,
    sets: [...ALL_SET, "greeting; Path=/", "second; Path=/"],
  },
  {
    name: "cookies of guards on a native route",
    target: "/native",
    lines: (w) => [bearer(w), "X-Greet: yes"],
    status: 200,
    sets: ["greeting; Path=/", "second; Path=/"],
  },
  {
    name: "cookies of guards beside a denial's",
    target: "/native",
    lines: () => ["Cookie: __Host-session=bad", "X-Greet: yes"],
    status: 401,
    code: 1002,
    challenge: INVALID,
    sets: [SESSION_GONE, "greeting; Path=/", "second; Path=/"],
  },
  {
    name: "AUTH-C login from another site",
    method: "POST",
    target: "/auth/login",
    lines: () => [json, "Sec-Fetch-Site: cross-site"],
    body: login({ delivery: "cookie" }),
    status: 403,
    code: 1104,
  },
  {
    name: "login with a wrong password",
    method: "POST",
    target: "/auth/login",
    lines: () => [json],
    body: login({ password: "wrong horse battery" }),
    status: 401,
    code: 1005,
    challenge: "Bearer",
  },
  { name: "the CSRF token", target: "/auth/csrf", lines: (w) => [cookie(w)], status: 200, sets: [ALL_SET[2] ?? ""] },
  {
    name: "AUTH-C refresh by cookie without a token",
    method: "POST",
    target: "/auth/refresh",
    lines: (w) => [`${cookie(w)}; __Secure-refresh=${w.refresh}`],
    status: 403,
    code: 1104,
  },
  {
    name: "refresh by two cookies",
    method: "POST",
    target: "/auth/refresh",
    lines: (w) => [token(w), `Cookie: __Secure-refresh=${w.refresh}; __Secure-refresh=x`],
    status: 401,
    code: 1013,
    challenge: INVALID,
  },
  {
    name: "refresh by a body and another cookie",
    method: "POST",
    target: "/auth/refresh",
    lines: (w) => [json, token(w), `Cookie: __Host-csrf=${w.csrf}; __Secure-refresh=${w.refresh}`],
    body: { refresh_token: "x" },
    status: 400,
    code: 1007,
  },
  { name: "refresh without anything", method: "POST", target: "/auth/refresh", status: 401, code: 1001, challenge: "Bearer" },
  {
    name: "refresh by cookie",
    method: "POST",
    target: "/auth/refresh",
    lines: (w) => [token(w), `Cookie: __Host-csrf=${w.csrf}; __Secure-refresh=${w.refresh}`],
    status: 200,
    sets: ALL_SET,
  },
  { name: "AUTH-S10 logout without a token", method: "POST", target: "/auth/logout", lines: (w) => [cookie(w)], status: 403, code: 1104 },
  { name: "AUTH-S3 logout", method: "POST", target: "/auth/logout", lines: (w) => [cookie(w), token(w)], status: 200, sets: ALL_GONE },
  {
    name: "AUTH-S10 logout again",
    method: "POST",
    target: "/auth/logout",
    lines: (w) => [cookie(w), token(w)],
    status: 200,
    sets: ALL_GONE,
  },
  {
    name: "after it the cookie is refused",
    target: "/native",
    lines: (w) => [cookie(w)],
    status: 401,
    code: 1004,
    challenge: INVALID,
    sets: [SESSION_GONE],
  },
  { name: "and the bearer token", target: "/native", lines: (w) => [bearer(w)], status: 401, code: 1004, challenge: INVALID },
];

async function send(world: World, { method = "GET", target, lines = () => [], body }: Vector): Promise<RawResponse> {
  const connection = await RawConnection.open(world.running.port);
  const sent = body === undefined ? "" : JSON.stringify(body);
  const head = [
    `${method} ${target} HTTP/1.1`,
    "Host: api.example",
    "X-Request-ID: r-1",
    `Content-Length: ${sent.length}`,
    ...lines(world),
  ];
  // Latin-1: each character is the byte that is sent.
  await connection.send(Buffer.from(`${head.join("\r\n")}\r\n\r\n${sent}`, "latin1"));
  const response = await connection.next();
  connection.abort();
  return response;
}

/** An answer without what differs by chance: names of members in place of their values, where it succeeded with tokens. */
function comparable(response: RawResponse): object {
  const { status, body } = response;
  const parsed = JSON.parse(body) as Record<string, unknown>;
  return {
    status,
    body: status >= 400 ? body : Object.keys(parsed),
    sets: linesOf(response, "set-cookie")
      .map((line) => line.replace(/=[^;]*;/, ";"))
      .toSorted(),
    fields: ["www-authenticate", "x-request-id", "retry-after", ...(status >= 400 ? ["content-type", "cache-control"] : [])].map((name) => [
      name,
      linesOf(response, name),
    ]),
  };
}

const worlds: World[] = [];

beforeAll(async () => {
  for (const host of [...RBAC_HOSTS, ...HOSTS_WITHOUT_ADDRESS]) worlds.push(await startWorld(host));
});

afterAll(async () => {
  await Promise.all(worlds.map(({ running }) => running.close()));
});

describe("AUTH-G5 the same answer everywhere", () => {
  test.each(VECTORS)("$name", async (vector) => {
    const { needsLines, status, code, saw, challenge, sets = [] } = vector;
    const asked = worlds.filter(({ host }) => needsLines === undefined || seesLines(host));
    const responses: (readonly [string, RawResponse])[] = [];
    for (const world of asked) responses.push([world.host.name, await send(world, vector)]);
    const [first] = responses.map(([, response]) => comparable(response));
    for (const [name, response] of responses) {
      expect([name, comparable(response)]).toEqual([name, first]);
      const body: unknown = JSON.parse(response.body);
      expect(response.status).toBe(status);
      if (code !== undefined) expect(body).toMatchObject({ code, status, instance: "r-1" });
      if (saw !== undefined) expect(body).toMatchObject(saw);
      expect(linesOf(response, "www-authenticate")).toEqual(challenge === undefined ? [] : [challenge]);
    }
    expect(first).toMatchObject({ sets: sets.toSorted() });
  });

  test("AUTH-G2 no bytes in Cookie, Authorization or X-CSRF-Token make a server fail", async () => {
    const rubbish = [
      "__Host-session",
      "__Host-session=",
      "=;=;==",
      ";;;;",
      `__Host-session=${"a.".repeat(2000)}`,
      "__Host-session=\u00ff\u00fe; __Host-csrf=\u0080",
      '__Host-session="; __Host-session=x"',
      "__Host-session=a; ".repeat(200),
      "Bearer \u00a0",
      "Bearer .",
      "Bearer ..",
      `Bearer ${"a".repeat(8000)}`,
    ];
    for (const world of worlds) {
      for (const method of ["GET", "POST"]) {
        for (const name of ["Cookie", "Authorization", "X-CSRF-Token", "X-API-Key"]) {
          for (const value of rubbish) {
            const { status } = await send(world, { name: "", method, target: "/native", lines: () => [`${name}: ${value}`] });
            expect([world.host.name, name, value.slice(0, 30), Math.floor(status / 100)]).toEqual([
              world.host.name,
              name,
              value.slice(0, 30),
              4,
            ]);
          }
        }
      }
      expect(world.faults).toEqual([]);
    }
  });
});
