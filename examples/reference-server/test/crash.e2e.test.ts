import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createApiClient } from "../src/story/api-client.js";
import { playCrash } from "../src/story/crash.js";
import { type Receiver, startReceiver } from "../src/story/receiver.js";
import { type ServerProcess, startServerProcess } from "../src/story/server-process.js";
import { logInAs, read } from "../src/story/story.js";

interface Living {
  readonly receiver: Receiver;
  readonly server: () => ServerProcess;
  start(): Promise<void>;
}

async function withServer(framework: string, run: (living: Living) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "portcullis-crash-"));
  const receiver = await startReceiver();
  // With the shortest time-out, a delivery that the dead process held is sent again after eleven seconds.
  const environment = {
    PORTCULLIS_FRAMEWORK: framework,
    PORTCULLIS_DATA: directory,
    WEBHOOK_ALLOW: receiver.address,
    WEBHOOK_TIMEOUT_MS: "1000",
  };
  let server = await startServerProcess(environment);
  try {
    await run({
      receiver,
      server: () => server,
      async start() {
        server = await startServerProcess(environment);
      },
    });
  } finally {
    await server.kill();
    await receiver.close();
    await rm(directory, { recursive: true, force: true });
  }
}

describe("a server that is killed", () => {
  // At the same time: most of it is waiting for leases of the dead process.
  it.concurrent.each(["express", "fastify", "hono"])(
    "on %s runs no approved execution twice, loses no accepted webhook, and stops cleanly when asked",
    (framework) =>
      withServer(framework, async ({ receiver, server, start }) => {
        const call = createApiClient(() => server().url);
        const [viewer, member, admin] = await Promise.all([logInAs(call, "viewer"), logInAs(call, "member"), logInAs(call, "admin")]);
        const body = { url: receiver.url, events: ["workflow.executed"] };
        receiver.useSecret(
          read(await call("POST", "/api/webhooks/endpoints", { token: admin, body }), 201, z.object({ secret: z.string() })).secret,
        );
        await playCrash({ kill: () => server().kill(), start }, { call, viewer, member, admin }, receiver, () => {});
        const verified = await call("GET", "/api/audit/verify", { token: await logInAs(call, "owner") });
        expect(read(verified, 200, z.object({ verdict: z.string() })).verdict).toBe("intact");
        expect(await server().terminate()).toBe(0);
      }),
    90_000,
  );
});
