import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ExampleServer, FRAMEWORKS, pathOfExample, startExample } from "./example-server.js";

describe.each(FRAMEWORKS)("rbac-%s", (framework) => {
  let server: ExampleServer | undefined;

  beforeAll(async () => {
    server = await startExample(pathOfExample("rbac", framework));
  }, 30_000);
  afterAll(() => server?.stop());

  const ask = async (method: string, token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`${server?.url}/notes`, { method, headers });
    const isProblem = response.headers.get("content-type")?.startsWith("application/problem+json");
    return isProblem === true ? await response.json() : [response.status, await response.text()];
  };

  it("lets who may, and says to everybody else why not", async () => {
    expect(await ask("GET", "bob")).toEqual([200, "all notes"]);
    expect(await ask("POST", "ada")).toEqual([200, "written"]);
    expect(await ask("POST", "bob")).toMatchObject({ status: 403, code: 1101, permission: "notes.write", reason: "missing_permission" });
    expect(await ask("GET")).toMatchObject({ status: 401, code: 1001 });
    expect(await ask("GET", "eve")).toMatchObject({ status: 401, code: 1001 });
  });
});
