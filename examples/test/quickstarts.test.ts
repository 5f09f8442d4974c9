import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const FRAMEWORKS = ["express", "fastify", "hono"] as const;

function pathOf(framework: string): string {
  return fileURLToPath(new URL(`../quickstart-${framework}.ts`, import.meta.url));
}

function memberOf(body: unknown, name: string): string {
  return String(Object.getOwnPropertyDescriptor(body, name)?.value);
}

describe("the quickstarts", () => {
  test.each(["fastify", "hono"])("of express and %s differ in three lines: the framework, the adapter, the application", (other) => {
    const [one, two] = ["express", other].map((framework) => readFileSync(pathOf(framework), "utf8").split("\n"));
    const differing = one?.filter((line, index) => line !== two?.[index]);
    expect(one).toHaveLength(two?.length ?? 0);
    expect(differing).toEqual([
      'import express from "express";',
      'import { listen, mount } from "@portcullis/express";',
      "const framework = express();",
    ]);
  });
});

describe.each(FRAMEWORKS)("quickstart-%s", (framework) => {
  let server: ChildProcess;
  let url = "";

  beforeAll(async () => {
    server = spawn(process.execPath, ["--conditions=@portcullis/source", "--import", "tsx", pathOf(framework)], {
      env: { ...process.env, PORT: "0" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    url = await new Promise((resolve, reject) => {
      server.stdout?.on("data", (text: Buffer) => resolve(text.toString("utf8").split(" ")[0] ?? ""));
      server.once("exit", (code) => reject(new Error(`The quickstart ended with ${code}.`)));
    });
  }, 30_000);

  afterAll(() => {
    server.kill();
  });

  async function login(): Promise<string> {
    const response = await fetch(`${url}/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email: "ada@example.com", password: "correct horse battery" }),
    });
    expect(response.status).toBe(200);
    return memberOf(await response.json(), "access_token");
  }

  test("lets a viewer who logged in list the workflows", async () => {
    const response = await fetch(`${url}/workflows`, { headers: { authorization: `Bearer ${await login()}` } });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ workflows: [] });
    expect(response.headers.get("ratelimit")).toContain("floor");
  });

  test("refuses a caller without credentials, with security headers and a correlation id", async () => {
    const response = await fetch(`${url}/workflows`, { headers: { "x-request-id": "quickstart-1" } });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: 1001, instance: "quickstart-1" });
    expect(response.headers.get("x-request-id")).toBe("quickstart-1");
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("content-type")).toBe("application/problem+json");
  });

  test("refuses an API key whose scopes lack the permission", async () => {
    const authorization = `Bearer ${await login()}`;
    const created = await fetch(`${url}/auth/api-keys`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ name: "nothing", scopes: ["reports.read"] }),
    });
    expect(created.status).toBe(201);
    const key = memberOf(await created.json(), "key");
    const response = await fetch(`${url}/workflows`, { headers: { "x-api-key": key } });
    expect(response.status).toBe(403);
  });

  test("guards unmatched paths too", async () => {
    const missing = await fetch(`${url}/nowhere`);
    expect(missing.status).toBe(404);
    expect(missing.headers.get("x-content-type-options")).toBe("nosniff");
    const wrong = await fetch(`${url}/workflows`, { method: "DELETE" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test("limits callers without credentials, and says when to come back", async () => {
    for (let sent = 0; sent < 100; sent += 1) {
      const response = await fetch(`${url}/workflows`);
      await response.body?.cancel();
      if (response.status === 429) {
        expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
        return;
      }
    }
    expect.unreachable("a hundred requests were let through");
  });
});
