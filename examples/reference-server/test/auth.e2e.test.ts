// Authentication as the whole service has it: cookies, second factors by the roles of now, providers, public keys, the audit trail.
import { generateSigningKeys } from "@portcullis/auth";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { once } from "node:events";
import { Secret, TOTP } from "otpauth";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { type RunningProvider, startOpenIdProvider } from "../../../packages/auth/test/openid-provider.js";
import { DEMO_PASSWORD, DEMO_USERS } from "../src/seed.js";
import { createApiClient } from "../src/story/api-client.js";
import { logInAs, read } from "../src/story/story.js";
import { CookieClient } from "./cookie-client.js";
import { freePort } from "./free-port.js";
import { FRAMEWORKS } from "./serve.js";
import { startService, type StoreKind, type TestWorld } from "./start-service.js";

let world: TestWorld | undefined;
afterEach(async () => {
  await world?.close();
  const lines = world?.lines ?? [];
  world = undefined;
  expect(lines.filter((line) => line.includes('"msg":"fault"') || line.includes("audit event lost"))).toEqual([]);
});

async function start(environment: Record<string, string> = {}, kind: StoreKind = "memory", framework: keyof typeof FRAMEWORKS = "hono") {
  const started = await startService(framework, kind, environment);
  world = started;
  return started;
}

async function enter({ url }: Pick<TestWorld, "url">, role: keyof typeof DEMO_USERS): Promise<CookieClient> {
  const client = new CookieClient(url());
  const login = await client.call("POST", "/api/auth/login", { email: DEMO_USERS[role], password: DEMO_PASSWORD, delivery: "cookie" });
  expect(login.status).toBe(200);
  return client;
}

const workflow = { name: "W", steps: [{ tool: "math.sum", input: { values: [1, 2] } }] };
const codeAt = (secret: string, timestamp: number): string => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp });
const enrolmentOf = (data: unknown) => z.object({ secret: z.string(), backup_codes: z.array(z.string()) }).parse(data);

describe.each(Object.keys(FRAMEWORKS) as (keyof typeof FRAMEWORKS)[])("a browser's session on %s", (framework) => {
  it("AUTH-S2 AUTH-C logs in with cookies, acts with the CSRF token only, and is out after the logout", async () => {
    const client = await enter(await start({}, "memory", framework), "member");
    const session = client.cookie("session");
    expect([session, client.cookie("refresh"), client.cookie("csrf")].every((cookie) => cookie !== undefined)).toBe(true);
    expect((await client.call("GET", "/api/workflows")).status).toBe(200);
    const forged = await client.call("POST", "/api/workflows", workflow, { csrf: false });
    expect([forged.status, forged.json?.errorDetail?.code]).toEqual([403, 1104]);
    expect((await client.call("POST", "/api/workflows", workflow)).status).toBe(201);
    const thief = client.tab();
    expect((await client.call("POST", "/api/auth/logout")).status).toBe(200);
    expect(client.cookie("session")).toBeUndefined();
    expect((await thief.call("GET", "/api/workflows")).status).toBe(401);
    // The login page comes to whoever has a session that is over.
    expect((await thief.call("GET", "/login")).headers.get("content-type")).toBe("text/html; charset=utf-8");
  });
});

describe("sessions", () => {
  it("AUTH-R3 two tabs that refresh at once both go on, with one session between them", async () => {
    const first = await enter(await start({}, "sqlite"), "member");
    const second = first.tab();
    const before = first.cookie("refresh");
    const answers = await Promise.all([first, second].map((tab) => tab.call("POST", "/api/auth/refresh")));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(first.cookie("refresh")).not.toBe(before);
    expect(second.cookie("refresh")).toBe(first.cookie("refresh"));
    for (const tab of [first, second]) {
      expect((await tab.call("POST", "/api/workflows", workflow)).status).toBe(201);
      const { sessions } = z.object({ sessions: z.array(z.unknown()) }).parse((await tab.call("GET", "/api/auth/sessions")).json?.data);
      expect(sessions).toHaveLength(1);
    }
  });

  it("are capped, and end unused, where the configuration says so", async () => {
    const { clock, ...rest } = await start({ SESSION_MAX: "1", SESSION_IDLE_MINUTES: "5" });
    const old = await enter(rest, "member");
    const current = await enter(rest, "member");
    expect((await old.call("GET", "/api/workflows")).status).toBe(401);
    expect((await current.call("GET", "/api/workflows")).status).toBe(200);
    await rest.passTime(6 * 60_000);
    expect(clock.now()).toBeGreaterThan(0);
    expect((await current.call("GET", "/api/workflows")).status).toBe(401);
    expect((await current.call("POST", "/api/auth/refresh")).status).toBe(401);
  });
});

it("a service that is stopped has ended what authentication runs beside requests", async () => {
  const { service } = await start();
  await service.stop();
  await expect(service.auth.hashPassword(DEMO_PASSWORD)).rejects.toMatchObject({ code: "closed" });
});

describe("in production", () => {
  const secret = (character: string): string => `${character}123456789-abcdefghijklmnopqrstuvwxyz-${character}`;
  const PRODUCTION = {
    NODE_ENV: "production",
    JWT_SECRETS: secret("j"),
    API_KEY_PEPPERS: secret("p"),
    MFA_KEYS: secret("m"),
    ENCRYPTION_KEYS: "0123456789abcdef".repeat(4),
    AUDIT_SIGNING_KEY: Buffer.from("0123456789abcdefghijklmnopqrstuv").toString("base64"),
    TRUSTED_PROXIES: "127.0.0.1",
  };

  it("AUTH-S2 AUTH-M1 cookies are for https alone, administrators need a second factor, and no letter ends in a log", async () => {
    const client = new CookieClient((await start(PRODUCTION)).url());
    const logIn = (email: string) => client.call("POST", "/api/auth/login", { email, password: DEMO_PASSWORD, delivery: "cookie" });
    const cookies = (await logIn(DEMO_USERS.member)).headers.getSetCookie();
    expect(cookies.map((line) => line.split("=")[0])).toEqual(
      expect.arrayContaining(["__Host-session", "__Secure-refresh", "__Host-csrf"]),
    );
    expect(cookies.every((line) => /; Secure(;|$)/.test(line))).toBe(true);
    const stranger = new CookieClient(client.url);
    for (const email of [DEMO_USERS.admin, DEMO_USERS.owner]) {
      const login = await stranger.call("POST", "/api/auth/login", { email, password: DEMO_PASSWORD, delivery: "cookie" });
      expect(login.json?.data).toMatchObject({ mfa_required: true, mfa_enrolled: false });
      expect(login.headers.getSetCookie()).toEqual([]);
    }
    expect((await stranger.call("POST", "/api/auth/password-reset/request", { email: DEMO_USERS.member })).status).toBe(404);
    expect((await stranger.call("GET", "/login")).text).not.toContain("Forgot");
  });
});

describe("second factors", () => {
  it("AUTH-M2 a role given by assignment asks for one on the next request, and lets in who enrolled", async () => {
    const started = await start({ MFA_REQUIRED_ROLES: "admin" }, "sqlite");
    const call = createApiClient(started.url);
    const viewer = await enter(started, "viewer");
    const { id } = z.object({ id: z.string() }).parse((await viewer.call("GET", "/api/auth/me")).json?.data);
    expect((await viewer.call("GET", "/api/workflows")).status).toBe(200);

    const owner = await logInAs(call, "owner");
    expect((await call("PUT", `/api/users/${id}/roles/admin`, { token: owner, body: {} })).status).toBe(200);
    for (const path of [
      "/api/workflows",
      "/api/approvals",
      "/api/audit",
      "/api/auth/sessions",
      "/api/auth/api-keys",
      "/api/access/policy",
    ]) {
      const refused = await viewer.call("GET", path);
      expect([path, refused.status, refused.json?.errorDetail?.code]).toEqual([path, 403, 1102]);
    }
    const change = await viewer.call("POST", "/api/auth/change-password", {
      current_password: DEMO_PASSWORD,
      new_password: "x".repeat(20),
    });
    expect(change.json?.errorDetail?.code).toBe(1102);
    for (const path of ["/api/auth/me", "/api/auth/csrf", "/api/auth/mfa", "/api/health", "/login"])
      expect((await viewer.call("GET", path)).status).toBe(200);

    const made = await viewer.call("POST", "/api/auth/mfa/enroll", {});
    const { secret } = enrolmentOf(made.json?.data);
    const proven = await viewer.call("POST", "/api/auth/mfa/verify", { code: codeAt(secret, started.clock.now()) });
    expect(proven.status).toBe(200);
    expect(proven.text).not.toMatch(/access_token|refresh_token/);
    expect((await viewer.call("GET", "/api/workflows")).status).toBe(200);
    expect((await viewer.call("GET", "/api/audit")).status).toBe(200);
    // No codes and no secrets are told to the trail or the log.
    const told = (await call("GET", "/api/audit?limit=200", { token: owner })).text;
    expect(told).toContain('"action":"mfa.enrolled"');
    expect(`${told}${started.lines.join("")}`).not.toContain(secret);
  });

  it("AUTH-M5 a bypass is evidence in the audit trail, under its control", async () => {
    const started = await start({ MFA_REQUIRED_ROLES: "admin" });
    const { auth } = started.service;
    const service = await auth.serviceAccounts.create({ name: "nightly", roles: ["admin"], orgId: "acme" });
    if (service.kind !== "ok" || auth.mfa === undefined) throw new Error("no service");
    const serviceId = service.value.id;
    const key = await auth.serviceAccounts.createKey(serviceId, { name: "job" });
    if (key.kind !== "ok") throw new Error("no key");
    const call = createApiClient(started.url);
    const asService = () => call("GET", "/api/auth/me", { headers: { "x-api-key": key.value.key } });
    expect((await asService()).status).toBe(403);
    expect((await auth.mfa.bypass.grant({ serviceId, reason: "runs at night, nobody there", approvedBy: "ada" })).kind).toBe("ok");
    expect((await asService()).status).toBe(200);

    const token = await logInAs(call, "owner");
    const events = z.object({
      events: z.array(
        z.object({
          action: z.string(),
          category: z.string(),
          outcome: z.string(),
          actor: z.object({ type: z.string(), id: z.string() }),
          details: z.looseObject({}).optional(),
        }),
      ),
    });
    const { events: found } = read(await call("GET", "/api/audit?limit=200", { token }), 200, events);
    const granted = found.find(({ action }) => action === "mfa.bypass_granted");
    expect(granted).toMatchObject({ category: "admin", outcome: "success", actor: { type: "user", id: "ada" } });
    expect(granted?.details).toMatchObject({ control: "CC5-01", serviceId, reason: "runs at night, nobody there" });
    const used = found.find(({ action }) => action === "mfa.bypass_used");
    expect(used).toMatchObject({ category: "security", actor: { type: "service", id: serviceId }, details: { control: "CC5-01" } });
    expect(JSON.stringify(found)).not.toContain(key.value.key);
  });
});

describe("what standards describe", () => {
  it("AUTH-T is answered as they say: revocation without a word about the token, introspection for services alone", async () => {
    const started = await start();
    const call = createApiClient(started.url);
    const [member, admin] = [await logInAs(call, "member"), await logInAs(call, "admin")];
    const form = async (path: string, authorization: Record<string, string>, token: string) => {
      const headers = { "content-type": "application/x-www-form-urlencoded", ...authorization };
      const response = await fetch(`${started.url()}${path}`, { method: "POST", headers, body: new URLSearchParams({ token }) });
      return { status: response.status, body: await response.json() };
    };
    expect((await form("/api/auth/introspect", { authorization: `Bearer ${admin}` }, member)).status).toBe(403);
    expect((await form("/api/auth/introspect", {}, member)).status).toBe(401);
    const made = read(
      await call("POST", "/api/auth/api-keys", { token: admin, body: { name: "gateway" } }),
      201,
      z.object({ key: z.string() }),
    );
    const asService = { "x-api-key": made.key };
    expect(await form("/api/auth/introspect", asService, member)).toMatchObject({ status: 200, body: { active: true, type: "access" } });
    expect(await form("/api/auth/revoke", {}, member)).toEqual({ status: 200, body: {} });
    expect(await form("/api/auth/revoke", {}, "nobody's")).toEqual({ status: 200, body: {} });
    expect(await form("/api/auth/introspect", asService, member)).toEqual({ status: 200, body: { active: false } });
    expect((await call("GET", "/api/workflows", { token: member })).status).toBe(401);
  });
});

describe("public keys", () => {
  it.each(["EdDSA", "ES256", "RS256"] as const)("AUTH-J others verify access tokens by them, signed with %s", async (algorithm) => {
    const { privateKey } = await generateSigningKeys(algorithm);
    const started = await start({ AUTH_SIGNING_KEY: privateKey });
    const token = await logInAs(createApiClient(started.url), "member");
    const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", started.url()));
    const { payload, protectedHeader } = await jwtVerify(token, keys, { currentDate: new Date(started.clock.now()) });
    expect([protectedHeader.alg, payload["email"] ?? payload.sub]).toEqual([algorithm, expect.any(String)]);
    expect((await createApiClient(started.url)("GET", "/api/workflows", { token })).status).toBe(200);
    expect(started.lines.join("")).not.toContain(privateKey.split("\n")[1]);
  });
});

describe("tickets for sockets", () => {
  it("AUTH-W are for the pages that the configuration names; a socket is closed when its session is logged out", async () => {
    const started = await start({ SOCKET_ORIGINS: "https://app.example" });
    const { socketTickets } = started.service;
    if (socketTickets === undefined) throw new Error("no tickets");
    const call = createApiClient(started.url);
    const token = await logInAs(call, "member");
    const ask = (origin: string) => call("POST", "/api/auth/ws-ticket", { token, body: {}, headers: { origin } });
    expect((await ask("https://evil.example")).status).toBe(403);
    const { ticket } = read(await ask("https://app.example"), 201, z.object({ ticket: z.string() }));

    // A WebSocket server of its own, as an application has one.
    const sockets = new WebSocketServer({
      ...{ port: 0, host: "127.0.0.1" },
      handleProtocols: () => false,
      verifyClient: ({ req }, done) => {
        void socketTickets.admit(req).then((admitted) => {
          if (admitted.kind === "ok") sockets.once("connection", (socket) => socketTickets.watch(admitted.value, () => socket.close(4001)));
          done(admitted.kind === "ok", 401);
        });
      },
    });
    await once(sockets, "listening");
    const address = sockets.address();
    const url = `ws://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}/live?ticket=${ticket}`;
    const open = async (): Promise<WebSocket> => {
      const socket = new WebSocket(url, { origin: "https://app.example" });
      await once(socket, "open");
      return socket;
    };
    try {
      const socket = await open();
      await expect(open()).rejects.toThrow("401");
      const closed = once(socket, "close");
      expect((await call("POST", "/api/auth/logout", { token })).status).toBe(200);
      expect((await closed)[0]).toBe(4001);
    } finally {
      await new Promise((resolve) => sockets.close(resolve));
    }
  });

  it("are not offered without that", async () => {
    const { url } = await start();
    expect((await createApiClient(url)("POST", "/api/auth/ws-ticket", { body: {} })).status).toBe(404);
  });
});

describe("a login over an OpenID provider", () => {
  let provider: RunningProvider;
  afterEach(() => provider.close());

  async function withProvider(environment: Record<string, string> = {}) {
    const port = await freePort();
    const base = `http://localhost:${port}`;
    const client = { client_id: "portcullis", client_secret: "a client secret of a test" };
    provider = await startOpenIdProvider([{ ...client, redirect_uris: [`${base}/api/auth/oauth/oidc/callback`] }]);
    const started = await start({
      PORT: String(port),
      OIDC_ISSUER: provider.issuer,
      OIDC_CLIENT_ID: client.client_id,
      OIDC_CLIENT_SECRET: client.client_secret,
      OIDC_NAME: "Acme <ID>",
      ...environment,
    });
    return { started, client: new CookieClient(base) };
  }

  it("AUTH-O1 lets somebody new in, with cookies, who may do nothing until they have a role", async () => {
    const { started, client } = await withProvider();
    const page = await client.call("GET", "/login");
    expect(page.text).toContain("Continue with Acme &#60;ID&#62;");
    const { addresses, last } = await client.follow("/api/auth/oauth/oidc?state=the-pages-own");
    expect([addresses.at(-1), last.status]).toEqual([`${client.url}/login?state=the-pages-own`, 200]);
    const me = await client.call("GET", "/api/auth/me");
    expect(me.json?.data).toMatchObject({ email: "ada@example.com", roles: [], org_id: "acme" });
    expect((await client.call("GET", "/api/workflows")).status).toBe(403);

    const call = createApiClient(started.url);
    const owner = await logInAs(call, "owner");
    const { id } = z.object({ id: z.string() }).parse(me.json?.data);
    expect((await call("PUT", `/api/users/${id}/roles/viewer`, { token: owner, body: {} })).status).toBe(200);
    expect((await client.call("GET", "/api/workflows")).status).toBe(200);
    expect((await call("GET", "/api/audit?limit=200", { token: owner })).text).toContain('"action":"identity.linked"');
  });

  it("AUTH-O an address that is not proven here opens nobody's account; the page says so", async () => {
    const { client } = await withProvider();
    provider.person = { sub: "eve-1", email: DEMO_USERS.admin, email_verified: true, name: "Eve" };
    const { addresses } = await client.follow("/api/auth/oauth/oidc?state=s");
    expect(addresses.at(-1)).toMatch(/\/login\?error=account_exists&code=\d+&state=s$/);
    expect((await client.call("GET", "/api/auth/me")).status).toBe(401);
  });

  it("comes through where an earlier session of the browser is over", async () => {
    const { started, client } = await withProvider();
    await client.follow("/api/auth/oauth/oidc");
    const { id } = z.object({ id: z.string() }).parse((await client.call("GET", "/api/auth/me")).json?.data);
    await started.service.auth.revokeUser(id);
    const { last } = await client.follow("/api/auth/oauth/oidc");
    expect(last.status).toBe(200);
    expect((await client.call("GET", "/api/auth/me")).status).toBe(200);
  });

  it("AUTH-M1 hands over a login that wants a second factor, without a session", async () => {
    const { started, client } = await withProvider();
    const ada = { email: "ada@example.com", password: DEMO_PASSWORD, roles: ["member"], orgId: "acme", emailVerified: true };
    const account = await started.service.auth.createAccount(ada);
    const { mfa } = started.service.auth;
    if (account.kind !== "ok" || mfa === undefined) throw new Error("no account");
    const opened = await started.service.auth.login(ada);
    if (opened.kind !== "ok") throw new Error("no login");
    const token = await started.service.auth.verifyAccessToken(opened.value.tokens.accessToken);
    if (token.kind !== "ok") throw new Error("no token");
    const made = await mfa.enroll(token.value);
    if (made.kind !== "ok") throw new Error("no factor");
    await mfa.verify(token.value, codeAt(made.value.secret, started.clock.now()));
    const { addresses } = await client.follow("/api/auth/oauth/oidc?state=s");
    const handed = new URLSearchParams(new URL(String(addresses.at(-1))).hash.slice(1));
    expect([handed.get("mfa_required"), handed.get("mfa_enrolled"), handed.get("state")]).toEqual(["true", "true", "s"]);
    expect(client.cookie("session")).toBeUndefined();
    const proof = { mfa_token: handed.get("mfa_token"), code: made.value.backupCodes[0], delivery: "cookie" };
    expect((await client.call("POST", "/api/auth/mfa/verify", proof)).status).toBe(200);
    expect((await client.call("GET", "/api/auth/me")).json?.data).toMatchObject({ email: "ada@example.com" });
  });
});
