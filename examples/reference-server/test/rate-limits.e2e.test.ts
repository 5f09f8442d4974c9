import { createMemoryStore } from "@portcullis/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { parseConfig } from "../src/config.js";
import { loadSecrets } from "../src/development-secrets.js";
import { createLogger } from "../src/logger.js";
import { createService } from "../src/service.js";
import { DEMO_PASSWORD, DEMO_USERS } from "../src/seed.js";
import { type Answer, type ApiClient, createApiClient } from "../src/story/api-client.js";
import { logInAs, read } from "../src/story/story.js";
import { FRAMEWORKS } from "./serve.js";
import { startService, type TestWorld } from "./start-service.js";

const STATUS = "/api/system/rate-limits";
const HOLDERS = ["subject", "ipKey", "apiKey", "organization"];
const outcomesSchema = z.object({ allowed: z.number(), denied: z.number() });
const statusSchema = z.object({
  breaker: z.literal("closed"),
  outagePolicy: z.literal("local"),
  policies: z.array(z.object({ name: z.string(), tier: z.string().optional(), kind: z.string(), outcomes: outcomesSchema })),
  caps: z.array(z.object({ name: z.string(), capacity: z.number(), held: z.number() })),
  refused: z.array(z.object({ key: z.string(), count: z.number() })),
});

describe.each(Object.keys(FRAMEWORKS) as (keyof typeof FRAMEWORKS)[])("the rate limits of the server on %s", (framework) => {
  let world: TestWorld;
  let call: ApiClient;
  let owner: string;
  let viewer: string;
  let viewerId: string;

  beforeAll(async () => {
    world = await startService(framework, "memory");
    call = createApiClient(world.url);
    [owner, viewer] = [await logInAs(call, "owner"), await logInAs(call, "viewer")];
    viewerId = read(await call("GET", "/api/auth/me", { token: viewer }), 200, z.object({ id: z.string() })).id;
  });
  afterEach(() => world.passTime(10_000)); // longer than any block that a test leaves
  afterAll(() => world.close());

  const status = async () => read(await call("GET", STATUS, { token: owner }), 200, statusSchema);
  const change = (verb: "reset" | "block", body: object): Promise<Answer> => call("POST", `${STATUS}/${verb}`, { token: owner, body });
  const asViewer = (): Promise<Answer> => call("GET", "/api/workflows", { token: viewer });

  it("are shown to the owner: every policy with its counts, every cap with the places held", async () => {
    expect((await asViewer()).status).toBe(200);
    const { policies, caps } = await status();
    const names = policies.map(({ name, tier }) => (tier === undefined ? name : `${name} of ${tier}`));
    expect(names).toEqual([
      ...["floor", "unauthenticated", "authenticated of free", "authenticated.ceiling of free", "authenticated of starter"],
      ...["authenticated of professional", "authenticated of enterprise", "api-key", "organization", "service"],
      ...["login", "workflows.execute", "decisions.create", "audit.export"],
    ]);
    for (const name of ["floor", "unauthenticated", "authenticated", "authenticated.ceiling", "organization", "service", "login"]) {
      expect(policies.find((policy) => policy.name === name)?.outcomes.allowed, name).toBeGreaterThan(0);
    }
    expect(caps).toEqual([
      { name: "workflows.execute.inflight", capacity: 64, held: 0 },
      { name: "audit.export.inflight", capacity: 2, held: 0 },
    ]);
  });

  it("are nobody else's to see or to change", async () => {
    const admin = await logInAs(call, "admin");
    for (const token of [viewer, admin]) {
      expect((await call("GET", STATUS, { token })).json?.errorDetail).toMatchObject({ code: 1101, permission: "system.read" });
      for (const verb of ["reset", "block"]) {
        const answer = await call("POST", `${STATUS}/${verb}`, { token, body: { subject: viewerId, ms: 1000 } });
        expect(answer.json?.errorDetail).toMatchObject({ code: 1101, permission: "system.manage" });
      }
    }
    expect((await call("GET", STATUS)).status).toBe(401);
  });

  it("refuse a blocked subject with 429 and the wait, other callers not, until the block is over or reset", async () => {
    const token = await logInAs(call, "member");
    expect((await change("block", { subject: viewerId, ms: 90_000 })).json?.data).toEqual({ subject: viewerId, ms: 90_000 });
    const refused = await asViewer();
    expect([refused.status, refused.headers.get("retry-after"), refused.json?.errorDetail?.code]).toEqual([429, "90", 5001]);
    expect((await call("GET", "/api/workflows", { token })).status).toBe(200);
    expect((await status()).refused).toContainEqual(expect.objectContaining({ key: `user:${viewerId}` }));

    expect((await change("reset", { subject: viewerId })).status).toBe(200);
    expect((await asViewer()).status).toBe(200);

    await change("block", { subject: viewerId, ms: 60_000 });
    await world.passTime(59_000);
    expect((await asViewer()).headers.get("retry-after")).toBe("1");
    await world.passTime(1_000);
    expect((await asViewer()).status).toBe(200);
  });

  it("fill up when they are reset", async () => {
    while ((await asViewer()).status === 200);
    await change("reset", { subject: viewerId });
    expect((await asViewer()).headers.get("ratelimit")).toContain('"authenticated";r=59;');
  });

  it("refuse a blocked organisation, API key and address", async () => {
    const made = await call("POST", "/api/auth/api-keys", { token: owner, body: { name: "k", scopes: ["workflows.read"] } });
    const { key, id } = read(made, 201, z.object({ key: z.string(), id: z.string() }));
    const asKey = (): Promise<Answer> => call("GET", "/api/workflows", { headers: { "x-api-key": key } });
    expect((await asKey()).status).toBe(200);
    await change("block", { apiKey: id, ms: 5_000 });
    expect([(await asKey()).status, (await asViewer()).status]).toEqual([429, 200]);
    await change("reset", { apiKey: id });
    expect((await asKey()).status).toBe(200);

    // The owner too belongs to it, and is not let in to end it: it ends by itself.
    await change("block", { organization: "acme", ms: 5_000 });
    expect([(await asViewer()).status, (await change("reset", { organization: "acme" })).status]).toEqual([429, 429]);
    await world.passTime(5_000);
    expect((await change("block", { ipKey: "::ffff:127.0.0.1", ms: 5_000 })).json?.data).toEqual({ ipKey: "127.0.0.1", ms: 5_000 });
    expect((await call("GET", "/api/workflows")).headers.get("retry-after")).toBe("5");
    expect((await call("GET", "/api/health")).status).toBe(200);
    await world.passTime(5_000);
    expect((await asViewer()).status).toBe(200);
  });

  it("name an address as limits count it: an IPv6 caller by its block", async () => {
    const answer = await change("reset", { ipKey: "2001:DB8:1:2::7" });
    expect(answer.json?.data).toEqual({ ipKey: "2001:db8:1:2::/64" });
    expect((await change("reset", answer.json?.data as object)).json?.data).toEqual(answer.json?.data); // the line above says what it is
  });

  it("refuse a body that does not name exactly one holder with 422", async () => {
    const wrong: readonly unknown[] = [
      ...[{}, [], null, "subject", { subject: "a", organization: "b" }, { holder: "a" }, { subject: "a", extra: 1 }],
      ...HOLDERS.flatMap((name) => ["", 7, null, ["a"], { a: 1 }, "x".repeat(300)].map((value) => ({ [name]: value }))),
      ...["localhost", "192.0.2.0/24", "2001:db8::/32", "192.0.2.256"].map((ipKey) => ({ ipKey })),
    ];
    for (const body of wrong) {
      const isObject = typeof body === "object" && body !== null && !Array.isArray(body);
      for (const [verb, sent] of [
        ["reset", body],
        ["block", isObject ? { ...body, ms: 1_000 } : body],
      ] as const) {
        const answer = await call("POST", `${STATUS}/${verb}`, { token: owner, body: sent });
        expect([answer.status, answer.json?.errorDetail?.code], JSON.stringify(sent)).toEqual([422, 2002]);
      }
    }
  });

  it.each([undefined, -1, 0.5, "1000", null, 1e300, 366 * 86_400_000 + 1])("refuse a block of %s ms with 422", async (ms) => {
    expect((await change("block", { subject: viewerId, ms })).status).toBe(422);
    expect((await asViewer()).status).toBe(200);
  });

  it("are changed on the record: who did what to whom, before it was done", async () => {
    await change("block", { subject: "somebody", ms: 1_000 });
    const events = z.array(z.object({ action: z.string(), outcome: z.string(), target: z.unknown(), details: z.unknown() }));
    const answer = await call("GET", "/api/audit?category=admin&action=rate_limit.block&limit=200", { token: owner });
    expect(read(answer, 200, z.object({ events })).events).toContainEqual(
      expect.objectContaining({ outcome: "attempted", target: { type: "subject", id: "somebody" }, details: { ms: 1_000 } }),
    );
  });

  it("count the logins of an address that failed, and no others", async () => {
    const left = async (password: string): Promise<string | undefined> => {
      const { headers } = await call("POST", "/api/auth/login", { body: { email: DEMO_USERS.member, password } });
      return /"login";r=(\d+)/.exec(headers.get("ratelimit") ?? "")?.[1];
    };
    const before = Number(await left(DEMO_PASSWORD));
    expect(Number(await left("wrong"))).toBe(before);
    expect(Number(await left(DEMO_PASSWORD))).toBe(before - 1);
    await world.passTime(600_000);
  });

  it("let two exports of a caller run at once, and give the places back", async () => {
    const token = await logInAs(call, "owner");
    for (let turn = 0; turn < 5; turn += 1) {
      expect((await call("GET", "/api/audit/export?format=ndjson", { token })).status).toBe(200);
    }
    const answer = await call("GET", "/api/audit/export?format=ndjson", { token });
    expect(answer.headers.get("ratelimit-policy")).toContain('"audit.export.inflight";q=2;qu="concurrent-requests"');
    expect(answer.headers.get("ratelimit")).toContain('"audit.export.inflight";r=1');
  });

  it("leave the probes alone", async () => {
    for (const path of ["/api/health", "/api/metrics"]) expect((await call("GET", path)).headers.get("ratelimit")).toBeNull();
    expect((await call("GET", "/openapi.json")).headers.get("ratelimit")).not.toBeNull();
  });

  it("are measured", async () => {
    const { text } = await call("GET", "/api/metrics");
    for (const metric of [
      'checks_total{policy="authenticated.ceiling",outcome="allowed"}',
      'checks_total{policy="audit.export.inflight",outcome="allowed"}',
      'inflight{policy="audit.export.inflight"} 0',
      "store_errors_total",
      "degraded_total",
      "denial_cache_hits_total",
      "batch_hits_total",
      "unknown_tiers_total",
      "unknown_addresses_total",
      "shadow_checks_total",
      "check_seconds_bucket",
      "keys",
    ]) {
      expect(text).toContain(`portcullis_rate_limit_${metric}`);
    }
  });
});

describe("the rate limits of a configuration", () => {
  async function start(environment: Record<string, string>): Promise<{ lines: string[]; statusOf: (path: string) => Promise<number> }> {
    const config = parseConfig({ DATABASE_URL: "memory:", ...environment });
    const lines: string[] = [];
    const logger = createLogger({ logLevel: "warn" }, { write: (line) => void lines.push(line) });
    const service = createService({ config, secrets: await loadSecrets(config), store: createMemoryStore(), logger });
    return {
      lines,
      async statusOf(path) {
        const server = await FRAMEWORKS.hono(service.app, { port: 0, host: "127.0.0.1" });
        try {
          return (await createApiClient(() => server.url)("GET", path)).status;
        } finally {
          await server.close();
        }
      },
    };
  }

  it("that is sound are nothing to warn of", async () => {
    expect((await start({})).lines).toEqual([]);
  });

  it("that lets each of several processes count for itself are warned of once, at start", async () => {
    const { lines, statusOf } = await start({ INSTANCES: "4" });
    await statusOf("/api/workflows");
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ level: 40, code: "unshared_store", option: "store", fix: expect.any(String), msg: expect.any(String) }),
    ]);
  });

  it("that lets a large part of the Internet off are warned of", async () => {
    expect((await start({ RATE_LIMIT_ALLOW: "2.0.0.0/7" })).lines.join()).toContain('"code":"allowed_everywhere"');
  });

  it("refuse the addresses on its list", async () => {
    const { statusOf } = await start({ RATE_LIMIT_DENY: "192.0.2.0/24, 127.0.0.1" });
    expect(await statusOf("/api/workflows")).toBe(403);
    expect(await statusOf("/api/health")).toBe(200);
  });
});
