// A PostgreSQL of the run's own, with its durable defaults: fsync is part of what the store's tests are about.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { findCommand, findOrInstall } from "./debian-package.js";
import { type Account, freePort, type OwnServer, startOwnServer, temporaryFolder, withRetry } from "./own-server.js";

const run = promisify(execFile);
const DEBIAN_FOLDER = "/usr/lib/postgresql";

export async function startPostgres(): Promise<OwnServer & { url: string }> {
  const binaries = dirname(await findOrInstall(findInitdb, "postgresql"));
  const account = await serverAccount();
  return withRetry(async () => {
    const folder = temporaryFolder(account);
    const data = join(folder, "data");
    const password = randomBytes(16).toString("hex");
    const passwordFile = join(folder, "password");
    writeFileSync(passwordFile, password, { mode: 0o644 });
    const initdb = [
      "-D",
      data,
      "-U",
      "portcullis",
      "-A",
      "scram-sha-256",
      "--pwfile",
      passwordFile,
      "-E",
      "UTF8",
      "--locale",
      "C",
      "--no-sync",
    ];
    await run(join(binaries, "initdb"), initdb, { cwd: folder, ...account });

    const port = await freePort();
    const url = `postgres://portcullis:${password}@127.0.0.1:${port}/postgres`;
    const settings = ["max_connections=200", "unix_socket_directories=", "listen_addresses=127.0.0.1", "timezone=UTC"];
    const server = await startOwnServer({
      command: join(binaries, "postgres"),
      args: ["-D", data, "-p", String(port), ...settings.flatMap((setting) => ["-c", setting])],
      folder,
      signal: "SIGQUIT",
      account,
      ping: () => ping(url),
    });
    return { ...server, url };
  });
}

/** Debian keeps each major version in a folder of its own, off the search path; others put the newest on it. */
function findInitdb(): string | undefined {
  const versions = existsSync(DEBIAN_FOLDER) ? readdirSync(DEBIAN_FOLDER).map(Number) : [];
  const newestFirst = versions.filter(Number.isInteger).sort((a, b) => b - a);
  return newestFirst.map((version) => `${DEBIAN_FOLDER}/${version}/bin/initdb`).find((path) => existsSync(path)) ?? findCommand("initdb");
}

/** PostgreSQL refuses to run as root; its package brings a user for it. */
async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all(["-u", "-g"].map((flag) => run("id", [flag, "postgres"])));
  return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) };
}

async function ping(url: string): Promise<void> {
  const client = new Client({ connectionString: url });
  client.on("error", () => {});
  try {
    await client.connect();
  } finally {
    await client.end();
  }
}
