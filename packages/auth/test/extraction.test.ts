import { createGuardChain, type GuardRequest, principalFact, type Verdict } from "@portcullis/core";
import { accessTokenFact, authenticate, type AuthOptions, credentialFact } from "@portcullis/auth";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { asynchronous, createFixture, createFixtureWithAda, requestOf, valueOf, withDeadPort } from "./auth-fixture.js";

const S = "__Host-session";

async function createCredentials(options: Partial<AuthOptions> = {}) {
  const fixture = await createFixtureWithAda({ cookies: {}, ...options });
  const { auth, userId } = fixture;
  const ada = await auth.createTokenPair({ userId, role: "admin" });
  const ada2 = await auth.createTokenPair({ userId, role: "admin" });
  const eve = await auth.createTokenPair({ userId: "eve", role: "member" });
  const principal = valueOf(await auth.verifyAccessToken(ada.accessToken)).principal;
  const { key } = valueOf(await auth.apiKeys.create(principal, { name: "ci" }));
  const eveAccount = valueOf(await auth.createAccount({ email: "eve@example.com", password: "correct horse battery", roles: ["member"] }));
  const evePair = await auth.createTokenPair({ userId: eveAccount.id, role: "member" });
  const evesKey = valueOf(
    await auth.apiKeys.create(valueOf(await auth.verifyAccessToken(evePair.accessToken)).principal, { name: "ci" }),
  ).key;
  const ended = await auth.createTokenPair({ userId, role: "admin" });
  await auth.logout(valueOf(await auth.verifyAccessToken(ended.accessToken)));
  return {
    ...fixture,
    ada: ada.accessToken,
    refresh: ada.refreshToken,
    ada2: ada2.accessToken,
    eve: eve.accessToken,
    key,
    evesKey,
    ended: ended.accessToken,
  };
}

type Credentials = Awaited<ReturnType<typeof createCredentials>>;
type Source = "cookie" | "authorization" | "x-api-key";
type Case = readonly [
  what: string,
  fields: (known: Credentials) => Record<string, string>,
  wanted: Source | "nobody" | number,
  counts?: Record<string, number>,
];

const CASES: readonly Case[] = [
  // The order.
  ["nothing", () => ({}), 1001],
  ["cookies of others", () => ({ cookie: "a=1; b=2" }), 1001],
  ["an empty Cookie field", () => ({ cookie: "" }), 1001],
  ["the session cookie", ({ ada }) => ({ cookie: `${S}=${ada}` }), "cookie"],
  ["among others", ({ ada }) => ({ cookie: `a=1; ${S}=${ada}; b=2` }), "cookie"],
  ["without spaces", ({ ada }) => ({ cookie: `a=1;${S}=${ada};b=2` }), "cookie"],
  ["with empty pairs", ({ ada }) => ({ cookie: `; ;;${S}=${ada};;` }), "cookie"],
  ["a bearer token", ({ ada }) => ({ authorization: `Bearer ${ada}` }), "authorization"],
  ["an API key as bearer", ({ key }) => ({ authorization: `bEARER ${key}` }), "authorization"],
  ["an API key", ({ key }) => ({ "x-api-key": key }), "x-api-key"],
  ["cookies of others and a bearer token", ({ ada }) => ({ cookie: "a=1", authorization: `Bearer ${ada}` }), "authorization"],
  // Present and bad: never on to the next.
  ["a bad cookie, a good bearer token", ({ ada }) => ({ cookie: `${S}=bad`, authorization: `Bearer ${ada}` }), 1002],
  ["a bad cookie, a good API key", ({ key }) => ({ cookie: `${S}=bad`, "x-api-key": key }), 1002],
  ["an empty cookie, a good bearer token", ({ ada }) => ({ cookie: `${S}=`, authorization: `Bearer ${ada}` }), 1002],
  [
    "an ended session's cookie, a good bearer token",
    ({ ended, ada }) => ({ cookie: `${S}=${ended}`, authorization: `Bearer ${ada}` }),
    1004,
  ],
  ["a good cookie, a bad bearer token", ({ ada }) => ({ cookie: `${S}=${ada}`, authorization: `Bearer ${ada}x` }), 1002],
  ["a good cookie, an ended bearer token", ({ ada, ended }) => ({ cookie: `${S}=${ada}`, authorization: `Bearer ${ended}` }), 1004],
  ["a good cookie, a bad API key", ({ ada, key }) => ({ cookie: `${S}=${ada}`, "x-api-key": `${key}x` }), 1009],
  ["a good cookie, an empty Authorization", ({ ada }) => ({ cookie: `${S}=${ada}`, authorization: "" }), 1002],
  ["a good cookie, another scheme", ({ ada }) => ({ cookie: `${S}=${ada}`, authorization: "Basic YTpi" }), 1002],
  ["a refresh token as cookie", ({ refresh }) => ({ cookie: `${S}=${refresh}` }), 1002],
  ["an API key as cookie", ({ key }) => ({ cookie: `${S}=${key}` }), 1002],
  ["a session cookie with the scheme in it", ({ ada }) => ({ cookie: `${S}=Bearer ${ada}` }), 1002],
  // Both: the same user.
  ["both, the same token", ({ ada }) => ({ cookie: `${S}=${ada}`, authorization: `Bearer ${ada}` }), "cookie"],
  ["both, the same user", ({ ada, ada2 }) => ({ cookie: `${S}=${ada}`, authorization: `Bearer ${ada2}` }), "cookie"],
  ["both, the user's API key", ({ ada, key }) => ({ cookie: `${S}=${ada}`, "x-api-key": key }), "cookie"],
  ["both, another user", ({ ada, eve }) => ({ cookie: `${S}=${ada}`, authorization: `Bearer ${eve}` }), 1013],
  ["both, another user the other way", ({ ada, eve }) => ({ cookie: `${S}=${eve}`, authorization: `Bearer ${ada}` }), 1013],
  ["both, another user's API key", ({ ada, evesKey }) => ({ cookie: `${S}=${ada}`, "x-api-key": evesKey }), 1013],
  ["all three", ({ ada, key }) => ({ cookie: `${S}=${ada}`, authorization: `Bearer ${ada}`, "x-api-key": key }), 1007],
  // AUTH-S4: twice.
  ["two session cookies", ({ ada, eve }) => ({ cookie: `${S}=${ada}; ${S}=${eve}` }), 1013],
  ["two alike", ({ ada }) => ({ cookie: `${S}=${ada}; ${S}=${ada}` }), 1013],
  ["two, one of them empty", ({ ada }) => ({ cookie: `${S}=; ${S}=${ada}` }), 1013],
  ["two and a bearer token", ({ ada }) => ({ cookie: `${S}=a; ${S}=b`, authorization: `Bearer ${ada}` }), 1013],
  ["two CSRF cookies", ({ ada }) => ({ cookie: `${S}=${ada}; __Host-csrf=a; __Host-csrf=b` }), 1013],
  ["two refresh cookies", ({ ada }) => ({ cookie: `${S}=${ada}; __Secure-refresh=a; __Secure-refresh=b` }), 1013],
  ["two Cookie fields", ({ ada }) => ({ cookie: `a=1; ${S}=${ada}` }), 1013, { cookie: 2 }],
  ["two Cookie fields without one of ours", () => ({ cookie: "a=1; b=1" }), 1001, { cookie: 2 }],
  ["pieces of HTTP/2", ({ ada }) => ({ ":method": "GET", cookie: `a=1; ${S}=${ada}` }), "cookie", { cookie: 2 }],
  ["pieces of HTTP/2 with one of ours twice", ({ ada }) => ({ ":method": "GET", cookie: `${S}=${ada}; ${S}=${ada}` }), 1013, { cookie: 2 }],
  // AUTH-S4: names are compared byte by byte.
  ...[
    "__host-session",
    "__HOST-SESSION",
    "session",
    "__Host-session ",
    "__Host-session\t",
    "\t__Host-session",
    "\u00a0__Host-session",
    "\u0085__Host-session",
    "\u2000__Host-session",
    "â\u0080\u0080__Host-session",
    "\ufeff__Host-session",
    "__Host-session\u00a0",
    "__Host-session[]",
    "__Host-session[0]",
    "__Host%2Dsession",
    "%5F_Host-session",
    '"__Host-session"',
    "$Version=1, __Host-session",
    "__Host_session",
    "_\u00adHost-session",
    "=__Host-session",
  ].map((name): Case => [`no name of ours: ${JSON.stringify(name)}`, ({ ada }) => ({ cookie: `${name}=${ada}` }), 1001]),
  ["a name alone", () => ({ cookie: S }), 1001],
  ["an equals sign of the next pair", () => ({ cookie: `${S}; a=b` }), 1001],
  ["not ours beside ours", ({ ada, eve }) => ({ cookie: `\u00a0${S}=${eve}; ${S}=${ada}` }), "cookie"],
  ["$Version is a name like another", ({ ada }) => ({ cookie: `$Version=1; ${S}=${ada}; $Path=/` }), "cookie"],
  ["commas part nothing", ({ ada, eve }) => ({ cookie: `a=1, ${S}=${eve}; ${S}=${ada}` }), "cookie"],
  ["quotes hold nothing together", ({ ada }) => ({ cookie: `a="; ${S}=${ada}; b="` }), "cookie"],
  // AUTH-S4: values are taken as they are.
  ["a quoted value", ({ ada }) => ({ cookie: `${S}="${ada}"` }), 1002],
  ["a value with a space behind", ({ ada }) => ({ cookie: `${S}=${ada} ; a=b` }), 1002],
  ["a value with a space before", ({ ada }) => ({ cookie: `${S}= ${ada}` }), 1002],
  ["an escaped value", ({ ada }) => ({ cookie: `${S}=${ada.replace(".", "%2E")}` }), 1002],
  ["two in one value", ({ ada, eve }) => ({ cookie: `${S}=${ada},${S}=${eve}` }), 1002],
  // Authorization.
  ["two Authorization fields", ({ ada }) => ({ authorization: `Bearer ${ada}` }), 1007, { authorization: 2 }],
  [
    "two Authorization fields and a good cookie",
    ({ ada }) => ({ cookie: `${S}=${ada}`, authorization: `Bearer ${ada}` }),
    1007,
    { authorization: 2 },
  ],
  ["joined", ({ ada }) => ({ authorization: `Bearer ${ada}, Bearer ${ada}` }), 1007],
  ["Authorization and X-API-Key", ({ ada, key }) => ({ authorization: `Bearer ${ada}`, "x-api-key": key }), 1007],
  ["two spaces", ({ ada }) => ({ authorization: `Bearer  ${ada}` }), 1002],
  ["a tab", ({ ada }) => ({ authorization: `Bearer\t${ada}` }), 1002],
  ["a no-break space", ({ ada }) => ({ authorization: `Bearer\u00a0${ada}` }), 1002],
  ["no scheme", ({ ada }) => ({ authorization: ada }), 1002],
];

function outcome(verdict: Verdict): number | string {
  return verdict.kind === "deny" ? verdict.problem.code : verdict.kind;
}

describe("AUTH-X", () => {
  let known: Credentials;
  beforeAll(async () => {
    known = await createCredentials();
  });

  it.each(CASES.map((row) => ({ what: row[0], row })))("AUTH-X $what", async ({ row }) => {
    const [, fields, wanted, counts] = row;
    const late = createFixture({ cookies: {}, store: asynchronous(known.store), users: known.users, clock: known.clock });
    for (const auth of [known.auth, late.auth]) {
      const request = requestOf(fields(known), counts);
      const verdict = await authenticate(auth, { required: true }).check(request);
      const used = request.facts.get(credentialFact);
      if (typeof wanted === "number") {
        expect(outcome(verdict)).toBe(wanted);
        expect([used, request.facts.get(principalFact), request.facts.get(accessTokenFact)]).toEqual([undefined, undefined, undefined]);
        const challenge = verdict.kind === "deny" ? verdict.headers?.find(([name]) => name === "www-authenticate")?.[1] : undefined;
        expect(challenge).toBe(wanted === 1001 || wanted === 1007 ? undefined : 'Bearer error="invalid_token"');
      } else {
        expect([outcome(verdict), used?.source]).toEqual(["allow", wanted]);
        expect(Object.isFrozen(used)).toBe(true);
      }
    }
  });

  it("AUTH-X a credential that is bad is denied also where none is required", async () => {
    const { auth, ada } = known;
    for (const cookie of [`${S}=bad`, `${S}=`, `${S}=${ada}; ${S}=${ada}`]) {
      expect(outcome(await authenticate(auth, { required: false }).check(requestOf({ cookie })))).not.toBe("allow");
    }
  });

  it("AUTH-X the principal of a cookie is one of a session, of a field one of a token, frozen both", async () => {
    const { auth, ada } = known;
    const guard = authenticate(auth, { required: true });
    const [byCookie, again, byField] = [
      requestOf({ cookie: `${S}=${ada}` }),
      requestOf({ cookie: `${S}=${ada}` }),
      requestOf({ authorization: `Bearer ${ada}` }),
    ];
    for (const request of [byCookie, again, byField]) await guard.check(request);
    expect(byCookie.facts.get(principalFact)).toMatchObject({ authMethod: "session" });
    expect(byField.facts.get(principalFact)).toMatchObject({ authMethod: "token" });
    expect(byCookie.facts.get(principalFact)).toBe(again.facts.get(principalFact));
    expect(byCookie.facts.get(principalFact)).toBe(byCookie.facts.get(accessTokenFact)?.principal);
    const { facts } = byCookie;
    for (const fact of [facts.get(principalFact), facts.get(accessTokenFact), facts.get(credentialFact)])
      expect(Object.isFrozen(fact)).toBe(true);
    expect({ ...byCookie.facts.get(principalFact), authMethod: "" }).toEqual({ ...byField.facts.get(principalFact), authMethod: "" });
  });

  it("AUTH-X without the option, the Cookie field is not looked at", async () => {
    const { store, users, clock, ada } = known;
    const { auth } = createFixture({ store, users, clock });
    const guard = authenticate(auth, { required: true });
    for (const cookie of [`${S}=${ada}`, `${S}=bad`, `${S}=a; ${S}=b`]) {
      expect(outcome(await guard.check(requestOf({ cookie })))).toBe(1001);
      expect(outcome(await guard.check(requestOf({ cookie, authorization: `Bearer ${ada}` })))).toBe("allow");
      const unread: GuardRequest = {
        ...requestOf(),
        header: (name) => {
          if (name === "cookie") throw new Error("looked at");
          return undefined;
        },
      };
      expect(outcome(await guard.check(unread))).toBe(1001);
    }
  });

  it("AUTH-S4 ambiguous cookies are counted, and none is taken away: ours would go and the planted one stay", async () => {
    const { auth, ada, eve, counted } = known;
    for (const fields of [{ cookie: `${S}=${ada}; ${S}=${ada}` }, { cookie: `${S}=${ada}`, authorization: `Bearer ${eve}` }]) {
      counted.length = 0;
      const verdict = await authenticate(auth, { required: true }).check(requestOf(fields));
      expect(verdict.kind === "deny" && verdict.headers?.map(([name]) => name)).toEqual(["www-authenticate"]);
      expect(counted).toContain("auth_failures_total{ambiguous_session}");
    }
  });

  it("AUTH-X never from the query", async () => {
    const { auth, ada } = known;
    const request = { ...requestOf(), target: `/?access_token=${ada}&${S}=${ada}&api_key=x&token=${ada}` };
    expect(outcome(await authenticate(auth, { required: true }).check(request))).toBe(1001);
  });

  it("AUTH-X must_change_password is 403 for a cookie too, and where it is allowed the CSRF check stays", async () => {
    const { auth } = createFixture({ cookies: {} });
    const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member", mustChangePassword: true });
    const cookie = `${S}=${accessToken}`;
    expect(outcome(await authenticate(auth, { required: true }).check(requestOf({ cookie })))).toBe(1103);
    const allowing = authenticate(auth, { required: true, mustChangePassword: "allow" });
    expect(outcome(await allowing.check(requestOf({ cookie })))).toBe("allow");
    expect(outcome(await allowing.check({ ...requestOf({ cookie }), method: "POST" }))).toBe(1104);
  });

  it("AUTH-X only the routes login, refresh and logout are left their cookies, by POST, where nobody is required", async () => {
    const { auth, ada } = known;
    const at = (method: string, target: string): GuardRequest => ({ ...requestOf({ cookie: `${S}=bad` }), method, target });
    const front = authenticate(auth, { required: false });
    for (const path of ["login", "refresh", "logout", "login?x=/auth/me"]) {
      const request = at("POST", `/auth/${path}`);
      expect(outcome(await front.check(request))).toBe("allow");
      expect(request.facts.get(principalFact)).toBeUndefined();
      expect(outcome(await authenticate(auth, { required: true }).check(at("POST", `/auth/${path}`)))).toBe(1002);
      expect(outcome(await front.check(at("GET", `/auth/${path}`)))).toBe(1002);
    }
    for (const path of [
      "/auth/me",
      "/auth/login/",
      "/auth/LOGIN",
      "/auth//login",
      "/auth/login/x",
      "/login",
      "/x/auth/login",
      "/auth/me?/auth/login",
    ]) {
      expect(outcome(await front.check(at("POST", path)))).toBe(1002);
    }
    // A bearer token is judged there as everywhere.
    const bearer = { ...requestOf({ authorization: `Bearer ${ada}x` }), method: "POST", target: "/auth/login" };
    expect(outcome(await front.check(bearer))).toBe(1002);
  });

  it("AUTH-X an auth that createAuth did not make is refused at the start", () => {
    const { auth } = createFixture();
    expect(() => authenticate({ ...auth }, { required: true })).toThrow(/createAuth/);
  });

  it("AUTH-G1 a store that does not answer is 503 for a cookie too", async () => {
    const { store, users, clock, ada, key } = known;
    for (const manner of ["throws", "rejects"] as const) {
      for (const port of ["subjects", "sessions", "tickets", "apiKeys"] as const) {
        const { auth } = createFixture({ cookies: {}, store: withDeadPort(store, port, manner), users, clock });
        const request = requestOf({ cookie: `${S}=${ada}`, "x-api-key": key });
        const run = await createGuardChain([authenticate(auth, { required: false })]).run(request);
        expect(run.stop).toMatchObject({ kind: "deny", problem: { code: 8002 } });
        expect(run.headers.map(([name]) => name)).not.toContain("set-cookie");
        expect(request.facts.get(principalFact)).toBeUndefined();
      }
    }
  });

  it("AUTH-G2 no Cookie, Authorization or X-API-Key makes it throw or lets anybody in", async () => {
    const { auth, ada } = known;
    const guard = authenticate(auth, { required: true });
    const name = fc.constantFrom(S, "__Host-csrf", "__Secure-refresh", "session", "$Version", "", "\u2000__Host-session");
    const value = fc.oneof(fc.string({ unit: "binary" }), fc.base64String(), fc.constant(`${ada}x`), fc.constant(`"${ada}"`));
    const pairs = fc.array(fc.tuple(name, fc.constantFrom("=", " = ", "=="), value), { maxLength: 5 });
    const separator = fc.constantFrom("; ", ";", ";\t", ", ", ";;");
    const cookie = fc.oneof(
      fc.tuple(pairs, separator).map(([list, between]) => list.map((pair) => pair.join("")).join(between)),
      fc.string({ unit: "binary" }),
    );
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      value.map((token) => `Bearer ${token}`),
    );
    const fields = fc.record({ cookie, authorization: text, "x-api-key": text }, { requiredKeys: [] });
    await fc.assert(
      fc.asyncProperty(fields, fc.constantFrom(1, 2), async (headers, count) => {
        const verdict = await guard.check(requestOf(headers, { cookie: count, authorization: count }));
        return verdict.kind === "deny" && verdict.problem.status < 500;
      }),
      { numRuns: 500 },
    );
  });
});
