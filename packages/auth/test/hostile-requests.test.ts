// AUTH-G2: rubbish in every place of a request to every route. Over raw sockets: examples/test/auth-frameworks.test.ts.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";
import { type GitHubServer, startGitHub } from "./github-server.js";
import { createWholeService, SITE } from "./whole-service.js";

let github: GitHubServer;
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeAll(async () => {
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  github = await startGitHub();
});
afterAll(async () => {
  process.off("unhandledRejection", note);
  process.off("uncaughtException", note);
  await github.close();
});

const RUNS = process.env["PORTCULLIS_SOAK"] === "true" ? 2_000 : 60;

async function createTarget() {
  const service = createWholeService(github.url);
  const account = valueOf(await service.auth.createAccount({ email: EMAIL, password: PASSWORD, roles: ["member"] }));
  const pair = await service.auth.createTokenPair({ userId: account.id, role: "member" });
  const token = valueOf(await service.auth.verifyAccessToken(pair.accessToken));
  const { key } = valueOf(await service.auth.apiKeys.create(token.principal, { name: "ci" }));
  const csrf = String(
    (await service.call("/auth/csrf", { method: "GET", headers: { cookie: `__Host-session=${pair.accessToken}` } })).body["csrf_token"],
  );
  return { ...service, pair, key, csrf };
}

// Bytes as Fetch lets them through: a header field is Latin-1 without line ends and NUL.
const field = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.string({ maxLength: 200 }),
    fc.constantFrom(
      "",
      " ",
      ",",
      ";",
      "=",
      "a=b",
      "\t",
      "ÿþ",
      "null",
      "undefined",
      "__proto__",
      "Bearer",
      "Bearer ",
      "Bearer ..",
      "Bearer a.b.c",
    ),
    fc.integer({ min: 1, max: 9_000 }).map((length) => "a.".repeat(length)),
  )
  .map((text) =>
    Buffer.from(text, "latin1")
      .toString("latin1")
      .replaceAll(/[\0\r\n]/g, " "),
  );
const NAMES = [
  "authorization",
  "cookie",
  "x-csrf-token",
  "x-api-key",
  "origin",
  "sec-fetch-site",
  "content-type",
  "user-agent",
  "forwarded",
  "x-forwarded-for",
];

const rubbish = fc.anything({ withNullPrototype: true, withSparseArray: true, withObjectString: true, maxDepth: 3 });
const MEMBERS = [
  ...[
    "email",
    "password",
    "delivery",
    "device_token",
    "refresh_token",
    "mfa_token",
    "code",
    "current_password",
    "new_password",
    "token",
    "name",
  ],
  ...[
    "roles",
    "scopes",
    "ttl_seconds",
    "path",
    "provider",
    "redirect",
    "state",
    "code_verifier",
    "setup_token",
    "__proto__",
    "constructor",
  ],
];
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.constantFrom("", "\ud800", "\0", "a@b", "ada@example.com", "a".repeat(5_000), "eyJhbGciOiJub25lIn0.e30."),
);
const object = fc.dictionary(
  fc.constantFrom(...MEMBERS),
  fc.oneof(text, fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(null, 0, -1, Number.MAX_VALUE, true)),
  { maxKeys: 6 },
);
const body = fc.oneof(
  object.map((value) => JSON.stringify(value)),
  rubbish.map((value) => safeJson(value)),
  fc.string({ maxLength: 100 }),
  fc.constantFrom(
    "{",
    "[]",
    "null",
    '{"email":"a@b","email":"c@d"}',
    '{"name":"ci","ttl_seconds":1e400}',
    '{"__proto__":{"email":"x"}}',
    "\ufeff{}",
    "token=%ff",
    "token=a&token=b",
    "%",
    "token=",
  ),
  fc.constantFrom("[".repeat(2_000), '{"a":'.repeat(2_000), '{"password":"' + "a".repeat(20_000)),
);
const types = fc.constantFrom(
  "application/json",
  "application/json; charset=utf-7",
  "application/x-www-form-urlencoded",
  "text/plain",
  "multipart/form-data",
  "",
);
const query = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.constantFrom(
    "state=a&state=b",
    "%ff",
    "%",
    "a=%00",
    "redirect=//evil.example",
    "ticket=a&ticket=b",
    "code=x&state=y",
    "provider=__proto__",
  ),
);
const segment = fc.oneof(
  fc.string({ minLength: 1, maxLength: 30 }),
  fc.constantFrom("__proto__", "constructor", "toString", "..", "%2e%2e", "%00", "%ff", "a".repeat(300)),
);

function safeJson(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "undefined";
  } catch {
    return "0"; // a BigInt, which JSON does not know
  }
}

describe("AUTH-G2 rubbish", () => {
  it(
    "AUTH-G2 in headers, cookies, bodies, queries and paths of every route: no 5xx, nothing thrown, nobody let in",
    { timeout: 120_000 },
    async () => {
      const { routes, handler, faults, pair, key, csrf } = await createTarget();
      const good: readonly Readonly<Record<string, string>>[] = [
        {},
        { authorization: `Bearer ${pair.accessToken}` },
        { "x-api-key": key },
        { cookie: `__Host-session=${pair.accessToken}; __Secure-refresh=${pair.refreshToken}; __Host-csrf=${csrf}`, "x-csrf-token": csrf },
      ];
      // Whoever calls these well ends what the others need.
      const ends = /logout|revoke|refresh|sessions\/|change-password|disable/;
      for (const { method, path, operationId } of routes) {
        const property = fc.asyncProperty(
          fc.constantFrom(...good),
          fc.array(fc.tuple(fc.constantFrom(...NAMES), field), { maxLength: 4 }),
          fc.tuple(types, body),
          query,
          fc.array(segment, { minLength: 2, maxLength: 2 }),
          async (credential, fields, [type, sent], search, segments) => {
            const headers = new Headers(ends.test(path) ? {} : credential);
            if (method !== "GET" && type !== "") headers.set("content-type", type);
            for (const [name, value] of fields) headers.set(name, value);
            let place = 0;
            const target = path.replaceAll(/:\w+/g, () => encodeURIComponent(segments[place++] ?? "x").replaceAll("%25", "%"));
            const url = `${SITE}${target}?${search.replaceAll("#", "%23")}`;
            if (!URL.canParse(url)) return;
            const response = await handler(new Request(url, { method, headers, ...(method === "GET" ? {} : { body: sent }) }));
            const answer = await response.text();
            expect([operationId, response.status < 500, answer.slice(0, 200)]).toEqual([operationId, true, expect.any(String) as string]);
            expect(answer).not.toMatch(/"(?:access|refresh)_token":/);
          },
        );
        await fc.assert(property, { numRuns: RUNS });
      }
      expect(faults).toEqual([]);
      expect(unhandled).toEqual([]);
    },
  );
});
