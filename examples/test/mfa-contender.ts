// One of several processes that prove second factors on one store; see mfa-stores.test.ts.
//   node --import tsx --conditions=@portcullis/source mfa-contender.ts <target>
// Says "ready"; then tries the codes of each line on standard input, all at once, and prints the code of each answer.
import { createInterface } from "node:readline";
import { type MfaJob, openMfaAuth } from "./mfa-auth.js";

const [target = ""] = process.argv.slice(2);
const { mfa, close } = await openMfaAuth(target);
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line) as MfaJob; // written by mfa-stores.test.ts
  const answers = await Promise.all(job.map(({ pendingToken, code }) => mfa.verify({ pendingToken }, code)));
  process.stdout.write(`${JSON.stringify(answers.map((answer) => (answer.kind === "ok" ? "ok" : answer.problem.code)))}\n`);
}
await close();
