import type { Clock } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { postgresUrl, redisUrl } from "../../../tools/test-services/connect.js";
import { type Config, parseConfig } from "../src/config.js";
import { loadSecrets } from "../src/development-secrets.js";
import { createLogger } from "../src/logger.js";
import { openStore } from "../src/open-store.js";
import { seed } from "../src/seed.js";
import { createService, type Service } from "../src/service.js";
import { flipAuditBit } from "../src/story/corrupt-audit.js";
import { startReceiver } from "../src/story/receiver.js";
import type { World } from "../src/story/story.js";
import { FRAMEWORKS } from "./serve.js";

// On a busy machine Redis answers late, and the limiter's fallback is not what these tests are about.
const PATIENT_MS = 10_000;

/** Where the state of a test's service lives. */
export type StoreKind = "memory" | "sqlite" | "postgres and redis";

/** A running service and the world around it. */
export interface TestWorld extends World {
  /** Everything that was narrated and logged. */
  readonly lines: readonly string[];
  readonly clock: Clock;
  readonly service: Service;
  close(): Promise<void>;
}

/** Starts the whole service in this process, on a real port, with a clock that tests move. */
export async function startService(
  framework: keyof typeof FRAMEWORKS,
  kind: StoreKind,
  environment: Readonly<Record<string, string>> = {},
): Promise<TestWorld> {
  const directory = await mkdtemp(join(tmpdir(), "portcullis-e2e-"));
  const receiver = await startReceiver();
  const config = await configOf(kind, directory, receiver.address, environment);
  const clock = createManualClock(Date.now());
  const lines: string[] = [];
  const logger = createLogger({ logLevel: "info" }, { write: (line) => void lines.push(line) });
  const store = await openStore(config, { clock, limitsDeadlineMs: PATIENT_MS });
  const service = createService({ config, secrets: await loadSecrets(config), store, logger, clock });
  await service.assignments.refresh();
  await seed(service);
  const server = await FRAMEWORKS[framework](service.app, { port: config.port, host: "127.0.0.1" });
  service.start();
  return {
    url: () => server.url,
    receiver,
    lines,
    clock,
    service,
    passTime: async (ms) => clock.advance(ms),
    readDatabase: () => readDatabase(kind, config),
    ...(kind === "memory" ? {} : { corruptAudit: () => flipAuditBit(config.databaseUrl) }),
    narrate: (line) => void lines.push(line),
    async close() {
      await server.close();
      await service.stop();
      await store.close();
      await receiver.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function configOf(
  kind: StoreKind,
  directory: string,
  receiver: string,
  environment: Readonly<Record<string, string>>,
): Promise<Config> {
  const databaseUrl = kind === "memory" ? "memory:" : kind === "sqlite" ? `file:${join(directory, "test.db")}` : await postgresUrl();
  return parseConfig({
    DATABASE_URL: databaseUrl,
    PORT: "0",
    PORTCULLIS_DATA: directory,
    WEBHOOK_ALLOW: receiver,
    CORS_ORIGINS: "https://app.example",
    ...(kind === "postgres and redis" ? { REDIS_URL: redisUrl() } : {}),
    ...environment,
  });
}

async function readDatabase(kind: StoreKind, { databaseUrl }: Config): Promise<Buffer | undefined> {
  if (kind === "memory") return undefined;
  if (kind === "sqlite") {
    const path = databaseUrl.slice("file:".length);
    return Buffer.concat(await Promise.all([readFile(path), readFile(`${path}-wal`)]));
  }
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    // What a dump of the table would hold.
    const { rows } = await client.query<{ readonly row: string }>("SELECT portcullis_records::text AS row FROM portcullis_records");
    return Buffer.from(rows.map(({ row }) => row).join("\n"));
  } finally {
    await client.end();
  }
}
