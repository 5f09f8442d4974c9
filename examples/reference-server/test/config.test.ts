import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ConfigError, parseConfig } from "../src/config.js";
import { loadSecrets } from "../src/development-secrets.js";

const PRODUCTION = {
  NODE_ENV: "production",
  JWT_SECRETS: "x".repeat(40),
  ENCRYPTION_KEYS: "0f".repeat(32),
  API_KEY_PEPPERS: "y".repeat(40),
  AUDIT_SIGNING_KEY: "z".repeat(44),
  MFA_KEYS: "w".repeat(40),
  DATABASE_URL: "postgres://db.internal/portcullis",
  TRUSTED_PROXIES: "10.0.0.0/8",
};

function mistakesOf(environment: Record<string, string>): readonly string[] {
  try {
    parseConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

describe("the configuration", () => {
  it("needs nothing in development, and stays on this machine", () => {
    expect(parseConfig({})).toMatchObject({
      production: false,
      host: "127.0.0.1",
      port: 8080,
      databaseUrl: "file:./data/portcullis.db",
      framework: "hono",
    });
  });

  it("names every mistake at once", () => {
    const mistakes = mistakesOf({ PORT: "80000", DATABASE_URL: "mysql://x", JWT_SECRETS: "short", LOG_LEVEL: "loud" });
    expect(mistakes.map((mistake) => mistake.split(" ")[0])).toEqual(["PORT", "DATABASE_URL", "JWT_SECRETS", "LOG_LEVEL"]);
    expect(mistakes.join()).not.toContain("short");
  });

  it("limits for one process unless told how many share the store, and lists no address", () => {
    expect(parseConfig({})).toMatchObject({ instances: 1, rateLimitAllow: [], rateLimitDeny: [] });
    const told = parseConfig({ INSTANCES: "4", RATE_LIMIT_ALLOW: "192.0.2.7, 2001:db8::/32", RATE_LIMIT_DENY: "198.51.100.0/24" });
    expect(told).toMatchObject({ instances: 4, rateLimitAllow: ["192.0.2.7", "2001:db8::/32"], rateLimitDeny: ["198.51.100.0/24"] });
  });

  it.each([
    ["INSTANCES", "-7"],
    ["INSTANCES", "20000"],
    ["INSTANCES", "two"],
    ["RATE_LIMIT_ALLOW", "192.0.2.7, localhost"],
    ["RATE_LIMIT_ALLOW", "192.0.2.0/33"],
    ["RATE_LIMIT_DENY", "2001:db8::/129"],
    ["RATE_LIMIT_DENY", "fe80::1%eth0"],
  ])("names %s where it is wrong, and does not repeat %s", (name, value) => {
    const [mistake, ...others] = mistakesOf({ [name]: value });
    expect([mistake?.split(" ")[0], others]).toEqual([name, []]);
    expect(mistake).not.toContain(value);
  });

  it("trusts no caller unless told whom", () => {
    expect(parseConfig({})).toMatchObject({ trustedCallers: [], serviceName: undefined });
    const callers = [{ id: "billing", maxRoles: ["member"], secrets: ["s".repeat(32)] }];
    const told = parseConfig({ TRUSTED_CALLERS: JSON.stringify(callers), SERVICE_NAME: "api" });
    expect(told).toMatchObject({ trustedCallers: callers, serviceName: "api" });
  });

  it.each([
    "billing",
    "{}",
    '[{"id":"billing","maxRoles":"owner"}]',
    '[{"id":"billing","maxRoles":[],"secret":"hush-hush"}]',
    '[{"id":"billing","maxRoles":[],"secrets":["hush-hush",7]}]',
  ])("names TRUSTED_CALLERS where it is no list of callers (%s), and repeats none of it", (value) => {
    const mistakes = mistakesOf({ TRUSTED_CALLERS: value });
    expect(mistakes).toEqual([expect.stringMatching(/^TRUSTED_CALLERS must be a JSON list/)]);
    expect(mistakes.join()).not.toContain("hush-hush");
  });

  it("wants a name of the service where callers sign for it", () => {
    const callers = (proof: object): string => JSON.stringify([{ id: "billing", maxRoles: [], ...proof }]);
    expect(mistakesOf({ TRUSTED_CALLERS: callers({ secrets: ["s".repeat(32)] }) })).toEqual([expect.stringContaining("SERVICE_NAME")]);
    expect(mistakesOf({ TRUSTED_CALLERS: callers({ addresses: ["192.0.2.7"] }) })).toEqual([]);
  });

  it("lets the seeded organisation change the roles in development, and none in production unless told", () => {
    expect(parseConfig({}).operatorOrganisation).toBe("acme");
    expect(parseConfig(PRODUCTION).operatorOrganisation).toBe("");
    expect(parseConfig({ ...PRODUCTION, OPERATOR_ORGANISATION: "operators" }).operatorOrganisation).toBe("operators");
  });

  it("asks administrators for a second factor in production, nobody in development, and whom it is told to", () => {
    expect(parseConfig({}).mfaRequiredRoles).toEqual([]);
    expect(parseConfig(PRODUCTION).mfaRequiredRoles).toEqual(["admin", "owner"]);
    expect(parseConfig({ ...PRODUCTION, MFA_REQUIRED_ROLES: "auditor, owner" }).mfaRequiredRoles).toEqual(["auditor", "owner"]);
    expect(parseConfig({ ...PRODUCTION, MFA_REQUIRED_ROLES: "none" }).mfaRequiredRoles).toEqual([]);
  });

  it("knows no provider, no page with sockets, and no bound on sessions unless told", () => {
    const nothing = {
      google: undefined,
      github: undefined,
      oidc: undefined,
      socketOrigins: undefined,
      sessionMax: 0,
      sessionIdleMinutes: 0,
    };
    expect(parseConfig({})).toMatchObject(nothing);
    const client = {
      OIDC_CLIENT_ID: "a",
      OIDC_CLIENT_SECRET: "b",
      OIDC_ISSUER: "https://login.example",
      PUBLIC_URL: "https://api.example",
    };
    expect(parseConfig({ ...PRODUCTION, ...client })).toMatchObject({
      oidc: { issuer: "https://login.example", clientId: "a", clientSecret: "b", name: undefined },
      browserUrl: "https://api.example",
      // Whoever comes over a provider to production for the first time is nobody, until it is said where they belong.
      oauthNewAccountsOrganisation: undefined,
    });
  });

  it.each([
    [{ GOOGLE_OAUTH_CLIENT_ID: "a" }, "GOOGLE_OAUTH_CLIENT_SECRET"],
    [{ GITHUB_OAUTH_CLIENT_SECRET: "hush-hush" }, "GITHUB_OAUTH_CLIENT_ID"],
    [{ OIDC_CLIENT_ID: "a", OIDC_CLIENT_SECRET: "hush-hush" }, "OIDC_ISSUER"],
    [{ OIDC_ISSUER: "https://login.example" }, "OIDC_CLIENT_ID"],
    [{ OIDC_ISSUER: "login" }, "OIDC_ISSUER"],
    [{ MFA_KEYS: "hush-hush" }, "MFA_KEYS"],
    [{ SESSION_MAX: "-1" }, "SESSION_MAX"],
    [{ ...PRODUCTION, GITHUB_OAUTH_CLIENT_ID: "a", GITHUB_OAUTH_CLIENT_SECRET: "hush-hush" }, "PUBLIC_URL"],
  ])("names what is missing or wrong of %j: %s", (environment, name) => {
    const mistakes = mistakesOf(environment);
    expect(mistakes.map((mistake) => mistake.split(" ")[0])).toEqual([name]);
    expect(mistakes.join()).not.toContain("hush-hush");
  });

  it("reads an empty variable as one that is not set", () => {
    expect(parseConfig({ JWT_SECRETS: "", REDIS_URL: "" }).redisUrl).toBeUndefined();
  });

  it("of production refuses everything that a development server makes up, and says what to set", () => {
    expect(mistakesOf({ NODE_ENV: "production" }).map((mistake) => mistake.split(" ")[0])).toEqual(
      Object.keys(PRODUCTION).filter((name) => name !== "NODE_ENV"),
    );
    expect(mistakesOf(PRODUCTION)).toEqual([]);
    expect(mistakesOf({ ...PRODUCTION, CORS_ORIGINS: "*" })).toHaveLength(1);
  });
});

describe("development secrets", () => {
  it("are made once, kept for their owner only, and shared by two servers that start at once", async () => {
    const directory = await mkdtemp(join(tmpdir(), "portcullis-secrets-"));
    try {
      const config = parseConfig({ PORTCULLIS_DATA: join(directory, "data") });
      const [one, two] = await Promise.all([loadSecrets(config), loadSecrets(config)]);
      expect(one).toEqual(two);
      expect(await loadSecrets(config)).toEqual(one);
      expect(JSON.parse(await readFile(join(directory, "data/development-secrets.json"), "utf8"))).toMatchObject({
        jwtSecrets: one.jwtSecrets,
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("of before there were second factors go on working, with keys for those that stay the same", async () => {
    const directory = await mkdtemp(join(tmpdir(), "portcullis-secrets-"));
    try {
      const config = parseConfig({ PORTCULLIS_DATA: directory });
      const { jwtSecrets, encryptionKeys, apiKeyPeppers, auditSigningKey } = await loadSecrets(config);
      const old = { jwtSecrets, encryptionKeys, apiKeyPeppers, auditSigningKey };
      await writeFile(join(directory, "development-secrets.json"), JSON.stringify(old));
      const [one, two] = [await loadSecrets(config), await loadSecrets(config)];
      expect(one).toEqual({ ...old, mfaKeys: two.mfaKeys, generated: true });
      expect(one.mfaKeys.length).toBeGreaterThan(40);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("give way to configured ones", async () => {
    expect(await loadSecrets(parseConfig(PRODUCTION))).toMatchObject({ generated: false, jwtSecrets: PRODUCTION.JWT_SECRETS });
  });
});
