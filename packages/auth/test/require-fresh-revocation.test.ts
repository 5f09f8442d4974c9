// The guard for operations that must not rely on anything remembered.
import {
  createMemoryStore,
  createFacts,
  type GuardRequest,
  type MemoryStore,
  principalFact,
  StoreUnavailable,
  type UserPrincipal,
  userPrincipal,
  type Verdict,
} from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { accessTokenFact, type Auth, authenticate, requireFreshRevocation } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import {
  asynchronous,
  createFixture,
  createFixtureWithAda,
  EMAIL,
  PASSWORD,
  requestOf,
  valueOf,
  withDeadPort,
  wrapPort,
} from "./auth-fixture.js";

const subject = { userId: "ada", role: "member" };

/** A request that `authenticate` has let in. */
async function letIn(auth: Auth, credential: string): Promise<GuardRequest> {
  const request = requestOf({ authorization: `Bearer ${credential}` });
  expect(await authenticate(auth, { required: true }).check(request)).toMatchObject({ kind: "allow" });
  return request;
}

function codeOf(verdict: Verdict): number | "allow" | "answer" {
  return verdict.kind === "deny" ? verdict.problem.code : verdict.kind;
}

describe("requireFreshRevocation", () => {
  it("refuses what ended elsewhere though it is remembered as good, 401 with the challenge", async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    const { auth } = createFixture({ clock, store: asynchronous(memory), revocation: { maxStalenessMs: 60_000 } });
    const guard = requireFreshRevocation(auth);
    type End = (sessionId: string, tokenId: string) => unknown;
    const ends: Record<string, End> = {
      session: () => memory.sessions.revoke("ada"),
      blacklist: (_sessionId, tokenId) => memory.tickets.put(`auth:revoked:${tokenId}`, "1", 60_000),
      tv: () => memory.subjects.bump("ada", "tokenVersion"),
      pwd_sig: () => memory.subjects.bump("ada", "passwordVersion"),
      disabled: () => memory.subjects.setDisabled("ada", true),
    };
    for (const [what, end] of Object.entries(ends)) {
      const { accessToken, sessionId } = await auth.createTokenPair(subject);
      for (let time = 0; time < 3; time += 1) await auth.verifyAccessToken(accessToken);
      const { tokenId } = valueOf(await auth.verifyAccessToken(accessToken));
      expect(codeOf(await guard.check(await letIn(auth, accessToken)))).toBe("allow");
      await end(sessionId, tokenId);
      const request = await letIn(auth, accessToken);
      const verdict = await guard.check(request);
      expect([what, codeOf(verdict)]).toEqual([what, 1004]);
      expect(verdict).toMatchObject({ problem: { status: 401 }, headers: [["www-authenticate", 'Bearer error="invalid_token"']] });
    }
  });

  it("lets a session from a cookie pass while it lasts, and refuses it when it ended elsewhere", async () => {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    const { auth } = createFixture({ clock, store: asynchronous(memory), revocation: { maxStalenessMs: 60_000 }, cookies: {} });
    const { accessToken } = await auth.createTokenPair(subject);
    const request = requestOf({ cookie: `__Host-session=${accessToken}` });
    expect(await authenticate(auth, { required: true }).check(request)).toMatchObject({ kind: "allow" });
    expect(codeOf(await requireFreshRevocation(auth).check(request))).toBe("allow");
    await memory.sessions.revoke("ada");
    expect(codeOf(await requireFreshRevocation(auth).check(request))).toBe(1004);
  });

  it("answers without a promise while the store does", async () => {
    const { auth } = createFixture();
    const { accessToken } = await auth.createTokenPair(subject);
    const verdict = requireFreshRevocation(auth).check(await letIn(auth, accessToken));
    expect(verdict).toEqual({ kind: "allow" });
  });

  it("AUTH-G1 a store that does not answer is a fault, whatever may be used in an outage", async () => {
    const memory = createMemoryStore();
    let isDown = false;
    const flaky = <Port extends object>(port: Port): Port =>
      wrapPort(port, (method) => async (...args) => {
        if (isDown) throw new StoreUnavailable("a port");
        return method(...args);
      });
    const store: MemoryStore = {
      ...memory,
      subjects: flaky(memory.subjects),
      sessions: flaky(memory.sessions),
      tickets: flaky(memory.tickets),
    };
    const { auth } = createFixture({ store, revocation: { whenUnavailable: "use-remembered" } });
    const { accessToken } = await auth.createTokenPair(subject);
    for (let time = 0; time < 3; time += 1) await auth.verifyAccessToken(accessToken);
    isDown = true;
    await expect((async () => requireFreshRevocation(auth).check(await letIn(auth, accessToken)))()).rejects.toThrow(StoreUnavailable);
  });

  it("reads an API key and its owner again", async () => {
    const fixture = await createFixtureWithAda();
    const { auth, userId, store, clock } = fixture;
    const { tokens } = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    const { principal } = valueOf(await auth.verifyAccessToken(tokens.accessToken));
    const guard = requireFreshRevocation(auth);
    const keys = await Promise.all(
      Array.from({ length: 3 }, async () => valueOf(await auth.apiKeys.create(principal, { name: "ci", ttlMs: 60_000 }))),
    );
    const requests = await Promise.all(keys.map(async ({ key }) => letIn(auth, key)));
    const [one, two, three] = requests as [GuardRequest, GuardRequest, GuardRequest]; // as many as keys
    expect(codeOf(await guard.check(one))).toBe("allow");
    await auth.apiKeys.revoke(principal, keys[0]?.info.id ?? "");
    expect(codeOf(await guard.check(one))).toBe(1009);
    await auth.setDisabled(userId, true);
    expect(codeOf(await guard.check(two))).toBe(1009);
    await auth.setDisabled(userId, false);
    expect(codeOf(await guard.check(three))).toBe("allow");
    clock.advance(60_000);
    expect(codeOf(await guard.check(three))).toBe(1009);
    const dead = createFixture({ store: withDeadPort(store, "apiKeys", "rejects"), users: fixture.users, clock });
    await expect(requireFreshRevocation(dead.auth).check(two)).rejects.toThrow(StoreUnavailable);
  });

  it("refuses a request without a caller, and a token that is another's or a copy", async () => {
    const { auth, store } = createFixture();
    const guard = requireFreshRevocation(auth);
    expect(codeOf(await guard.check(requestOf()))).toBe(1001);
    const { accessToken } = await auth.createTokenPair(subject);
    const { auth: other } = createFixture({ store });
    const request = await letIn(other, accessToken);
    expect(codeOf(await guard.check(request))).toBe(1002);
    const copied = requestOf();
    const token = valueOf(await auth.verifyAccessToken(accessToken));
    const facts = createFacts();
    facts.set(principalFact, token.principal);
    facts.set(accessTokenFact, { ...token });
    expect(codeOf(await guard.check({ ...copied, facts }))).toBe(1002);
  });

  it("of an identity that a trusted caller vouches for, asks whether the account is disabled; a service passes", async () => {
    const { auth, store } = createFixture();
    const guard = requireFreshRevocation(auth);
    const vouched = requestOf();
    vouched.facts.set(principalFact, userPrincipal({ id: "ada", roles: [], authMethod: "forwarded", via: "gateway" }));
    expect(codeOf(await guard.check(vouched))).toBe("allow");
    await store.subjects.setDisabled("ada", true);
    expect(codeOf(await guard.check(vouched))).toBe(1004);
    const service = requestOf();
    const {
      email: _email,
      sessionId: _sid,
      tokenVersion: _tv,
      mfaAt: _mfa,
      mustChangePassword: _must,
      ...base
    } = userPrincipal({
      id: "worker",
      roles: [],
    }) as UserPrincipal; // what userPrincipal makes
    service.facts.set(principalFact, Object.freeze({ ...base, type: "service", name: "worker" }));
    expect(codeOf(await guard.check(service))).toBe("allow");
  });

  it("takes only what createAuth made", () => {
    const { auth } = createFixture();
    expect(() => requireFreshRevocation({ ...auth })).toThrow(/requireFreshRevocation\.auth/);
  });
});
