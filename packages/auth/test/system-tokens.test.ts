import { createHmac } from "node:crypto";
import { ALLOW, ConfigurationError, createFacts, type Guard, principalFact, StoreUnavailable, type Verdict } from "@portcullis/core";
import {
  accessTokenFact,
  authenticate,
  authenticateSystem,
  generateSigningKeys,
  loadSigningKeys,
  systemTokenFact,
  type NewSystemToken,
} from "@portcullis/auth";
import { beforeAll, describe, expect, it } from "vitest";
import {
  asynchronous,
  type AuthFixture,
  codeOf,
  createFixture,
  createFixtureWithAda,
  OLD_SECRET,
  requestOf,
  SECRET,
  valueOf,
  withDeadPort,
} from "./auth-fixture.js";

const FOR_BILLING = { service: "scheduler", audience: "billing" };
const BILLING = { audience: "billing" };
const segment = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const decoded = (token: string, part: 0 | 1): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split(".")[part] ?? "", "base64url").toString()) as Record<string, unknown>;
const sign = (header: object, claims: object, secret = SECRET): string => {
  const input = `${segment(header)}.${segment(claims)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
};
const bearer = (token: string) => requestOf({ authorization: `Bearer ${token}` });
const codeOfVerdict = (verdict: Verdict): number | string => (verdict.kind === "deny" ? verdict.problem.code : verdict.kind);
const ask = async (guard: Guard, token: string): Promise<number | string> => codeOfVerdict(await guard.check(bearer(token)));

describe("createSystemToken", () => {
  it("makes tokens of their own type, five minutes long unless told otherwise, an hour at most", async () => {
    const { auth, clock, events, counted } = createFixture({ issuer: "https://id.example" });
    const made = await auth.createSystemToken({ ...FOR_BILLING, roles: ["job"], scopes: ["invoices:write", "invoices:read"] });
    const now = Math.floor(clock.now() / 1000);
    expect(decoded(made.token, 0)).toMatchObject({ alg: "HS256", typ: "st+jwt" });
    expect(decoded(made.token, 1)).toEqual({
      iss: "https://id.example",
      sub: "system:scheduler",
      aud: "billing",
      iat: now,
      exp: now + 300,
      tv: 1,
      role: ["job"],
      scope: "invoices:write invoices:read",
      type: "system",
      jti: made.tokenId,
    });
    expect([made.issuedAt, made.expiresAt]).toEqual([now * 1000, (now + 300) * 1000]);
    const { principal, ...rest } = valueOf(await auth.verifySystemToken(made.token, BILLING));
    expect(principal).toEqual({
      type: "system",
      id: "system:scheduler",
      audience: "billing",
      orgId: undefined,
      workspaceId: undefined,
      roles: ["job"],
      orgRoles: [],
      scopes: ["invoices:write", "invoices:read"],
      authMethod: "system",
    });
    expect(rest).toEqual({
      service: "scheduler",
      audiences: ["billing"],
      tokenId: made.tokenId,
      issuedAt: made.issuedAt,
      expiresAt: made.expiresAt,
    });
    for (const value of [principal, principal.roles, principal.scopes, rest.audiences]) expect(Object.isFrozen(value)).toBe(true);
    expect(events).toEqual([{ kind: "system_token_issued", service: "scheduler", tokenId: made.tokenId, audiences: ["billing"] }]);
    expect(counted).toEqual(["auth_tokens_issued_total{system}", "auth_attempts_total{system_token,success}"]);
    const hour = await auth.createSystemToken({ ...FOR_BILLING, ttlMs: 3_600_000 });
    expect(codeOf(await auth.verifySystemToken(hour.token, BILLING))).toBe("ok");
  });

  it("without scopes there is no bound, with none there are none", async () => {
    const { auth } = createFixture();
    const scopesOf = async (scopes?: readonly string[]) => {
      const { token } = await auth.createSystemToken({ ...FOR_BILLING, ...(scopes === undefined ? {} : { scopes }) });
      return valueOf(await auth.verifySystemToken(token, BILLING)).principal.scopes;
    };
    expect([await scopesOf(), await scopesOf([]), await scopesOf(["a"])]).toEqual([undefined, [], ["a"]]);
  });

  it.each([
    undefined,
    { service: "a" },
    { audience: "b" },
    { service: "", audience: "b" },
    { service: "a b", audience: "b" },
    { service: "-a", audience: "b" },
    { service: "a".repeat(101), audience: "b" },
    { service: "a\0", audience: "b" },
    { service: "a", audience: "" },
    { service: "a", audience: [] },
    { service: "a", audience: [""] },
    { service: "a", audience: ["b", 1] },
    { service: "a", audience: "b".repeat(201) },
    { service: "a", audience: Array.from({ length: 17 }, (_, index) => `b${index}`) },
    { service: "a", audience: "b", ttlMs: 999 },
    { service: "a", audience: "b", ttlMs: 3_600_001 },
    { service: "a", audience: "b", ttlMs: Number.NaN },
    { service: "a", audience: "b", ttlMs: "60000" },
    { service: "a", audience: "b", roles: "admin" },
    { service: "a", audience: "b", roles: [1] },
    { service: "a", audience: "b", scopes: ["a b"] },
    { service: "a", audience: "b", scopes: [""] },
  ])("%j is refused", async (request) => {
    await expect(createFixture().auth.createSystemToken(request as NewSystemToken)).rejects.toThrow(ConfigurationError);
  });

  it("a token that nobody would accept is not made", async () => {
    const roles = Array.from({ length: 1000 }, (_, index) => `role-${index}`);
    await expect(createFixture().auth.createSystemToken({ ...FOR_BILLING, roles })).rejects.toMatchObject({ code: "token_too_large" });
  });
});

describe("AUTH-J10 audiences (RFC 7519 §4.1.3)", () => {
  it("one of several is enough; the same text is, and nothing like it", async () => {
    const { auth } = createFixture();
    const { token } = await auth.createSystemToken({ service: "scheduler", audience: ["billing", "mail"] });
    expect(valueOf(await auth.verifySystemToken(token, { audience: "mail" })).principal.audience).toBe("mail");
    for (const audience of ["Billing", "billing ", "bill", "billing,mail", "*"]) {
      expect(codeOf(await auth.verifySystemToken(token, { audience }))).toBe(1002);
    }
  });

  it("without an audience, or with one of another shape, a token is good nowhere", async () => {
    const { auth } = createFixture();
    const { token } = await auth.createSystemToken(FOR_BILLING);
    const [header, claims] = [decoded(token, 0), decoded(token, 1)];
    const check = async (changes: object) => codeOf(await auth.verifySystemToken(sign(header, { ...claims, ...changes }), BILLING));
    expect([await check({}), await check({ aud: ["billing"] }), await check({ aud: ["other", "billing"] })]).toEqual(["ok", "ok", "ok"]);
    for (const aud of [
      undefined,
      null,
      "",
      [],
      [""],
      ["billing", 1],
      ["billing", null],
      [["billing"]],
      { billing: true },
      "other",
      ["other"],
      1,
      true,
    ]) {
      expect(await check({ aud }), JSON.stringify(aud)).toBe(1002);
    }
  });

  it("whoever verifies must say who it is", async () => {
    const { auth } = createFixture();
    const { token } = await auth.createSystemToken(FOR_BILLING);
    for (const expected of [undefined, {}, { audience: "" }, { audience: ["billing"] }]) {
      // @ts-expect-error: JavaScript callers can
      expect(() => auth.verifySystemToken(token, expected)).toThrow(ConfigurationError);
      // @ts-expect-error: JavaScript callers can
      expect(() => authenticateSystem(auth, expected)).toThrow(ConfigurationError);
    }
  });
});

describe("AUTH-J10 each kind of credential opens what it is for, and nothing else", () => {
  let fixture: AuthFixture & { readonly userId: string };
  let credentials: Record<"access" | "refresh" | "system" | "elsewhere" | "apiKey", string>;
  beforeAll(async () => {
    fixture = await createFixtureWithAda();
    const { auth, userId } = fixture;
    const pair = await auth.createTokenPair({ userId, role: "admin" });
    const { principal } = valueOf(await auth.verifyAccessToken(pair.accessToken));
    credentials = {
      access: pair.accessToken,
      refresh: pair.refreshToken,
      system: (await auth.createSystemToken(FOR_BILLING)).token,
      elsewhere: (await auth.createSystemToken({ ...FOR_BILLING, audience: "mail" })).token,
      apiKey: valueOf(await auth.apiKeys.create(principal, { name: "ci" })).key,
    };
  });

  it.each([
    ["access", { user: "allow", system: 1002, refresh: 1002 }],
    ["refresh", { user: 1002, system: 1002, refresh: "ok" }],
    ["system", { user: 1002, system: "allow", refresh: 1002 }],
    ["elsewhere", { user: 1002, system: 1002, refresh: 1002 }],
    ["apiKey", { user: "allow", system: 1002, refresh: 1002 }],
  ] as const)("%s", async (name, expected) => {
    const { auth } = fixture;
    const token = credentials[name];
    const found = {
      user: await ask(authenticate(auth, { required: true }), token),
      system: await ask(authenticateSystem(auth, BILLING), token),
      refresh: codeOf(await auth.refresh(token)),
    };
    expect(found).toEqual(expected);
    const optional = await ask(authenticate(auth, { required: false }), token);
    expect(optional).toBe(expected.user);
  });

  it("the type in the header and the claim must both be right, whoever signed", async () => {
    const { auth } = fixture;
    const types = [
      ["at+jwt", "access"],
      ["rt+jwt", "refresh"],
      ["st+jwt", "system"],
    ] as const;
    // All that any of them asks for, so that nothing but the types is wrong.
    const everything = { ...decoded(credentials.refresh, 1), ...decoded(credentials.access, 1), ...decoded(credentials.system, 1) };
    for (const [typ] of types) {
      for (const [, type] of types) {
        for (const sub of [fixture.userId, "system:scheduler"]) {
          const token = sign({ ...decoded(credentials.access, 0), typ }, { ...everything, sub, type });
          const verified = codeOf(await auth.verifySystemToken(token, BILLING));
          expect(verified, `${typ} ${type} ${sub}`).toBe(typ === "st+jwt" && type === "system" && sub.startsWith("system:") ? "ok" : 1002);
          if (typ !== "at+jwt" || type !== "access") expect(codeOf(await auth.verifyAccessToken(token))).toBe(1002);
          if (typ !== "rt+jwt" || type !== "refresh") expect(codeOf(await auth.refresh(token))).toBe(1002);
        }
      }
    }
  });
});

describe("authenticateSystem", () => {
  it("publishes a frozen system principal and the token", async () => {
    const { auth } = createFixture();
    const { token, tokenId } = await auth.createSystemToken({ ...FOR_BILLING, roles: ["job"] });
    const request = bearer(token);
    expect(authenticateSystem(auth, BILLING).check(request)).toBe(ALLOW);
    expect(request.facts.get(principalFact)).toMatchObject({ type: "system", id: "system:scheduler", roles: ["job"], audience: "billing" });
    expect(Object.isFrozen(request.facts.get(principalFact))).toBe(true);
    expect(request.facts.get(systemTokenFact)?.tokenId).toBe(tokenId);
    expect(request.facts.get(accessTokenFact)).toBeUndefined();
  });

  it("refuses nothing, garbage, two credentials, with a challenge", async () => {
    const { auth } = createFixture();
    const guard = authenticateSystem(auth, BILLING);
    const { token } = await auth.createSystemToken(FOR_BILLING);
    expect(await guard.check(requestOf())).toMatchObject({ kind: "deny", problem: { status: 401, code: 1001 } });
    expect(await guard.check(bearer("a.b.c"))).toMatchObject({
      problem: { status: 401, code: 1002 },
      headers: [["www-authenticate", 'Bearer error="invalid_token"']],
    });
    expect(codeOfVerdict(await guard.check(requestOf({ authorization: `Basic ${token}` })))).toBe(1002);
    expect(codeOfVerdict(await guard.check(requestOf({ authorization: `Bearer ${token}`, "x-api-key": "k" })))).toBe(1007);
    expect(codeOfVerdict(await guard.check(requestOf({ authorization: `Bearer ${token}` }, { authorization: 2 })))).toBe(1007);
    expect(codeOfVerdict(await guard.check(requestOf({ authorization: `Bearer ${token}, Bearer ${token}` })))).toBe(1007);
  });

  it("behind another guard it looks again: a user stays out, another audience too", async () => {
    const { auth } = createFixture();
    const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "admin" });
    const request = bearer(accessToken);
    expect(codeOfVerdict(await authenticate(auth, { required: true }).check(request))).toBe("allow");
    expect(codeOfVerdict(await authenticateSystem(auth, BILLING).check(request))).toBe(1002);
    const { token } = await auth.createSystemToken({ service: "scheduler", audience: ["billing", "mail"] });
    const system = bearer(token);
    for (const audience of ["billing", "mail", "billing"]) {
      expect(codeOfVerdict(await authenticateSystem(auth, { audience }).check(system))).toBe("allow");
    }
    expect(codeOfVerdict(await authenticateSystem(auth, { audience: "other" }).check(system))).toBe(1002);
    const forwarded = { ...requestOf(), facts: createFacts() };
    forwarded.facts.set(principalFact, valueOf(await auth.verifySystemToken(token, BILLING)).principal);
    expect(codeOfVerdict(await authenticateSystem(auth, BILLING).check(forwarded))).toBe(1002);
  });
});

describe("system tokens end", () => {
  it("at exp exactly", async () => {
    const { auth, clock } = createFixture();
    const { token, expiresAt } = await auth.createSystemToken({ ...FOR_BILLING, ttlMs: 1_999 });
    clock.set(expiresAt - 1);
    expect(codeOf(await auth.verifySystemToken(token, BILLING))).toBe("ok");
    clock.set(expiresAt);
    expect(codeOf(await auth.verifySystemToken(token, BILLING))).toBe(1003);
  });

  it("a life longer than an hour is refused though a secret of ours signed it", async () => {
    const { auth } = createFixture();
    const { token } = await auth.createSystemToken(FOR_BILLING);
    const [header, claims] = [decoded(token, 0), decoded(token, 1)];
    const iat = Number(claims["iat"]);
    for (const [life, verdict] of [
      [3600, "ok"],
      [3601, 1002],
    ] as const) {
      expect(codeOf(await auth.verifySystemToken(sign(header, { ...claims, exp: iat + life }), BILLING))).toBe(verdict);
    }
  });

  it.each([
    { jti: undefined },
    { tv: 0 },
    { tv: "1" },
    { role: undefined },
    { role: "job" },
    { role: [1] },
    { scope: ["a"] },
    { sub: "system:" + "x".repeat(128) },
    { iat: null },
    { exp: 1e300 },
  ])("claims %j are refused", async (changes) => {
    const { auth } = createFixture();
    const { token } = await auth.createSystemToken(FOR_BILLING);
    expect(codeOf(await auth.verifySystemToken(sign(decoded(token, 0), { ...decoded(token, 1), ...changes }), BILLING))).toBe(1002);
  });

  it("one by one, by jti", async () => {
    const { auth, events } = createFixture();
    const [one, other] = [await auth.createSystemToken(FOR_BILLING), await auth.createSystemToken(FOR_BILLING)];
    await auth.revokeSystemToken(valueOf(await auth.verifySystemToken(one.token, BILLING)));
    expect([codeOf(await auth.verifySystemToken(one.token, BILLING)), codeOf(await auth.verifySystemToken(other.token, BILLING))]).toEqual([
      1004,
      "ok",
    ]);
    expect(events.at(-1)).toEqual({ kind: "system_token_revoked", service: "scheduler", tokenId: one.tokenId });
  });

  it("all of a service, by its version; those of others and new ones go on", async () => {
    const { auth, store, events } = createFixture();
    const old = (await auth.createSystemToken(FOR_BILLING)).token;
    const others = (await auth.createSystemToken({ ...FOR_BILLING, service: "mailer" })).token;
    expect(await Promise.all([auth.revokeSystemTokens("scheduler"), auth.revokeSystemTokens("scheduler")])).toEqual([2, 3]);
    expect((await store.subjects.read("system:scheduler")).tokenVersion).toBe(3);
    const fresh = (await auth.createSystemToken(FOR_BILLING)).token;
    const verdicts = await Promise.all([old, others, fresh].map(async (token) => codeOf(await auth.verifySystemToken(token, BILLING))));
    expect(verdicts).toEqual([1004, "ok", "ok"]);
    expect(events).toContainEqual({ kind: "system_tokens_revoked", service: "scheduler", tokenVersion: 3 });
    await expect(auth.revokeSystemTokens("")).rejects.toThrow(ConfigurationError);
  });

  it("with a version that was never issued: refused, and told", async () => {
    const { auth, events } = createFixture();
    const { token } = await auth.createSystemToken(FOR_BILLING);
    expect(codeOf(await auth.verifySystemToken(sign(decoded(token, 0), { ...decoded(token, 1), tv: 2 }), BILLING))).toBe(1002);
    expect(events.at(-1)).toEqual({ kind: "token_version_ahead", userId: "system:scheduler", tokenVersion: 2, currentVersion: 1 });
  });

  it("while the service is disabled", async () => {
    const { auth, store } = createFixture();
    const { token } = await auth.createSystemToken(FOR_BILLING);
    await store.subjects.setDisabled("system:scheduler", true);
    expect(codeOf(await auth.verifySystemToken(token, BILLING))).toBe(1004);
  });

  it("AUTH-G1 a store that does not answer is a fault, whichever part it is", async () => {
    const { auth: maker, store, clock } = createFixture();
    const { token } = await maker.createSystemToken(FOR_BILLING);
    for (const port of ["subjects", "tickets"] as const) {
      for (const manner of ["throws", "rejects"] as const) {
        for (const base of [store, asynchronous(store)]) {
          const { auth } = createFixture({ store: withDeadPort(base, port, manner), clock });
          await expect((async () => auth.verifySystemToken(token, BILLING))()).rejects.toThrow(StoreUnavailable);
          await expect((async () => authenticateSystem(auth, BILLING).check(bearer(token)))()).rejects.toThrow(StoreUnavailable);
        }
      }
    }
  });

  it("on a store behind a network it is the same", async () => {
    const { auth: maker, store, clock } = createFixture();
    const { token } = await maker.createSystemToken(FOR_BILLING);
    const { auth } = createFixture({ store: asynchronous(store), clock });
    expect(codeOf(await auth.verifySystemToken(token, BILLING))).toBe("ok");
    await auth.revokeSystemTokens("scheduler");
    expect(codeOf(await auth.verifySystemToken(token, BILLING))).toBe(1004);
  });
});

describe("keys of system tokens", () => {
  it("the first secret signs, all verify; a key pair where there is one", async () => {
    const { auth: old, store, clock } = createFixture({ secrets: OLD_SECRET });
    const { token } = await old.createSystemToken(FOR_BILLING);
    const { privateKey, kid } = await generateSigningKeys("EdDSA");
    const { auth } = createFixture({ secrets: [SECRET, OLD_SECRET], signing: await loadSigningKeys(privateKey), store, clock });
    expect(codeOf(await auth.verifySystemToken(token, BILLING))).toBe("ok");
    const signed = (await auth.createSystemToken(FOR_BILLING)).token;
    expect(decoded(signed, 0)).toEqual({ alg: "EdDSA", typ: "st+jwt", kid });
    expect(codeOf(await auth.verifySystemToken(signed, BILLING))).toBe("ok");
    expect(codeOf(await old.verifySystemToken(signed, BILLING))).toBe(1002);
  });
});
