import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createMemoryStore } from "@portcullis/core";
import { parseConfig } from "../src/config.js";
import { loadSecrets } from "../src/development-secrets.js";
import { createLogger } from "../src/logger.js";
import { createService } from "../src/service.js";
import { describeStartFailure } from "../src/start-failure.js";
import { startServerProcess } from "../src/story/server-process.js";

const START_MS = 30_000;

describe("a server that cannot start", () => {
  let directory: string;
  const busy = createServer();
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "portcullis-start-"));
    await new Promise<void>((resolve) => busy.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    busy.close();
    await rm(directory, { recursive: true });
  });

  const failure = (environment: Record<string, string>): Promise<string> =>
    startServerProcess({ PORTCULLIS_DATA: directory, ...environment }).then(
      () => "it started",
      (error: unknown) => String(error),
    );
  const port = (): string => {
    const address = busy.address();
    return address === null || typeof address === "string" ? "" : String(address.port);
  };

  it.each(["express", "fastify", "hono"])(
    "on %s says that the port is in use and what to set, without a stack",
    { timeout: START_MS },
    async (framework) => {
      const told = await failure({ PORT: port(), PORTCULLIS_FRAMEWORK: framework });
      expect(told).toContain("ended with 1");
      expect(told).toContain(`PORT ${port()} is in use`);
      expect(told).not.toMatch(/^\s+at /m);
    },
  );

  it.each([
    ["CORS_ORIGINS", "foo"],
    ["DATABASE_URL", "postgres://user:not-a-seed@127.0.0.1:1/none"],
    ["HOST", "999.1.1.1"],
    ["PORTCULLIS_DATA", "/dev/null/data"],
    ["PORT", "80a"],
  ])("names %s, shows no value, and ends", { timeout: START_MS }, async (name, value) => {
    const told = await failure({ [name]: value });
    expect(told).toContain("ended with 1");
    expect(told).toContain(name);
    expect(told).not.toContain(value);
    expect(told).not.toMatch(/^\s+at /m);
  });

  it.each([
    ["CORS_ORIGINS", "foo"],
    ["TRUSTED_PROXIES", "the-proxy"],
    ["WEBHOOK_ALLOW", "nowhere"],
    ["ENCRYPTION_KEYS", "z".repeat(64)],
    ["JWT_SECRETS", "a".repeat(64)],
    ["API_KEY_PEPPERS", "a".repeat(64)],
    ["AUDIT_SIGNING_KEY", "not-a-seed"],
    ["TRUSTED_CALLERS", '[{"id":"billing","maxRoles":[],"addresses":["0.0.0.0/0"]}]'],
    ["TRUSTED_CALLERS", '[{"id":"billing","maxRoles":[]}]'],
    ["PUBLIC_URL", "http://plain.example"],
    ["PUBLIC_URL", "mailto:ada@example.com"],
    ["MFA_KEYS", "a".repeat(64)],
    ["AUTH_SIGNING_KEY", "-----BEGIN PRIVATE KEY-----\nMC4CAQA\n-----END PRIVATE KEY-----"],
    ["SOCKET_ORIGINS", "https://app.example/live"],
    ["OAUTH_ALLOWED_REDIRECTS", "http://app.example/welcome"],
    ["OIDC_ISSUER", "http://login.example"],
  ])("because a package refuses %s says so by the variable's name", async (name, value) => {
    const client = { OIDC_ISSUER: "https://login.example", OIDC_CLIENT_ID: "client", OIDC_CLIENT_SECRET: "of a test" };
    const config = parseConfig({ PORTCULLIS_DATA: directory, ...client, [name]: value });
    let told: string | undefined;
    try {
      const secrets = await loadSecrets(config);
      createService({ config, secrets, store: createMemoryStore(), logger: createLogger({ logLevel: "silent" }) });
    } catch (error) {
      told = describeStartFailure(error);
    }
    expect(told).toContain(`  - ${name}: `);
    expect(told).not.toContain(value);
  });

  it("because of a bug leaves the stack to be seen", () => {
    expect(describeStartFailure(new TypeError("undefined is not a function"))).toBeUndefined();
  });
});
