// A question in a process of its own: no other question has shaped the code that answers it.
import { fork } from "node:child_process";

/** Asks a fresh process, whose program says `answerParent`. */
export function askProcess<Answer>(file: string, question: object): Promise<Answer> {
  process.stderr.write(`${JSON.stringify(question)}\n`);
  return new Promise((resolve, reject) => {
    // This process's own flags (its loader) are not the worker's.
    const child = fork(file, [JSON.stringify(question)], { execArgv: ["--expose-gc"] });
    child.once("message", (answer) => resolve(answer as Answer)); // what the worker found for the question
    child.once("exit", (code) => reject(new Error(`The process of ${JSON.stringify(question)} ended with ${code}.`)));
  });
}

/** Answers the question that this process was started for. By hand, for a profile: `node --cpu-prof dist/worker.mjs '{"ask":…}'`. */
export async function answerParent<Question>(answer: (question: Question) => Promise<unknown>): Promise<void> {
  const question = JSON.parse(process.argv[2] ?? "null") as Question; // from the bench
  const found = await answer(question);
  if (process.send === undefined) process.stdout.write(`${JSON.stringify(found, null, 2)}\n`);
  else process.send(found, () => process.exit(0));
}
