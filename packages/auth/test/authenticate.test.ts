import { ConfigurationError, createGuardChain, principalFact, type Verdict } from "@portcullis/core";
import { accessTokenFact, authenticate } from "@portcullis/auth";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asynchronous, createFixture, createFixtureWithAda, requestOf, valueOf, withDeadPort } from "./auth-fixture.js";

const bearer = (credential: string): Record<string, string> => ({ authorization: `Bearer ${credential}` });

function outcome(verdict: Verdict): number | string {
  return verdict.kind === "deny" ? verdict.problem.code : verdict.kind;
}

async function createFixtureWithCredentials() {
  const fixture = await createFixtureWithAda();
  const { accessToken, refreshToken } = await fixture.auth.createTokenPair({ userId: fixture.userId, role: "member" });
  const { principal } = valueOf(await fixture.auth.verifyAccessToken(accessToken));
  const { key, info } = valueOf(await fixture.auth.apiKeys.create(principal, { name: "ci" }));
  return { ...fixture, accessToken, refreshToken, key, keyId: info.id };
}

describe("authenticate", () => {
  it("publishes a frozen principal and the verified token, at once on the memory store", async () => {
    const { auth, accessToken, userId } = await createFixtureWithCredentials();
    const request = requestOf(bearer(accessToken));
    expect(authenticate(auth, { required: true }).check(request)).toEqual({ kind: "allow" });
    const principal = request.facts.get(principalFact);
    expect(principal).toMatchObject({ type: "user", id: userId, roles: ["member"] });
    expect(Object.isFrozen(principal)).toBe(true);
    expect(request.facts.get(accessTokenFact)?.principal).toBe(principal);
    expect(JSON.stringify(request.facts.get(accessTokenFact))).not.toContain(accessToken);
  });

  it("answers with a promise where the store does, and the same", async () => {
    const { store, clock, users, accessToken } = await createFixtureWithCredentials();
    const { auth } = createFixture({ store: asynchronous(store), clock, users });
    const request = requestOf(bearer(accessToken));
    const verdict = authenticate(auth, { required: true }).check(request);
    expect(verdict).toBeInstanceOf(Promise);
    expect(outcome(await verdict)).toBe("allow");
    expect(request.facts.get(principalFact)?.type).toBe("user");
  });

  it("takes an API key as a bearer token or as X-API-Key, and notes its use after the response", async () => {
    const { auth, store, key, keyId, userId } = await createFixtureWithCredentials();
    for (const headers of [bearer(key), { "x-api-key": key }]) {
      const request = requestOf(headers);
      const verdict = await authenticate(auth, { required: true }).check(request);
      expect(outcome(verdict)).toBe("allow");
      expect(request.facts.get(principalFact)).toMatchObject({ type: "apiKey", ownerId: userId });
      expect(request.facts.get(accessTokenFact)).toBeUndefined();
      await verdict.settle?.({ kind: "responded", status: 200 });
    }
    expect((await store.apiKeys.find(keyId))?.lastUsedAt).toBeDefined();
  });

  it("without a credential: denied where required, anonymous where not", async () => {
    const { auth } = createFixture();
    expect(outcome(await authenticate(auth, { required: true }).check(requestOf()))).toBe(1001);
    const request = requestOf();
    expect(outcome(await authenticate(auth, { required: false }).check(request))).toBe("allow");
    expect(request.facts.get(principalFact)).toBeUndefined();
  });

  it("a bad credential is denied also where none is required, and says so (RFC 6750 §3.1)", async () => {
    const { auth, accessToken, refreshToken, key, clock } = await createFixtureWithCredentials();
    const guard = authenticate(auth, { required: false });
    const challenge = [["www-authenticate", 'Bearer error="invalid_token"']];
    for (const headers of [
      bearer(refreshToken),
      bearer(`${accessToken}x`),
      bearer(`${key}x`),
      { "x-api-key": "nonsense" },
      { "x-api-key": "" },
      { authorization: "" },
      { authorization: "Bearer" },
      { authorization: "Bearer " },
      { authorization: `Bearer  ${accessToken}` },
      { authorization: ` Bearer ${accessToken}` },
      { authorization: `Bearer\t${accessToken}` },
      { authorization: accessToken },
      { authorization: `Basic ${Buffer.from("ada:secret").toString("base64")}` },
      { authorization: `Token ${accessToken}` },
    ]) {
      const request = requestOf(headers);
      const verdict = await guard.check(request);
      expect(verdict).toMatchObject({ kind: "deny", problem: { status: 401 }, headers: challenge });
      expect(request.facts.get(principalFact)).toBeUndefined();
    }
    clock.advance(3_600_000);
    expect(outcome(await guard.check(requestOf(bearer(accessToken))))).toBe(1003);
  });

  it("the scheme is read in any case", async () => {
    const { auth, accessToken } = await createFixtureWithCredentials();
    for (const scheme of ["bearer", "BEARER", "bEaReR"]) {
      expect(outcome(await authenticate(auth, { required: true }).check(requestOf({ authorization: `${scheme} ${accessToken}` })))).toBe(
        "allow",
      );
    }
  });

  it("two credentials are 400, whichever of them is good, also where a host joined them", async () => {
    const { auth, accessToken, key } = await createFixtureWithCredentials();
    const guard = authenticate(auth, { required: false });
    for (const request of [
      requestOf(bearer(accessToken), { authorization: 2 }),
      requestOf({ "x-api-key": key }, { "x-api-key": 2 }),
      requestOf({ ...bearer(accessToken), "x-api-key": key }),
      requestOf({ authorization: `Bearer ${accessToken}, Bearer ${accessToken}` }),
      requestOf({ "x-api-key": `${key}, ${key}` }),
    ]) {
      expect(outcome(await guard.check(request))).toBe(1007);
    }
  });

  it("never reads a credential from the query", async () => {
    const { auth, accessToken } = await createFixtureWithCredentials();
    const request = { ...requestOf(), target: `/?access_token=${accessToken}&token=${accessToken}&api_key=x` };
    expect(outcome(await authenticate(auth, { required: true }).check(request))).toBe(1001);
  });

  it("must_change_password is denied, unless the guard is of a route that is needed to get out of it", async () => {
    const { auth } = createFixture();
    const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member", mustChangePassword: true });
    const denied = requestOf(bearer(accessToken));
    expect(outcome(await authenticate(auth, { required: true }).check(denied))).toBe(1103);
    expect(denied.facts.get(principalFact)).toBeUndefined();
    const allowed = requestOf(bearer(accessToken));
    expect(outcome(await authenticate(auth, { required: false, mustChangePassword: "allow" }).check(allowed))).toBe("allow");
    expect(outcome(await authenticate(auth, { required: true }).check(allowed))).toBe(1103);
  });

  it("mounted twice it verifies once", async () => {
    const { auth, accessToken, counted } = await createFixtureWithCredentials();
    const before = counted.length;
    const chain = createGuardChain([authenticate(auth, { required: false }), authenticate(auth, { required: true })]);
    expect((await chain.run(requestOf(bearer(accessToken)))).stop).toBeUndefined();
    expect(counted.length - before).toBe(1);
  });

  it("behind the guard of another auth it refuses whom that one let in", async () => {
    const { auth, accessToken, key } = await createFixtureWithCredentials();
    const staff = createFixture({ audience: "staff" }).auth;
    for (const credential of [accessToken, key]) {
      const request = requestOf(bearer(credential));
      expect(outcome(await authenticate(auth, { required: false }).check(request))).toBe("allow");
      expect(outcome(await authenticate(staff, { required: true }).check(request))).toBe(1002);
      expect(outcome(await authenticate(auth, { required: true }).check(request))).toBe("allow");
    }
  });

  it("AUTH-G1 a store that does not answer is 503, with and without required", async () => {
    const { store, clock, users, accessToken, key } = await createFixtureWithCredentials();
    for (const manner of ["throws", "rejects"] as const) {
      for (const [port, credential] of [
        ["subjects", accessToken],
        ["sessions", accessToken],
        ["tickets", accessToken],
        ["apiKeys", key],
      ] as const) {
        const { auth } = createFixture({ store: withDeadPort(store, port, manner), clock, users });
        const request = requestOf(bearer(credential));
        const run = await createGuardChain([authenticate(auth, { required: false })]).run(request);
        expect(run.stop).toMatchObject({ kind: "deny", problem: { code: 8002, status: 503 } });
        expect(request.facts.get(principalFact)).toBeUndefined();
      }
    }
  });

  it("AUTH-G2 no header makes it throw", async () => {
    const { auth } = await createFixtureWithCredentials();
    const guard = authenticate(auth, { required: true });
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.string().map((value) => `Bearer ${value}`),
      fc.base64String().map((value) => `Bearer ${value}.${value}.${value}`),
    );
    await fc.assert(
      fc.asyncProperty(fc.record({ authorization: text, "x-api-key": text }, { requiredKeys: [] }), async (headers) => {
        const verdict = await guard.check(requestOf(headers));
        return verdict.kind === "deny" && verdict.problem.status < 500;
      }),
    );
  });

  it("required has no default", () => {
    const { auth } = createFixture();
    // @ts-expect-error: JavaScript callers can
    expect(() => authenticate(auth, {})).toThrow(ConfigurationError);
    // @ts-expect-error: JavaScript callers can
    expect(() => authenticate(auth)).toThrow(ConfigurationError);
  });

  it("a choice that is misspelt is refused, not taken for the lax one", () => {
    const { auth } = createFixture();
    for (const option of ["mustChangePassword", "mfa", "csrf"]) {
      expect(() => authenticate(auth, { required: true, [option]: "denied" })).toThrow(`authenticate.${option}`);
    }
  });
});
