// AUTH-G5: a whole life on every framework, byte by byte, each step with the same answer: letters, second factors, sessions, tickets, keys,
// tokens asked about and ended, a login over a provider. The extraction of credentials is in auth-frameworks.test.ts.
import {
  authenticate,
  authRoutes,
  createAccountMail,
  createAuth,
  createSocketTickets,
  createUserDirectory,
  generateSigningKeys,
  loadSigningKeys,
} from "@portcullis/auth";
import { createOAuth, github, oauthRoutes } from "@portcullis/auth/oauth";
import { correlationId, createApp, createMemoryStore } from "@portcullis/core";
import { type AdapterHost, createManualClock, type ManualClock, type RunningAdapter } from "@portcullis/testkit";
import { Secret, TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GITHUB_CLIENT, type GitHubServer, startGitHub } from "../../packages/auth/test/github-server.js";
import { linesOf, RawConnection, type RawResponse } from "../../packages/testkit/src/adapter-laws/raw-connection.js";
import { HOSTS_WITHOUT_ADDRESS, RBAC_HOSTS } from "./rbac-hosts.js";

const SITE = "https://api.example";
const PASSWORD = "correct horse battery";
const NEW_PASSWORD = "a new and longer one";
const EMAIL = "ada@example.com";
const INVALID = 'Bearer error="invalid_token"';
const STEP_UP = 'Bearer error="insufficient_user_authentication"';
const purpose = (name: string): string => `${name}-secret-0123456789-abcdefghijklmnop`;

/** A server of one framework, and what its client knows by now. */
interface World {
  readonly host: AdapterHost;
  readonly running: RunningAdapter;
  readonly clock: ManualClock;
  readonly faults: string[];
  readonly letters: string[];
  readonly settled: () => Promise<void>;
  readonly known: Record<string, string>;
}

let provider: GitHubServer;
const worlds: World[] = [];

async function startWorld(host: AdapterHost): Promise<World> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const signing = await loadSigningKeys((await generateSigningKeys("EdDSA")).privateKey);
  const auth = createAuth({
    ...{ store, clock, signing, users: createUserDirectory({ store }), cookies: {} },
    ...{ secrets: purpose("token"), apiKeyPeppers: purpose("pepper"), mfa: { keys: purpose("sealing") } },
  });
  const letters: string[] = [];
  const deliver = { passwordReset: note, emailVerification: note, registration: note };
  function note({ token }: { readonly token: string }): void {
    letters.push(token);
  }
  const accountMail = createAccountMail({ auth, deliver });
  const oauth = createOAuth({
    ...{ auth, baseUrl: SITE, delivery: "cookie", insecureLocalhost: true },
    providers: { github: github({ ...GITHUB_CLIENT, baseUrl: provider.url }) },
    redirects: { allow: ["/*"], default: "/" },
    onUnknown: { create: { roles: ["member"] } },
  });
  const faults: string[] = [];
  const routes = [
    ...authRoutes(auth, {
      accountMail,
      registration: { roles: ["member"] },
      socketTickets: createSocketTickets({ auth, origins: [SITE] }),
      introspection: { guards: [authenticate(auth, { required: true })] },
    }),
    ...oauthRoutes(oauth),
  ];
  const running = await host.start({
    mounts: [[correlationId()]],
    app: createApp({ routes }),
    onFault: ({ source }) => void faults.push(source),
  });
  return { host, running, clock, faults, letters, settled: accountMail.settled, known: {} };
}

/** One request, and what must come of it. */
interface Step {
  readonly name: string;
  readonly ask: string;
  /** Field lines. */
  readonly lines?: (known: Readonly<Record<string, string>>) => readonly string[];
  readonly body?: (known: Readonly<Record<string, string>>, world: World) => object;
  readonly form?: (known: Readonly<Record<string, string>>) => Readonly<Record<string, string>>;
  readonly status: number;
  readonly code?: number;
  readonly challenge?: string;
  /** Names of the cookies that are set. */
  readonly sets?: readonly string[];
  readonly saw?: object;
  /** Members that must not be there. */
  readonly without?: readonly string[];
  /** What the client remembers of the answer. */
  readonly take?: (body: Readonly<Record<string, unknown>>, response: RawResponse) => Readonly<Record<string, unknown>>;
  /** Ms that pass before. */
  readonly afterMs?: number;
}

type Known = Readonly<Record<string, string>>;
const bearer = (name: string) => (known: Known) => [`Authorization: Bearer ${known[name] ?? ""}`];
const cookie = ({ session, refresh, csrf }: Known): string =>
  `Cookie: __Host-session=${session}; __Secure-refresh=${refresh}; __Host-csrf=${csrf}`;
const byCookie = (known: Known): readonly string[] => [cookie(known), `X-CSRF-Token: ${known["csrf"] ?? ""}`];
const forged = (known: Known): readonly string[] => [cookie(known)];
const OURS = ["__Host-session", "__Secure-refresh", "__Host-csrf"];
const valuesOf = (response: RawResponse): Readonly<Record<string, string>> =>
  Object.fromEntries(linesOf(response, "set-cookie").map((line) => /^([^=]+)=([^;]*)/.exec(line)?.slice(1) ?? []) as [string, string][]);
const takeCookies = (_body: unknown, response: RawResponse): Readonly<Record<string, unknown>> => {
  const { "__Host-session": session, "__Secure-refresh": refresh, "__Host-csrf": csrf } = valuesOf(response);
  return { session, refresh, csrf };
};
const code = ({ totp = "" }: Known, { clock }: World): string =>
  new TOTP({ secret: Secret.fromBase32(totp) }).generate({ timestamp: clock.now() });
const letter = (_known: Known, { letters }: World): string => letters.at(-1) ?? "";
const login =
  (more: object = {}) =>
  () => ({ email: EMAIL, password: NEW_PASSWORD, ...more });
const TOKENS = ["access_token", "refresh_token"];
const locationOf = (response: RawResponse): string => linesOf(response, "location")[0] ?? "";

const STEPS: readonly Step[] = [
  // Letters.
  { name: "ask to register", ask: "POST /auth/register", body: () => ({ email: EMAIL }), status: 202 },
  {
    name: "register",
    ask: "POST /auth/register/confirm",
    body: (known, world) => ({ token: letter(known, world), password: PASSWORD, name: "Ada" }),
    status: 201,
    saw: { email: EMAIL },
  },
  {
    name: "a link works once",
    ask: "POST /auth/register/confirm",
    body: (known, world) => ({ token: letter(known, world), password: PASSWORD }),
    status: 400,
    code: 1110,
  },
  {
    name: "a member that is not known",
    ask: "POST /auth/register",
    body: () => ({ email: EMAIL, roles: ["admin"] }),
    status: 422,
    code: 2002,
  },
  { name: "ask for a reset", ask: "POST /auth/password-reset/request", body: () => ({ email: EMAIL }), status: 202 },
  { name: "and for nobody's", ask: "POST /auth/password-reset/request", body: () => ({ email: "nobody@example.com" }), status: 202 },
  {
    name: "reset",
    ask: "POST /auth/password-reset/confirm",
    body: (known, world) => ({ token: letter(known, world), new_password: NEW_PASSWORD }),
    status: 200,
  },
  {
    name: "confirm nothing",
    ask: "POST /auth/email-verification/confirm",
    body: () => ({ token: "x".repeat(43) }),
    status: 400,
    code: 1110,
  },
  // Sessions.
  {
    name: "login",
    ask: "POST /auth/login",
    body: login(),
    status: 200,
    take: (body) => ({ access: body["access_token"], rotating: body["refresh_token"] }),
  },
  {
    name: "AUTH-S2 login by cookie",
    ask: "POST /auth/login",
    body: login({ delivery: "cookie" }),
    status: 200,
    sets: OURS,
    without: TOKENS,
    take: takeCookies,
  },
  {
    name: "sessions",
    ask: "GET /auth/sessions",
    lines: byCookie,
    status: 200,
    take: ({ sessions }) => ({ other: (sessions as { id: string; current: boolean }[]).find(({ current }) => !current)?.id }),
  },
  { name: "AUTH-S8 a session of nobody", ask: "DELETE /auth/sessions/nobodys", lines: byCookie, status: 404, code: 3001 },
  { name: "AUTH-C end a session without the token", ask: "DELETE /auth/sessions/{other}", lines: forged, status: 403, code: 1104 },
  { name: "AUTH-S8 end a session", ask: "DELETE /auth/sessions/{other}", lines: byCookie, status: 200 },
  { name: "AUTH-S8 its token is refused", ask: "GET /auth/me", lines: bearer("access"), status: 401, code: 1004, challenge: INVALID },
  { name: "AUTH-C end the others without the token", ask: "POST /auth/sessions/revoke-others", lines: forged, status: 403, code: 1104 },
  { name: "end the others", ask: "POST /auth/sessions/revoke-others", lines: byCookie, status: 200, saw: { sessions_ended: 0 } },
  // Tickets.
  {
    name: "AUTH-W AUTH-C a ticket by cookie without the token",
    ask: "POST /auth/ws-ticket",
    lines: (known) => [cookie(known), `Origin: ${SITE}`],
    body: () => ({}),
    status: 403,
    code: 1104,
  },
  {
    name: "AUTH-W a ticket by cookie from another origin",
    ask: "POST /auth/ws-ticket",
    lines: (known) => [...byCookie(known), "Origin: https://evil.example"],
    body: () => ({}),
    status: 403,
    code: 1104,
  },
  {
    name: "AUTH-W a ticket by cookie",
    ask: "POST /auth/ws-ticket",
    lines: (known) => [...byCookie(known), `Origin: ${SITE}`],
    body: () => ({ path: "/live" }),
    status: 201,
    saw: { expires_in: 30 },
  },
  { name: "AUTH-W a ticket for nobody", ask: "POST /auth/ws-ticket", body: () => ({}), status: 401, code: 1001, challenge: "Bearer" },
  // Second factors.
  { name: "no second factor yet", ask: "GET /auth/mfa", lines: byCookie, status: 200, saw: { enrolled: false, required: false } },
  { name: "AUTH-C enrol without the token", ask: "POST /auth/mfa/enroll", lines: forged, body: () => ({}), status: 403, code: 1104 },
  { name: "enrol", ask: "POST /auth/mfa/enroll", lines: byCookie, body: () => ({}), status: 200, take: ({ secret }) => ({ totp: secret }) },
  {
    name: "a wrong code",
    ask: "POST /auth/mfa/verify",
    lines: byCookie,
    body: () => ({ code: "wrong!" }),
    status: 401,
    challenge: "Bearer",
  },
  {
    name: "AUTH-C a code without the token",
    ask: "POST /auth/mfa/verify",
    lines: forged,
    body: (known, world) => ({ code: code(known, world) }),
    status: 403,
    code: 1104,
  },
  {
    name: "AUTH-S1 step-up by cookie: other cookies, and no token for scripts",
    ask: "POST /auth/mfa/verify",
    lines: byCookie,
    body: (known, world) => ({ code: code(known, world), delivery: "body" }),
    status: 200,
    sets: OURS,
    without: TOKENS,
    take: (body, response) => takeCookies(body, response),
  },
  {
    name: "AUTH-S1 the cookies from before are worth nothing",
    ask: "GET /auth/me",
    lines: ({ session_before }) => [`Cookie: __Host-session=${session_before}`],
    status: 401,
    code: 1004,
    challenge: INVALID,
    sets: ["__Host-session"],
  },
  { name: "the new ones are good", ask: "GET /auth/me", lines: byCookie, status: 200, saw: { email: EMAIL } },
  {
    name: "a login is asked for the second factor",
    ask: "POST /auth/login",
    body: login(),
    status: 200,
    saw: { mfa_required: true, mfa_enrolled: true },
    without: TOKENS,
    take: ({ mfa_token }) => ({ pending: mfa_token }),
  },
  { name: "AUTH-M1 what it got opens nothing", ask: "GET /auth/me", lines: bearer("pending"), status: 401, code: 1002, challenge: INVALID },
  {
    name: "AUTH-M5 a used code",
    ask: "POST /auth/mfa/verify",
    body: (known, world) => ({ mfa_token: known["pending"], code: code(known, world) }),
    status: 401,
    challenge: "Bearer",
  },
  {
    name: "AUTH-M1 the next code",
    ask: "POST /auth/mfa/verify",
    body: (known, world) => ({ mfa_token: known["pending"], code: code(known, world) }),
    status: 200,
    take: ({ access_token }) => ({ access: access_token }),
    afterMs: 30_000,
  },
  {
    name: "AUTH-M1 a login ends in one session",
    ask: "POST /auth/mfa/verify",
    body: (known, world) => ({ mfa_token: known["pending"], code: code(known, world) }),
    status: 401,
    code: 1002,
    challenge: "Bearer",
    afterMs: 30_000,
  },
  { name: "backup codes", ask: "POST /auth/mfa/backup-codes", lines: bearer("access"), status: 200 },
  {
    name: "AUTH-M2 later they want a recent proof",
    ask: "POST /auth/mfa/backup-codes",
    lines: bearer("access"),
    status: 401,
    code: 1010,
    challenge: STEP_UP,
    afterMs: 1_200_000,
  },
  {
    name: "AUTH-O9 and so does a link",
    ask: "POST /auth/oauth/link",
    lines: bearer("access"),
    body: () => ({ provider: "github" }),
    status: 401,
    code: 1010,
    challenge: STEP_UP,
  },
  {
    name: "step-up",
    ask: "POST /auth/mfa/verify",
    lines: bearer("access"),
    body: (known, world) => ({ code: code(known, world) }),
    status: 200,
    take: ({ access_token }) => ({ access: access_token }),
  },
  { name: "then they come", ask: "POST /auth/mfa/backup-codes", lines: bearer("access"), status: 200 },
  { name: "take it away", ask: "POST /auth/mfa/disable", lines: bearer("access"), body: () => ({}), status: 200 },
  // Keys.
  {
    name: "make a key",
    ask: "POST /auth/api-keys",
    lines: bearer("access"),
    body: () => ({ name: "ci" }),
    status: 201,
    take: ({ id, key }) => ({ keyId: id, oldKey: key }),
  },
  {
    name: "rotate it",
    ask: "POST /auth/api-keys/{keyId}/rotate",
    lines: bearer("access"),
    status: 201,
    take: ({ id, key }) => ({ keyId: id, key }),
  },
  {
    name: "AUTH-K7 the old one is refused",
    ask: "GET /auth/me",
    lines: ({ oldKey }) => [`X-API-Key: ${oldKey}`],
    status: 401,
    code: 1009,
    challenge: INVALID,
  },
  {
    name: "the new one is good",
    ask: "GET /auth/me",
    lines: ({ key }) => [`X-API-Key: ${key}`],
    status: 200,
    saw: { credential: "api_key" },
  },
  {
    name: "AUTH-K9 a key makes none",
    ask: "POST /auth/api-keys",
    lines: ({ key }) => [`X-API-Key: ${key}`],
    body: () => ({ name: "more" }),
    status: 403,
  },
  {
    name: "AUTH-W a key gets no ticket",
    ask: "POST /auth/ws-ticket",
    lines: ({ key }) => [`X-API-Key: ${key}`],
    body: () => ({}),
    status: 403,
  },
  { name: "AUTH-K6 a key of nobody", ask: "POST /auth/api-keys/nobodys/rotate", lines: bearer("access"), status: 404, code: 3001 },
  // Tokens.
  {
    name: "AUTH-G3 ask about a token",
    ask: "POST /auth/introspect",
    lines: ({ key }) => [`X-API-Key: ${key}`],
    form: ({ access = "" }) => ({ token: access }),
    status: 200,
    saw: { active: true, type: "access" },
  },
  {
    name: "AUTH-G3 people may not",
    ask: "POST /auth/introspect",
    lines: bearer("access"),
    form: ({ access = "" }) => ({ token: access }),
    status: 403,
  },
  { name: "AUTH-G3 nor nobody", ask: "POST /auth/introspect", form: () => ({ token: "x" }), status: 401, code: 1001, challenge: "Bearer" },
  {
    name: "AUTH-G3 garbage is not active",
    ask: "POST /auth/introspect",
    lines: ({ key }) => [`X-API-Key: ${key}`],
    form: () => ({ token: "x" }),
    status: 200,
    saw: { active: false },
  },
  { name: "AUTH-G3 end what is none", ask: "POST /auth/revoke", form: () => ({ token: "x" }), status: 200 },
  { name: "a form is wanted", ask: "POST /auth/revoke", body: () => ({ token: "x" }), status: 415 },
  { name: "the public keys", ask: "GET /.well-known/jwks.json", status: 200 },
  // A provider.
  { name: "providers", ask: "GET /auth/oauth/providers", status: 200, saw: { providers: [{ id: "github", name: "GitHub" }] } },
  { name: "AUTH-O5 a redirect elsewhere", ask: "GET /auth/oauth/github?redirect=//evil.example", status: 400 },
  {
    name: "AUTH-O11 start",
    ask: "GET /auth/oauth/github?redirect=/home&state=mine",
    status: 303,
    sets: ["oauth"],
    take: (_body, response) => ({ ...bindingOf(response), away: locationOf(response) }),
  },
  { name: "AUTH-O3 come back in another browser", ask: "GET {callback}", status: 400 },
  { name: "AUTH-O2 and that used it up", ask: "GET {callback}", lines: ({ binding }) => [`Cookie: ${binding}`], status: 400 },
  {
    name: "AUTH-O11 start again",
    ask: "GET /auth/oauth/github?redirect=/home&state=mine",
    status: 303,
    sets: ["oauth"],
    take: (_body, response) => ({ ...bindingOf(response), away: locationOf(response) }),
  },
  {
    name: "AUTH-O11 come back",
    ask: "GET {callback}",
    lines: ({ binding }) => [`Cookie: ${binding}`],
    status: 303,
    sets: ["oauth", ...OURS],
    take: takeCookies,
  },
  { name: "who that is", ask: "GET /auth/me", lines: byCookie, status: 200, saw: { roles: ["member"] } },
  {
    name: "AUTH-C link without the token",
    ask: "POST /auth/oauth/link",
    lines: forged,
    body: () => ({ provider: "github" }),
    status: 403,
    code: 1104,
  },
  { name: "link", ask: "POST /auth/oauth/link", lines: byCookie, body: () => ({ provider: "github" }), status: 200, sets: ["oauth"] },
  { name: "identities", ask: "GET /auth/oauth/identities", lines: byCookie, status: 200 },
  { name: "AUTH-C unlink without the token", ask: "DELETE /auth/oauth/unlink?provider=github", lines: forged, status: 403, code: 1104 },
  { name: "AUTH-O9 the last way in stays", ask: "DELETE /auth/oauth/unlink?provider=github", lines: byCookie, status: 409 },
  // The end.
  {
    name: "logout everywhere",
    ask: "POST /auth/logout-all",
    lines: byCookie,
    status: 200,
    saw: { message: "All sessions terminated", sessions_invalidated: true, token_version: 2 },
    sets: OURS,
  },
  { name: "then it is over", ask: "GET /auth/me", lines: byCookie, status: 401, code: 1004, challenge: INVALID, sets: ["__Host-session"] },
];

function bindingOf(response: RawResponse): { readonly binding: string } {
  return { binding: (linesOf(response, "set-cookie")[0] ?? "").replace(/;.*/s, "") };
}

async function send(world: World, step: Step): Promise<RawResponse> {
  const { known } = world;
  if (step.afterMs !== undefined) world.clock.advance(step.afterMs);
  if (step.ask.includes("{callback}")) {
    const back = await fetch(known["away"] ?? "", { redirect: "manual" });
    const { pathname, search } = new URL(String(back.headers.get("location")));
    known["callback"] = pathname + search;
  }
  const form = step.form?.(known);
  const body = form === undefined ? step.body?.(known, world) : new URLSearchParams(form).toString();
  const sent = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
  const type = form === undefined ? "application/json" : "application/x-www-form-urlencoded";
  const [method, target = ""] = step.ask.split(" ");
  const head = [
    `${method} ${target.replaceAll(/\{(\w+)\}/g, (_all, name: string) => known[name] ?? "")} HTTP/1.1`,
    "Host: api.example",
    "X-Request-ID: r-1",
    `Content-Length: ${Buffer.byteLength(sent)}`,
    ...(body === undefined ? [] : [`Content-Type: ${type}`]),
    ...(step.lines?.(known) ?? []),
  ];
  const connection = await RawConnection.open(world.running.port);
  await connection.send(`${head.join("\r\n")}\r\n\r\n${sent}`);
  const response = await connection.next();
  connection.abort();
  await world.settled();
  return response;
}

const FIELDS = ["www-authenticate", "x-request-id", "retry-after", "content-type", "cache-control", "pragma", "referrer-policy"];
const nameOf = (line: string): string => line.replace(/=.*/s, "").replace(/^__Host-portcullis-oauth-.*/, "oauth");

/** An answer without what differs by chance. */
function comparable(response: RawResponse): object {
  const { status, body } = response;
  const parsed = body.startsWith("{") ? (JSON.parse(body) as Record<string, unknown>) : {};
  return {
    status,
    body: status >= 400 ? body : Object.keys(parsed),
    sets: linesOf(response, "set-cookie")
      .map((line) => nameOf(line) + line.replace(/^[^;]*/, ""))
      .toSorted(),
    fields: FIELDS.map((name) => [name, linesOf(response, name)]),
    location: locationOf(response).replaceAll(/((?:state|nonce|code_challenge|client_id)=)[^&#]*/g, "$1"),
  };
}

beforeAll(async () => {
  provider = await startGitHub();
  for (const host of [...RBAC_HOSTS, ...HOSTS_WITHOUT_ADDRESS]) worlds.push(await startWorld(host));
});
afterAll(async () => {
  await Promise.all(worlds.map(({ running }) => running.close()));
  await provider.close();
});

/** Bodies and field lines that no client of ours sends, as bytes. */
const RUBBISH: readonly (readonly [string, readonly string[], string])[] = [
  ["nothing", [], ""],
  ["no JSON", ["Content-Type: application/json"], "{"],
  ["JSON that is no object", ["Content-Type: application/json"], '["a"]'],
  ["bytes that are no UTF-8", ["Content-Type: application/json"], '{"email":"\u00ff\u00fe","password":"\u0080"}'],
  ["a member twice", ["Content-Type: application/json"], '{"email":"a@b.c","email":"d@e.f","password":"x"}'],
  ["a prototype", ["Content-Type: application/json"], '{"__proto__":{"email":"a@b.c"},"constructor":{"prototype":{}}}'],
  ["depth", ["Content-Type: application/json"], "[".repeat(5_000)],
  ["a large body", ["Content-Type: application/json"], `{"password":"${"a".repeat(40_000)}"}`],
  ["a surrogate", ["Content-Type: application/json"], '{"email":"a@b.c","password":"\\ud800","code":"\\u0000","token":"\\ud800"}'],
  ["a form", ["Content-Type: application/x-www-form-urlencoded"], "token=%ff&token=b&%"],
  ["another type", ["Content-Type: multipart/form-data; boundary=x"], "--x\r\n\r\n--x--"],
  ["types twice", ["Content-Type: application/json", "Content-Type: text/plain"], "{}"],
  [
    "field lines",
    ["Cookie: \u00ff=\u0080; __Host-session; =;", "Authorization: Bearer \u00ff", "Origin: \u00ff", "Sec-Fetch-Site: \u0080"],
    "",
  ],
  [
    "fields again and again",
    [...Array.from({ length: 40 }, () => "Cookie: __Host-session=a.b.c"), "X-CSRF-Token: a", "X-CSRF-Token: b"],
    "",
  ],
  ["a token like one", ["Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."], ""],
  ["forwarding", ["X-Forwarded-For: \u00ff, 1.2.3.4", "Forwarded: for=\u0080", "X-Forwarded-Proto: javascript"], ""],
];

async function sendBytes({ running }: World, method: string, target: string, lines: readonly string[], body: string): Promise<number> {
  const connection = await RawConnection.open(running.port);
  const head = [`${method} ${target} HTTP/1.1`, "Host: api.example", "Connection: close", `Content-Length: ${body.length}`, ...lines];
  // Latin-1: each character is the byte that is sent.
  await connection.send(Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`, "latin1"));
  const { status } = await connection.next();
  connection.abort();
  return status;
}

describe("AUTH-G5 a life, the same everywhere", () => {
  test.each(STEPS)("AUTH-G5 $name", async (step) => {
    const { status, code: problem, challenge, sets = [], saw, without = [], take } = step;
    let first: object | undefined;
    for (const world of worlds) {
      const response = await send(world, step);
      const seen = comparable(response);
      first ??= seen;
      expect([world.host.name, seen]).toEqual([world.host.name, first]);
      expect([world.host.name, response.status, response.body.slice(0, 200)]).toEqual([
        world.host.name,
        status,
        expect.any(String) as string,
      ]);
      const body = response.body.startsWith("{") ? (JSON.parse(response.body) as Record<string, unknown>) : {};
      if (problem !== undefined) expect(body).toMatchObject({ code: problem, status, instance: "r-1" });
      if (saw !== undefined) expect(body).toMatchObject(saw);
      for (const member of without) expect(body).not.toHaveProperty(member);
      expect(linesOf(response, "www-authenticate")).toEqual(challenge === undefined ? [] : [challenge]);
      expect(linesOf(response, "set-cookie").map(nameOf).toSorted()).toEqual([...sets].toSorted());
      if (status === 303)
        expect([linesOf(response, "referrer-policy"), linesOf(response, "cache-control")]).toEqual([["no-referrer"], ["no-store"]]);
      for (const [name, value] of Object.entries(take?.(body, response) ?? {})) {
        const before = world.known[name];
        if (before !== undefined) world.known[`${name}_before`] = before;
        world.known[name] = String(value);
        // Nothing of a login outlives the next one.
        if (take === takeCookies) expect(world.known[name]).not.toBe(before);
      }
      expect([world.host.name, world.faults]).toEqual([world.host.name, []]);
    }
  });
});

describe("AUTH-G2 rubbish over the wire", () => {
  const targets = [...new Set(STEPS.map(({ ask }) => ask.replace(/\?.*/, "").replaceAll(/\{\w+\}/g, "%2e%2e")))].filter((ask) =>
    ask.includes(" /"),
  );
  test.each(RUBBISH)(
    "AUTH-G2 %s: no route of any framework fails by it, or lets anybody in",
    { timeout: 60_000 },
    async (_name, lines, body) => {
      for (const world of worlds) {
        for (const ask of targets) {
          const [method = "", target = ""] = ask.split(" ");
          const open = /oauth\/github$|oauth\/providers|jwks|auth\/revoke$|password-reset\/request|register$/.test(target);
          for (const query of ["", "?state=a&state=b&code=%00&redirect=%ff", "?%"]) {
            const status = await sendBytes(world, method, target + query, lines, body);
            expect([world.host.name, ask, query, status < 500 && (open || status >= 400)]).toEqual([world.host.name, ask, query, true]);
          }
        }
        expect([world.host.name, world.faults]).toEqual([world.host.name, []]);
      }
    },
  );
});
