// Gives tests real servers. Runs once per project that has tests to run, and starts only what that project's tests name
// (see services.ts): `vitest run --project rbac` starts nothing.
//
// A service is, in this order: the one that the user names in PORTCULLIS_TEST_{POSTGRES_URL,REDIS_URL,REDIS_CLUSTER_URLS,
// CHROMIUM}; one of our own on a private port, from the binaries of this machine; the same after installing Debian's package
// (as root). Never a server that happens to listen. What cannot be had is skipped by name, and fails under CI=true.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { findCommand, findOrInstall } from "./debian-package.js";
import { startPostgres } from "./postgres.js";
import { startRedis, startRedisCluster } from "./redis.js";
import { missingVariable, type ServiceName, SERVICES } from "./services.js";

interface Started {
  readonly address: string;
  stop(): Promise<void>;
}

const STARTERS: Readonly<Record<ServiceName, () => Promise<Started>>> = {
  postgres: async () => {
    const { url, stop } = await startPostgres();
    return { address: url, stop };
  },
  redis: async () => {
    const { url, stop } = await startRedis();
    return { address: url, stop };
  },
  "redis-cluster": async () => {
    const { urls, stop } = await startRedisCluster();
    return { address: urls.join(","), stop };
  },
  chromium: async () => {
    const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    return { address: await findOrInstall(() => findCommand(...names), "chromium"), stop: async () => {} };
  },
};

/** @returns What stops the services that this call started; those of an earlier project are left to that project. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const wanted = servicesNamedIn(join(project.config.root, "test"));
  const stops = await Promise.all(wanted.filter(isUndecided).map(provide));
  return async () => void (await Promise.all(stops.map((stop) => stop())));
}

/** The services that the test files of a folder mention. */
export function servicesNamedIn(folder: string): ServiceName[] {
  const files = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  const source = files.filter((file) => /\.m?ts$/.test(file)).map((file) => readFileSync(join(folder, file), "utf8"));
  return (Object.keys(SERVICES) as ServiceName[]).filter((name) => source.some((text) => SERVICES[name].mention.test(text)));
}

/** Not named by the user, nor started or given up by an earlier project of this run. */
function isUndecided(name: ServiceName): boolean {
  return !process.env[SERVICES[name].variable] && !process.env[missingVariable(name)];
}

async function provide(name: ServiceName): Promise<() => Promise<void>> {
  try {
    const { address, stop } = await STARTERS[name]();
    // The workers inherit the environment.
    process.env[SERVICES[name].variable] = address;
    return stop;
  } catch (error) {
    process.env[missingVariable(name)] = error instanceof Error ? error.message : String(error);
    return async () => {};
  }
}
