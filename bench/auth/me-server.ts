// The process that serves `GET /auth/me` and logins; auth.bench.ts asks it from another process.
import { authRoutes } from "@portcullis/auth";
import { createApp, createMemoryStore } from "@portcullis/core";
import { listen, mount } from "@portcullis/fastify";
import Fastify from "fastify";
import { reportCpu } from "../harness/report-cpu.js";
import { authOn, subjectAt } from "./callers.js";
import { createUser } from "./sessions.js";

/** What the process says when it serves. */
export interface Serving {
  readonly port: number;
  /** Of people who are logged in, and only call. */
  readonly tokens: readonly string[];
  /** Of people who log in. */
  readonly emails: readonly string[];
  readonly password: string;
}

const PASSWORD = "correct horse battery staple";
const [callers = "0", logins = "0"] = process.argv.slice(2);

const store = createMemoryStore();
const auth = authOn(store);
const hashed = await auth.hashPassword(PASSWORD);
if (hashed.kind !== "ok") throw new Error("The password is not hashed.");
const tokens: string[] = [];
const emails: string[] = [];
for (let user = 0; user < Number(callers) + Number(logins); user += 1) {
  const userId = await createUser(store, user, hashed.value);
  if (user < Number(callers)) tokens.push((await auth.createTokenPair({ ...subjectAt(user), userId })).accessToken);
  else emails.push(subjectAt(user).email);
}
const app = Fastify();
mount(app, createApp({ routes: authRoutes(auth) }));
const { port } = await listen(app, { port: 0, host: "127.0.0.1" });
reportCpu({ port, tokens, emails, password: PASSWORD } satisfies Serving);
