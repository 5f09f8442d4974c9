import { ConfigurationError, createApp, StoreUnavailable, toFetchHandler } from "@portcullis/core";
import { authenticate, authenticateSystem, authRoutes, type AuthOptions } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { MFA_KEY, mfaOf } from "./mfa-fixture.js";
import { codeOf, createFixtureWithAda, SECRET, valueOf, withDeadPort } from "./auth-fixture.js";

const FORM = "application/x-www-form-urlencoded";
const GARBAGE = ["x", "a.b.c", "....", " ", "\0", "é", "pk_live_0123456789ab_abcdefghijklmnopqrstuvwxyz012345_abcdef", "x".repeat(9_000)];

async function createService(options: Partial<AuthOptions> = {}) {
  const fixture = await createFixtureWithAda(options);
  const { auth, userId } = fixture;
  const guards = [authenticateSystem(auth, { audience: "auth" })];
  const faults: unknown[] = [];
  const handler = toFetchHandler(
    createApp({ routes: authRoutes(auth, { introspection: { guards } }), onFault: ({ error }) => void faults.push(error) }),
  );
  const post = async (path: string, body: string | URLSearchParams, headers: Record<string, string> = {}) =>
    handler(new Request(`http://localhost/auth/${path}`, { method: "POST", body, headers: { "content-type": FORM, ...headers } }));
  const asker = (await auth.createSystemToken({ service: "gateway", audience: "auth" })).token;
  return {
    ...fixture,
    faults,
    post,
    pair: async () => auth.createTokenPair({ userId, email: "ada@example.com", orgId: "org-1", role: ["admin", "member"] }),
    revoke: async (token: string, more: Record<string, string> = {}) => post("revoke", new URLSearchParams({ token, ...more })),
    introspect: async (token: string, credential = asker) =>
      post("introspect", new URLSearchParams({ token }), { authorization: `Bearer ${credential}` }),
  };
}

describe("AUTH-G3 POST /auth/revoke (RFC 7009)", () => {
  it("answers 200 for what is no token, and the same to each", async () => {
    const { revoke, pair, clock, faults } = await createService();
    const expired = await pair();
    clock.advance(31 * 86_400_000);
    const seen = new Set<string>();
    for (const token of [...GARBAGE, expired.accessToken, expired.refreshToken, (await pair()).accessToken]) {
      const response = await revoke(token);
      seen.add(`${response.status} ${await response.text()} ${response.headers.get("cache-control")} ${response.headers.get("pragma")}`);
    }
    expect([...seen]).toEqual(["200 {} no-store no-cache"]);
    expect(faults).toEqual([]);
  });

  it("ends an access token, and only that", async () => {
    const { auth, revoke, pair, events, userId } = await createService();
    const [one, other] = [await pair(), await pair()];
    const { tokenId } = valueOf(await auth.verifyAccessToken(one.accessToken));
    expect((await revoke(one.accessToken)).status).toBe(200);
    expect(codeOf(await auth.verifyAccessToken(one.accessToken))).toBe(1004);
    expect(codeOf(await auth.verifyAccessToken(other.accessToken))).toBe("ok");
    expect(events.at(-1)).toEqual({ kind: "token_revoked", userId, sessionId: one.sessionId, tokenId });
    expect(codeOf(await auth.refresh(one.refreshToken))).toBe("ok");
    // Again, or with the wrong hint (RFC 7009 §2.1), it is 200 as well.
    expect((await revoke(one.accessToken)).status).toBe(200);
    expect((await revoke(other.accessToken, { token_type_hint: "refresh_token" })).status).toBe(200);
    expect(codeOf(await auth.verifyAccessToken(other.accessToken))).toBe(1004);
  });

  it("ends the session of a refresh token: its access tokens die with it, other sessions do not", async () => {
    const { auth, revoke, pair, events, userId } = await createService();
    const [one, other] = [await pair(), await pair()];
    await revoke(one.refreshToken, { token_type_hint: "access_token" });
    expect(codeOf(await auth.verifyAccessToken(one.accessToken))).toBe(1004);
    expect(codeOf(await auth.refresh(one.refreshToken))).toBe(1004);
    expect(codeOf(await auth.verifyAccessToken(other.accessToken))).toBe("ok");
    expect(events.at(-1)).toEqual({ kind: "logout", userId, sessionId: one.sessionId });
    const told = events.length;
    await revoke(one.refreshToken);
    expect(events).toHaveLength(told);
  });

  it("a refresh token that was redeemed already ends the session of its successors", async () => {
    const { auth, revoke, pair } = await createService();
    const first = await pair();
    const next = valueOf(await auth.refresh(first.refreshToken));
    await revoke(first.refreshToken);
    expect(codeOf(await auth.verifyAccessToken(next.accessToken))).toBe(1004);
  });

  it("ends a system token", async () => {
    const { auth, revoke } = await createService();
    const { token } = await auth.createSystemToken({ service: "job", audience: "billing" });
    await revoke(token);
    expect(codeOf(await auth.verifySystemToken(token, { audience: "billing" }))).toBe(1004);
  });

  it("a token signed by somebody else ends nothing", async () => {
    const mine = await createService();
    const theirs = await createService({ secrets: SECRET.toUpperCase() });
    const pair = await mine.pair();
    for (const token of [pair.accessToken, pair.refreshToken]) await theirs.revoke(token);
    expect(codeOf(await mine.auth.verifyAccessToken(pair.accessToken))).toBe("ok");
    const flipped = `${pair.refreshToken.slice(0, -2)}AA`;
    await mine.revoke(flipped);
    expect(codeOf(await mine.auth.verifyAccessToken(pair.accessToken))).toBe("ok");
  });
});

describe("AUTH-G3 POST /auth/introspect (RFC 7662)", () => {
  it("tells services what an access token says", async () => {
    const { introspect, pair, auth, userId } = await createService({ issuer: "https://id.example", audience: "api" });
    const { accessToken, sessionId, issuedAt, accessExpiresAt } = await pair();
    const response = await introspect(accessToken);
    expect([response.status, response.headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(await response.json()).toEqual({
      active: true,
      token_type: "Bearer",
      type: "access",
      sub: userId,
      jti: valueOf(await auth.verifyAccessToken(accessToken)).tokenId,
      iat: issuedAt / 1000,
      exp: accessExpiresAt / 1000,
      iss: "https://id.example",
      aud: ["api"],
      sid: sessionId,
      org_id: "org-1",
      roles: ["admin", "member"],
    });
  });

  it("and what a system token says, whoever it is for: who asks must look at aud", async () => {
    const { introspect, auth } = await createService();
    const { token } = await auth.createSystemToken({ service: "job", audience: ["billing", "mail"], roles: ["r"], scopes: ["a", "b"] });
    expect(await (await introspect(token)).json()).toMatchObject({
      active: true,
      type: "system",
      sub: "system:job",
      aud: ["billing", "mail"],
      scope: "a b",
      roles: ["r"],
    });
  });

  it("AUTH-M2 a role that needs a second factor is not active without one, nor is a service's without a bypass", async () => {
    const { auth, introspect, userId, clock } = await createService({ mfa: { keys: MFA_KEY } });
    const isActive = async (token: string) => ((await (await introspect(token)).json()) as { active: boolean }).active;
    const pairOf = async (role: string, mfaAt?: number) => (await auth.createTokenPair({ userId, role }, { mfaAt })).accessToken;
    expect(await isActive(await pairOf("admin"))).toBe(false);
    expect(await isActive(await pairOf("member"))).toBe(true);
    expect(await isActive(await pairOf("admin", clock.now()))).toBe(true);
    const { token } = await auth.createSystemToken({ service: "job", audience: "billing", roles: ["admin"] });
    expect(await isActive(token)).toBe(false);
    valueOf(await mfaOf(auth).bypass.grant({ serviceId: "system:job", reason: "runs the nightly settlement", approvedBy: "ada" }));
    expect(await isActive(token)).toBe(true);
  });

  it("says of anything bad only that it is not active", async () => {
    const { introspect, revoke, pair, auth, clock, userId, users } = await createService();
    const inactive = async (token: string, why: string) => {
      const response = await introspect(token);
      expect([response.status, await response.text()], why).toEqual([200, '{"active":false}']);
    };
    for (const token of GARBAGE) await inactive(token, "garbage");
    const tokens = await pair();
    await inactive(tokens.refreshToken, "a refresh token, which is for no resource");
    await inactive(`${tokens.accessToken.slice(0, -2)}AA`, "another signature");
    await revoke(tokens.accessToken);
    await inactive(tokens.accessToken, "revoked");
    const ended = await pair();
    await auth.revokeUser(userId);
    await inactive(ended.accessToken, "all sessions ended");
    const restricted = await auth.createTokenPair({ userId, role: "admin", mustChangePassword: true });
    await inactive(restricted.accessToken, "good for changing the password only");
    const open = await pair();
    await auth.setDisabled(userId, true);
    await inactive(open.accessToken, "disabled");
    await auth.setDisabled(userId, false);
    expect(await users.byId(userId)).toBeDefined();
    const fresh = await pair();
    clock.advance(fresh.accessExpiresAt - clock.now());
    const response = await introspect(fresh.accessToken, (await auth.createSystemToken({ service: "gateway", audience: "auth" })).token);
    expect(await response.json()).toEqual({ active: false });
  });

  it("requires a caller that is proven, and a service", async () => {
    const { introspect, pair, auth, post, userId } = await createService();
    const { accessToken } = await pair();
    const other = (await auth.createSystemToken({ service: "gateway", audience: "billing" })).token;
    for (const credential of ["x", accessToken, other]) expect((await introspect(accessToken, credential)).status).toBe(401);
    expect((await post("introspect", `token=${accessToken}`)).status).toBe(401);
    // By a guard that lets people in, too, they are refused.
    const handler = toFetchHandler(
      createApp({ routes: authRoutes(auth, { introspection: { guards: [authenticate(auth, { required: false })] } }) }),
    );
    const { principal } = valueOf(await auth.verifyAccessToken(accessToken));
    const { key } = valueOf(await auth.apiKeys.create(principal, { name: "gateway" }));
    const ask = async (headers: Record<string, string>) => {
      const request = { method: "POST", body: `token=${accessToken}`, headers: { "content-type": FORM, ...headers } };
      const response = await handler(new Request("http://localhost/auth/introspect", request));
      return [response.status, ((await response.json()) as { sub?: string }).sub];
    };
    expect(await ask({})).toEqual([401, undefined]);
    expect(await ask({ authorization: `Bearer ${accessToken}` })).toEqual([403, undefined]);
    expect(await ask({ "x-api-key": key })).toEqual([200, userId]);
  });

  it("is offered only with guards", async () => {
    const { auth } = await createFixtureWithAda();
    expect(authRoutes(auth).map(({ path }) => path)).toContain("/auth/revoke");
    expect(authRoutes(auth).map(({ path }) => path)).not.toContain("/auth/introspect");
    for (const introspection of [{}, { guards: [] }, { guards: {} }, null]) {
      // @ts-expect-error: JavaScript callers can
      expect(() => authRoutes(auth, { introspection })).toThrow(ConfigurationError);
    }
  });
});

describe("the form of both", () => {
  it.each([
    ["no body", "", 400],
    ["no token", "token_type_hint=access_token", 400],
    ["an empty token", "token=", 400],
    ["two tokens", "token=a&token=b", 400],
    ["a hint twice", "token=a&token_type_hint=b&token_type_hint=c", 400],
    ["bytes that are no UTF-8", "token=%ff", 400],
    ["half an escape", "token=%4", 400],
    ["raw bytes", "token=é", 400],
    ["a prototype's name", "token=a&__proto__=b&constructor=c", 200],
    ["more than it needs to be", `token=${"a".repeat(40_000)}`, 413],
  ])("%s", async (_name, body, status) => {
    const { post, auth, faults } = await createService();
    const authorization = `Bearer ${(await auth.createSystemToken({ service: "gateway", audience: "auth" })).token}`;
    for (const path of ["revoke", "introspect"]) {
      const response = await post(path, body, { authorization });
      expect(response.status).toBe(status);
      if (status === 400) expect(await response.json()).toMatchObject({ error: "invalid_request", code: 2001 });
    }
    expect(faults).toEqual([]);
  });

  it.each(["application/json", "text/plain", "multipart/form-data; boundary=x", `${FORM}x`])("%s is another media type", async (type) => {
    const { post } = await createService();
    expect((await post("revoke", "token=a", { "content-type": type })).status).toBe(415);
  });

  it("parameters of the media type and its case do not matter; the query is no form", async () => {
    const { post } = await createService();
    expect((await post("revoke", "token=a", { "content-type": "Application/X-WWW-Form-Urlencoded; charset=UTF-8" })).status).toBe(200);
    expect((await post("revoke?token=a", "")).status).toBe(400);
  });
});

it("AUTH-G1 a dead store is 503 for both, never a 200", async () => {
  const { store, clock, pair, users } = await createService();
  const { accessToken, refreshToken } = await pair();
  for (const port of ["sessions", "subjects", "tickets"] as const) {
    const dead = await createServiceOn(withDeadPort(store, port, "rejects"));
    const response = await dead.revoke(accessToken);
    expect(response.status).toBe(503);
    if (port === "sessions") expect((await dead.revoke(refreshToken)).status).toBe(503);
    expect(dead.faults[0]).toBeInstanceOf(StoreUnavailable);
  }

  async function createServiceOn(deadStore: typeof store) {
    const { createAuth } = await import("@portcullis/auth");
    const auth = createAuth({ store: deadStore, users, secrets: SECRET, apiKeyPeppers: SECRET.toUpperCase(), clock });
    const faults: unknown[] = [];
    const handler = toFetchHandler(createApp({ routes: authRoutes(auth), onFault: ({ error }) => void faults.push(error) }));
    const revoke = async (token: string) =>
      handler(new Request("http://localhost/auth/revoke", { method: "POST", body: new URLSearchParams({ token }) }));
    return { revoke, faults };
  }
});
