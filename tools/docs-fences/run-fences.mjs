// Runs the examples in one process, one after the other: a process for each would cost a second each.
//   tsx --conditions=@portcullis/source run-fences.mjs <file>…      one line of JSON per failure
//
// An example may listen on the port that a reader would choose. The system gives it a free one instead, connections to the
// written port reach it, and its servers are closed before the next example: examples neither meet each other nor whatever
// else listens on this machine.
import { mkdtempSync, rmSync } from "node:fs";
import { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const TIMEOUT_MS = 10_000;
const print = process.stdout.write.bind(process.stdout);

let servers = [];
let actualPorts = new Map();
let reject = () => {};

const listen = Server.prototype.listen;
Server.prototype.listen = function listenOnFreePort(...args) {
  servers.push(this);
  const [first] = args;
  const written = Number(typeof first === "object" && first !== null ? first.port : first);
  if (written > 0) {
    args[0] = typeof first === "object" ? { ...first, port: 0 } : 0;
    this.once("listening", () => actualPorts.set(written, this.address().port));
  }
  return listen.apply(this, args);
};

const connect = Socket.prototype.connect;
Socket.prototype.connect = function connectToActualPort(...args) {
  // `net.connect` normalises its arguments into one array before it comes here.
  const [options] = Array.isArray(args[0]) ? args[0] : args;
  if (typeof options === "object" && options !== null && actualPorts.has(Number(options.port)))
    options.port = actualPorts.get(Number(options.port));
  return connect.apply(this, args);
};

process.on("uncaughtException", (error) => reject(error));
process.on("unhandledRejection", (error) => reject(error));
process.exit = (code) => {
  throw new Error(`the example called process.exit(${code})`);
};

for (const file of process.argv.slice(2)) {
  const failure = await run(file);
  if (failure !== undefined) print(`${JSON.stringify({ file, failure })}\n`);
}
process.reallyExit(0);

/** @returns What it failed with. */
async function run(file) {
  const folder = mkdtempSync(join(tmpdir(), "portcullis-example-"));
  process.chdir(folder);
  let printed = "";
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = (text, encoding, done) => {
      printed += String(text);
      (typeof encoding === "function" ? encoding : done)?.();
      return true;
    };
  }
  let timer;
  try {
    await new Promise((resolve, fail) => {
      reject = fail;
      timer = setTimeout(() => fail(new Error(`still running after ${TIMEOUT_MS / 1000} s; end it, or mark it no-run`)), TIMEOUT_MS);
      // One turn more: what it started without awaiting fails now or not at all.
      import(pathToFileURL(file).href).then(() => setTimeout(resolve, 5), fail);
    });
    return undefined;
  } catch (error) {
    return `${error instanceof Error ? (error.stack ?? error.message) : String(error)}${printed && `\n${printed}`}`;
  } finally {
    clearTimeout(timer);
    reject = () => {};
    await closeServers();
    process.chdir(tmpdir());
    rmSync(folder, { recursive: true, force: true });
  }
}

async function closeServers() {
  const open = servers.filter((server) => server.listening);
  servers = [];
  actualPorts = new Map();
  await Promise.all(
    open.map((server) => {
      server.closeAllConnections?.();
      return new Promise((resolve) => server.close(resolve));
    }),
  );
}
