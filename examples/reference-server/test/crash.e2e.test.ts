import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { createApiClient } from "../src/story/api-client.js";
import { playCrash } from "../src/story/crash.js";
import { type Receiver, startReceiver } from "../src/story/receiver.js";
import { type ServerProcess, startServerProcess } from "../src/story/server-process.js";
import { logInAs, read } from "../src/story/story.js";

describe.each(["express", "fastify", "hono"])("a server on %s that is killed", (framework) => {
  let directory: string;
  let receiver: Receiver;
  let server: ServerProcess;
  const start = (): Promise<ServerProcess> =>
    startServerProcess({ PORTCULLIS_FRAMEWORK: framework, PORTCULLIS_DATA: directory, WEBHOOK_ALLOW: receiver.address, LOG_LEVEL: "info" });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "portcullis-crash-"));
    receiver = await startReceiver();
    server = await start();
  });
  afterAll(async () => {
    await server.kill();
    await receiver.close();
    await rm(directory, { recursive: true, force: true });
  });

  it("runs no approved execution twice and loses no accepted webhook, and stops cleanly when asked", async () => {
    const call = createApiClient(() => server.url);
    const [viewer, member, admin] = await Promise.all([logInAs(call, "viewer"), logInAs(call, "member"), logInAs(call, "admin")]);
    const body = { url: receiver.url, events: ["workflow.executed"] };
    receiver.useSecret(
      read(await call("POST", "/api/webhooks/endpoints", { token: admin, body }), 201, z.object({ secret: z.string() })).secret,
    );
    const mortal = {
      kill: () => server.kill(),
      async start() {
        server = await start();
      },
    };
    await playCrash(mortal, { call, viewer, member, admin }, receiver, () => {});
    const verified = await call("GET", "/api/audit/verify", { token: admin });
    expect(read(verified, 200, z.object({ verdict: z.string() })).verdict).toBe("intact");
    expect(await server.terminate()).toBe(0);
  });
});
