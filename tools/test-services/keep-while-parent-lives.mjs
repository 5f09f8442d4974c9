// Runs one server for as long as the process that started it lives, then stops it and removes its folder. The parent's end
// is seen as the end of standard input, which comes even when the parent was killed: no test run leaves a server behind.
//   node keep-while-parent-lives.mjs '{"command":…,"args":[…],"folder":…,"signal":"SIGTERM","uid":…,"gid":…}'
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";

const { command, args, folder, signal, uid, gid } = JSON.parse(process.argv[2]);
const server = spawn(command, args, { cwd: folder, stdio: ["ignore", "ignore", "inherit"], uid, gid });

// Ctrl-C reaches the whole terminal group; the parent may still need the server to end its tests in order.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => {});

server.on("error", (error) => finish(`${command}: ${error.message}`));
server.on("exit", (code) => finish(`${command} ended with ${code}`));
process.stdin.on("end", () => {
  server.kill(signal);
  setTimeout(() => server.kill("SIGKILL"), 5_000);
});
process.stdin.resume();

function finish(message) {
  rmSync(folder, { recursive: true, force: true });
  console.error(message);
  process.exit(0);
}
