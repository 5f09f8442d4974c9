import { parseIpBlock } from "@portcullis/core";
import type { TrustedCaller } from "@portcullis/rbac";
import { z } from "zod";
import { list, wholeNumber } from "./config-values.js";
import { type IdentityConfig, identityVariables, readIdentity } from "./identity/identity-config.js";
import { DEMO_ORGANISATION } from "./seed.js";

/** Everything the server is told from outside. Parsed once; nothing else reads the environment. */
export interface Config extends IdentityConfig {
  readonly production: boolean;
  readonly framework: "express" | "fastify" | "hono";
  readonly host: string;
  readonly port: number;
  /** `file:…`, `postgres://…` or `memory:`. */
  readonly databaseUrl: string;
  /** Limits, counters and tickets live in Redis when set, else beside everything else. */
  readonly redisUrl: string | undefined;
  readonly dataDirectory: string;
  readonly jwtSecrets: string | undefined;
  readonly encryptionKeys: string | undefined;
  readonly apiKeyPeppers: string | undefined;
  readonly auditSigningKey: string | undefined;
  readonly corsOrigins: readonly string[];
  readonly trustedProxies: readonly string[];
  /** Services that may say on whose behalf they call. Nobody by default: identity headers are taken out of every request. */
  readonly trustedCallers: readonly TrustedCaller[];
  /** What services that sign call this one. */
  readonly serviceName: string | undefined;
  /** Organisation whose owners may change the roles, which are the same in all organisations. */
  readonly operatorOrganisation: string;
  /** Address under which other services find this one's decision point. */
  readonly publicUrl: string;
  /** Processes that share the database and Redis. While Redis is away, each allows its part of every rate limit. */
  readonly instances: number;
  /** Addresses and blocks that no limit of an address counts: probes and jobs of your own. */
  readonly rateLimitAllow: readonly string[];
  /** Addresses and blocks that are refused at all times. */
  readonly rateLimitDeny: readonly string[];
  /** Receivers of webhooks that may be private addresses: `127.0.0.1:9000`, `10.1.0.0/16`. */
  readonly webhookAllow: readonly string[];
  /** How long a receiver may take to answer. */
  readonly webhookTimeoutMs: number;
  readonly logLevel: "fatal" | "error" | "warn" | "info" | "debug" | "silent";
}

/** Thrown at start; lists every mistake with what to set. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "config_invalid";
  constructor(readonly mistakes: readonly string[]) {
    super(
      `The configuration has ${mistakes.length} mistake${mistakes.length === 1 ? "" : "s"}:\n${mistakes.map((mistake) => `  - ${mistake}`).join("\n")}`,
    );
  }
}

const addresses = list.refine(
  (items) => items.every((item) => parseIpBlock(item) !== undefined),
  "must list IP addresses and CIDR blocks, separated by commas",
);

const oneOf = <const T extends readonly string[]>(values: T) => z.enum(values, `must be one of ${values.join(", ")}`);

const texts = z.array(z.string()).optional();
const callersSchema = z.array(
  z.strictObject({ id: z.string(), maxRoles: z.array(z.string()), addresses: texts, certificates: texts, secrets: texts }),
);

// Shown without what was given: there are secrets in it.
const callers = z
  .string()
  .default("[]")
  .transform((text, context): readonly TrustedCaller[] => {
    try {
      // What a caller leaves out is not there, which is what exact optional members ask for.
      return callersSchema.parse(JSON.parse(text)) as readonly TrustedCaller[];
    } catch {
      context.addIssue('must be a JSON list of { "id", "maxRoles" }, each with one of "addresses", "certificates" and "secrets"');
      return z.NEVER;
    }
  });

const schema = z.object({
  NODE_ENV: z.string().default("development"),
  PORTCULLIS_FRAMEWORK: oneOf(["express", "fastify", "hono"]).default("hono"),
  HOST: z.string().min(1).optional(),
  PORT: wholeNumber(0, 65_535).default(8080),
  DATABASE_URL: z
    .string()
    .regex(/^(?:file:|postgres(?:ql)?:\/\/|memory:$)/, "must begin with file:, postgres:// or be memory:")
    .optional(),
  REDIS_URL: z
    .string()
    .regex(/^rediss?:\/\//, "must begin with redis:// or rediss://")
    .optional(),
  PORTCULLIS_DATA: z.string().min(1).default("./data"),
  JWT_SECRETS: z.string().min(32, "needs secrets of at least 32 characters; make one with: openssl rand -base64 48").optional(),
  ENCRYPTION_KEYS: z.string().min(43, "needs keys of 32 bytes; make one with: openssl rand -hex 32").optional(),
  API_KEY_PEPPERS: z.string().min(32, "needs peppers of at least 32 characters; make one with: openssl rand -base64 48").optional(),
  AUDIT_SIGNING_KEY: z.string().optional(),
  CORS_ORIGINS: list,
  TRUSTED_PROXIES: list,
  TRUSTED_CALLERS: callers,
  SERVICE_NAME: z.string().optional(),
  OPERATOR_ORGANISATION: z.string().optional(),
  PUBLIC_URL: z.url("must be the URL of this server").optional(),
  INSTANCES: wholeNumber(1, 10_000).default(1),
  RATE_LIMIT_ALLOW: addresses,
  RATE_LIMIT_DENY: addresses,
  WEBHOOK_ALLOW: list,
  WEBHOOK_TIMEOUT_MS: wholeNumber(1000, 300_000).default(30_000),
  LOG_LEVEL: oneOf(["fatal", "error", "warn", "info", "debug", "silent"]).default("info"),
  ...identityVariables,
});

// What production cannot do without, and why.
const REQUIRED_IN_PRODUCTION = {
  JWT_SECRETS: "sessions must survive a restart and other instances",
  ENCRYPTION_KEYS: "a generated key that is lost takes all encrypted data with it",
  API_KEY_PEPPERS: "stored API keys are useless without it",
  AUDIT_SIGNING_KEY:
    "checkpoints of the audit log must be signed by a key that is not stored beside it; make one with: openssl rand -base64 32",
  MFA_KEYS: "authenticators that were enrolled must work after a restart and on other instances",
  DATABASE_URL: "the embedded default is for one machine; set it to say that you mean it",
  TRUSTED_PROXIES: "a proxy in front terminates TLS; name its address, so that callers cannot invent theirs",
} as const;

/**
 * Reads the configuration of the environment.
 *
 * @throws {ConfigError} With every mistake at once; nothing was started.
 */
export function parseConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  // An empty variable is an unset one: that is how compose files and shells write it.
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""));
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`));
  const env = parsed.data;
  const production = env.NODE_ENV === "production";
  const mistakes = production ? productionMistakes(given, env.CORS_ORIGINS) : [];
  if (env.SERVICE_NAME === undefined && env.TRUSTED_CALLERS.some(({ secrets }) => secrets !== undefined))
    mistakes.push("SERVICE_NAME is not set: callers that sign (TRUSTED_CALLERS) name the service that they sign for.");
  const identity = readIdentity(
    env,
    { production, port: env.PORT, publicUrl: env.PUBLIC_URL, demoOrganisation: DEMO_ORGANISATION },
    mistakes,
  );
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return Object.freeze({
    ...identity,
    production,
    framework: env.PORTCULLIS_FRAMEWORK,
    // Development servers are for this machine only, unless told otherwise.
    host: env.HOST ?? (production ? "0.0.0.0" : "127.0.0.1"),
    port: env.PORT,
    databaseUrl: env.DATABASE_URL ?? `file:${env.PORTCULLIS_DATA}/portcullis.db`,
    redisUrl: env.REDIS_URL,
    dataDirectory: env.PORTCULLIS_DATA,
    jwtSecrets: env.JWT_SECRETS,
    encryptionKeys: env.ENCRYPTION_KEYS,
    apiKeyPeppers: env.API_KEY_PEPPERS,
    auditSigningKey: env.AUDIT_SIGNING_KEY,
    corsOrigins: env.CORS_ORIGINS,
    trustedProxies: env.TRUSTED_PROXIES,
    trustedCallers: env.TRUSTED_CALLERS,
    serviceName: env.SERVICE_NAME,
    operatorOrganisation: env.OPERATOR_ORGANISATION ?? (production ? "" : DEMO_ORGANISATION),
    publicUrl: env.PUBLIC_URL ?? "https://localhost",
    instances: env.INSTANCES,
    rateLimitAllow: env.RATE_LIMIT_ALLOW,
    rateLimitDeny: env.RATE_LIMIT_DENY,
    webhookAllow: env.WEBHOOK_ALLOW,
    webhookTimeoutMs: env.WEBHOOK_TIMEOUT_MS,
    logLevel: env.LOG_LEVEL,
  });
}

function productionMistakes(given: Readonly<Record<string, string | undefined>>, corsOrigins: readonly string[]): string[] {
  const missing = Object.entries(REQUIRED_IN_PRODUCTION)
    .filter(([name]) => given[name] === undefined)
    .map(([name, why]) => `${name} is not set: ${why}.`);
  return corsOrigins.includes("*")
    ? [...missing, "CORS_ORIGINS is *: every website could call this API for its visitors. List the origins."]
    : missing;
}
