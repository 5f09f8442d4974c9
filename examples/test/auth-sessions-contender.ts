// One of several processes that share sessions; see auth-sessions-stores.test.ts.
//   node --import tsx --conditions=@portcullis/source auth-sessions-contender.ts <target> <place>
// Says "ready"; then does the job of each line on standard input, and prints what came of it; ends when its standard input does.
import { createInterface } from "node:readline";
import type { AuthEvent } from "@portcullis/auth";
import { CAP, openAuth, type Opened, openStore, type Refreshed, type SessionJob, type StoreTarget } from "./auth-sessions-setup.js";

const [target = "{}", place = "0"] = process.argv.slice(2);
const store = await openStore(JSON.parse(target) as StoreTarget); // as the test wrote it
const own = Number(place);

function atOnce<Answer>(times: number, act: () => Promise<Answer>): Promise<Answer[]> {
  return Promise.all(Array.from({ length: times }, act));
}

async function refresh(token: string, times: number): Promise<Refreshed> {
  const events: AuthEvent["kind"][] = [];
  const { auth } = openAuth(store, own, { onEvent: ({ kind }) => void events.push(kind) });
  const results = await atOnce(times, () => auth.refresh(token));
  const answers = results.map((result) => (result.kind === "ok" ? result.value : { code: result.problem.code }));
  return { answers, events };
}

async function exchangeAndHang(token: string): Promise<never> {
  const sessions = {
    ...store.sessions,
    async rotate(...args: Parameters<typeof store.sessions.rotate>) {
      await store.sessions.rotate(...args);
      say("exchanged");
      return new Promise<never>(() => {});
    },
  };
  await openAuth({ ...store, sessions }, own).auth.refresh(token);
  throw new Error("the exchange was answered");
}

async function open(userId: string, times: number, whenFull: "evict-oldest" | "refuse"): Promise<Opened> {
  const evicted: string[] = [];
  const onEvent = (event: AuthEvent): void => {
    if (event.kind === "session_evicted") evicted.push(event.sessionId);
  };
  const { auth } = openAuth(store, own, { sessions: { max: CAP, whenFull }, onEvent });
  const accessTokens: string[] = [];
  await atOnce(times, async () => {
    try {
      accessTokens.push((await auth.createTokenPair({ userId, role: "member" })).accessToken);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "too_many_sessions") throw error;
    }
  });
  return { accessTokens, refused: times - accessTokens.length, evicted };
}

function say(what: unknown): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line) as SessionJob; // as the test wrote it
  if (job.job === "refresh") say(await refresh(job.token, job.times));
  else if (job.job === "open") say(await open(job.userId, job.times, job.whenFull));
  else await exchangeAndHang(job.token);
}
await store.close();
