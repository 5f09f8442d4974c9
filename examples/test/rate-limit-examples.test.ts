import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ExampleServer, FRAMEWORKS, pathOfExample, startExample } from "./example-server.js";

describe("the examples of limits in front of an existing application", () => {
  it("differ in how the framework takes middleware", () => {
    const limits = FRAMEWORKS.map((framework) =>
      readFileSync(pathOfExample("rate-limit", framework), "utf8").split("\n\n")[2]?.split("\n"),
    );
    expect(limits.map((lines) => lines?.length)).toEqual([2, 2, 2]);
    expect(new Set(limits.map((lines) => lines?.[0])).size).toBe(1);
    expect(new Set(limits.map((lines) => lines?.[1]?.replace(/^.*guard\(/, ""))).size).toBe(1);
  });
});

describe.each(FRAMEWORKS)("rate-limit-%s", (framework) => {
  let server: ExampleServer | undefined;
  let url = "";

  beforeAll(async () => {
    server = await startExample(pathOfExample("rate-limit", framework));
    ({ url } = server);
  }, 30_000);
  afterAll(() => server?.stop());

  it("serves an address until its limit, and then says when to come back", async () => {
    let served = 0;
    for (;;) {
      const response = await fetch(url);
      if (response.status !== 200) {
        expect([response.status, response.headers.get("content-type")]).toEqual([429, "application/problem+json"]);
        expect(Number(response.headers.get("retry-after"))).toBe(1);
        expect(await response.json()).toMatchObject({ code: 5001, "violated-policies": ["floor"] });
        break;
      }
      expect(await response.text()).toBe("hello");
      expect(response.headers.get("ratelimit")).toMatch(/^"floor";r=\d+;t=\d+$/);
      served += 1;
      expect(served, "the address was never limited").toBeLessThan(1_000);
    }
    // 240 at once; some came back meanwhile.
    expect(served).toBeGreaterThanOrEqual(240);
  });
});
