import { strict as assert } from "node:assert";
import { z } from "zod";
import type { Answer, RequestParts } from "./api-client.js";
import { approvedExecution, type Cast, read } from "./story.js";
import type { Receiver } from "./receiver.js";

/** A server that can be killed and started again on the same data. */
export interface MortalServer {
  kill(): Promise<void>;
  start(): Promise<void>;
}

const EXECUTIONS = 12;
const KILL_AFTER = 4;
const WEBHOOK_TIMEOUT_MS = 60_000;

const executionSchema = z.object({ id: z.string(), approvalId: z.string().optional() });

/**
 * Kills the server in the middle of approved executions and starts it again.
 *
 * @throws {AssertionError} An approved execution ran twice, or the event of an acknowledged one was never delivered.
 */
export async function playCrash(
  server: MortalServer,
  { call, member, admin }: Cast,
  receiver: Receiver,
  narrate: (line: string) => void,
): Promise<void> {
  narrate("");
  narrate("## Kill the server in the middle");
  const approved: { readonly path: string; readonly parts: RequestParts; readonly approvalId: string }[] = [];
  for (let index = 0; index < EXECUTIONS; index += 1) approved.push(await approvedExecution(call, member, admin, `Mailing ${index}`));

  const acknowledged = new Set<string>();
  let killing: Promise<void> | undefined;
  const note = (answer: Answer): void => {
    if (answer.status !== 200) return;
    acknowledged.add(read(answer, 200, executionSchema).id);
    if (acknowledged.size >= KILL_AFTER) killing ??= server.kill();
  };
  // Three clients for each; those whose connection dies with the server never learn what happened.
  await Promise.all([...approved, ...approved, ...approved].map(({ path, parts }) => call("POST", path, parts).then(note, () => {})));
  await (killing ?? server.kill());
  narrate(`${EXECUTIONS} approved executions, three clients each; killed after ${acknowledged.size} were acknowledged.`);

  await server.start();
  const retried = await Promise.all(approved.map(({ path, parts }) => call("POST", path, parts)));
  for (const answer of retried) {
    assert.ok(answer.status === 200 || answer.status === 409, answer.text);
    note(answer);
  }
  const executions = read(await call("GET", "/api/workflow-executions?limit=200", { token: member }), 200, z.array(executionSchema));
  for (const { approvalId } of approved) {
    const runs = executions.filter((execution) => execution.approvalId === approvalId);
    assert.ok(runs.length <= 1, `approval ${approvalId} ran ${runs.length} times`);
  }
  for (const id of acknowledged)
    assert.ok(
      executions.some((execution) => execution.id === id),
      `acknowledged execution ${id} is gone`,
    );
  narrate(
    `Restarted; every client tried again: ${executions.filter(({ approvalId }) => approvalId !== undefined).length} executions in all, none of them twice.`,
  );

  const received = (): string => JSON.stringify(receiver.events.map(({ payload }) => payload));
  await receiver.waitFor(() => [...acknowledged].every((id) => received().includes(id)), WEBHOOK_TIMEOUT_MS);
  assert.equal(receiver.rejected(), 0);
  const ids = receiver.events.map(({ id }) => id);
  narrate(
    `Every acknowledged execution's webhook arrived (${ids.length} deliveries, ${ids.length - new Set(ids).size} of them repeats under the same id).`,
  );
}
