// One of several processes in which people guess at passwords; see guesses-stores.test.ts.
//   node --import tsx --conditions=@portcullis/source guess-contender.ts <target>
// Says "ready"; then does the job of each line on standard input, and prints what came of it; ends when its standard input does.
import { createInterface } from "node:readline";
import { type Guessed, type GuessJob, type GuessTarget, openGuessAuth } from "./guess-auth.js";

const { auth, mail, events, close } = await openGuessAuth(JSON.parse(process.argv[2] ?? "") as GuessTarget); // as the test wrote it

async function guess(job: GuessJob): Promise<Guessed> {
  const before = events.length;
  const results = await Promise.all(
    Array.from({ length: job.times }, async () => (job.kind === "login" ? auth.login(job) : mail.confirmPasswordReset(job))),
  );
  return {
    codes: results.map((result) => (result.kind === "denied" ? result.problem.code : result.kind)),
    computed: events
      .slice(before)
      .filter((event) => event.kind === "login_failed" && (event.reason === "wrong_password" || event.reason === "unknown_account")).length,
  };
}

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await guess(JSON.parse(line) as GuessJob))}\n`); // as the test wrote it
}
await close();
