// What a test file imports to reach the services of its run.
//
//   describeWith("postgres", "limits on PostgreSQL", () => {
//     it("…", async () => { const pool = new Pool({ connectionString: await postgresUrl() }); … });
//   });
//
// Each call of `postgresUrl` is a database of its own and each of `redisPrefix` a keyspace of its own, both gone when the
// file has run: files run at the same time and must not see each other.
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { Client, DatabaseError } from "pg";
import { afterAll, describe, it } from "vitest";
import { missingVariable, type ServiceName, SERVICES } from "./services.js";

const OBJECT_IN_USE = "55006";
const databases: string[] = [];
const prefixes: string[] = [];

// Registered at import, so it runs last: hooks run in reverse order, and tests close their connections first.
afterAll(async () => {
  if (databases.length > 0) await asAdministrator(dropAll);
  if (prefixes.length > 0) await Promise.all(redisNodes().map(deletePrefixed));
});

/** `describe`, where the service can be had; else a skipped block that says why, or under CI=true a failing one. */
export function describeWith(service: ServiceName, name: string, body: () => void): void {
  if (hasService(service)) return void describe(name, body);
  const { title, variable } = SERVICES[service];
  const reason = `needs ${title}: ${process.env[missingVariable(service)] ?? `set ${variable}`}`;
  if (process.env["CI"] === "true") {
    describe(name, () =>
      it(`has ${title}`, () => {
        throw new Error(reason);
      }),
    );
    return;
  }
  describe.skip(`${name} (${reason})`, () => it("is tested", () => {}));
}

/** Whether tests can reach this service. */
export function hasService(service: ServiceName): boolean {
  return Boolean(process.env[SERVICES[service].variable]);
}

/** Creates an empty database, dropped when this test file has run. @returns Its URL. */
export async function postgresUrl(): Promise<string> {
  const name = `portcullis_test_${randomUUID().replaceAll("-", "")}`;
  await asAdministrator(async (client) => void (await client.query(`CREATE DATABASE ${name} TEMPLATE template0`)));
  databases.push(name);
  const url = new URL(addressOf("postgres"));
  url.pathname = `/${name}`;
  return url.href;
}

/** The single Redis. Share it by `redisPrefix()`. */
export function redisUrl(): string {
  return addressOf("redis");
}

/** Every master of the Redis Cluster. Share it by `redisPrefix()`. */
export function redisClusterUrls(): readonly string[] {
  return addressOf("redis-cluster").split(",");
}

/** A key prefix nobody else uses; its keys are deleted when this test file has run. */
export function redisPrefix(): string {
  const prefix = `portcullis-test-${randomUUID()}:`;
  prefixes.push(prefix);
  return prefix;
}

/** Chromium's executable, for playwright-core's `executablePath`; as root it wants `args: ["--no-sandbox"]`. */
export function chromiumPath(): string {
  return addressOf("chromium");
}

function addressOf(service: ServiceName): string {
  const address = process.env[SERVICES[service].variable];
  if (!address) throw new Error(`no ${SERVICES[service].title} here; wrap the tests in describeWith("${service}", …)`);
  return address;
}

async function asAdministrator(use: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: addressOf("postgres") });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

async function dropAll(client: Client): Promise<void> {
  for (const name of databases) await dropDatabase(client, name);
}

/**
 * pg's pool says that it has ended before its connections have, and one that the server ends by force then fails the run from
 * outside its tests. So the server is first asked to drop without force, which waits 5 s for connections to leave.
 */
async function dropDatabase(client: Client, name: string): Promise<void> {
  try {
    await client.query(`DROP DATABASE IF EXISTS ${name}`);
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== OBJECT_IN_USE) throw error;
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  }
}

function redisNodes(): readonly string[] {
  return [...(hasService("redis") ? [redisUrl()] : []), ...(hasService("redis-cluster") ? redisClusterUrls() : [])];
}

/** A store may put a prefix inside a hash tag, so it is looked for anywhere in the key. */
async function deletePrefixed(url: string): Promise<void> {
  const client = new Redis(url);
  try {
    for (const prefix of prefixes) {
      for await (const keys of client.scanStream({ match: `*${prefix}*`, count: 1_000 })) {
        await Promise.all((keys as string[]).map((key) => client.unlink(key)));
      }
    }
  } finally {
    client.disconnect();
  }
}
