import { createGuardChain } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { limiterWith, now } from "./limiter.js";
import { requestOf, userOf } from "./request.js";

describe("an excluded path", () => {
  const isLimited = (target: string, route?: string) => {
    const { limiter } = limiterWith({ exclude: ["/health", "/", "/api/status"] });
    const request = requestOf(route === undefined ? { target } : { target, route });
    const run = now(createGuardChain([limiter.limitFloor()]).run(request));
    expect(run.headers).toHaveLength(now(limiter.peek({ phase: "floor", ipKey: "192.0.2.1" })).remaining === 12_000 ? 0 : 2);
    return run.headers.length > 0;
  };

  it.each(["/health", "/health?deep=1", "/%68ealth", "/he%61lth?x", "/", "/?a=/b", "/api/status"])("RL-14 %s is not limited", (target) => {
    expect(isLimited(target)).toBe(false);
  });

  it.each([
    "/healthz",
    "/health/",
    "/health/../admin",
    "/health/..",
    "/x/../health",
    "/./health",
    "//admin",
    "//health",
    "/%68ealth/../admin",
    "/health%2f..%2fadmin",
    "/health%2F",
    "/x%2f..%2fhealth",
    "/%2e%2e/health",
    "/health%00",
    "/%2568ealth",
    "/health;x",
    "/api%2fstatus",
    "/health#",
    "/health#/../admin",
    "/health%3Fx",
    "/health%23x",
    "/health%09",
    "/health%3bx",
    "/health\\",
    "/health%5c",
    "/HEALTH",
    "/Health",
    "/health%",
    "/health%C0%AE",
    "/health%20",
    "http://host/health",
    "*",
    "",
    "/__proto__",
    "/api",
  ])("RL-14 %s is limited", (target) => {
    expect(isLimited(target)).toBe(true);
  });

  it("RL-14 where the framework has routed, the route decides", () => {
    expect(isLimited("/health", "/:page")).toBe(true);
    expect(isLimited("/HEALTH", "/health")).toBe(false);
  });

  it("RL-73 is left alone by every guard of the stack, and gets no header", () => {
    const { limiter } = limiterWith({ exclude: ["/health"] });
    const guards = [limiter.limitFloor(), limiter.limitUnauthenticated(), limiter.limitAuthenticated()];
    for (const principal of [undefined, userOf("ada")]) {
      const request = requestOf(principal === undefined ? { target: "/health" } : { target: "/health", principal });
      expect(now(createGuardChain(guards).run(request)).headers).toEqual([]);
    }
  });

  it("still counts for an operation of its own", () => {
    const { limiter } = limiterWith({ exclude: ["/health"], operations: { probe: { limit: 1, burst: 1 } } });
    const guard = limiter.limitOperation("probe");
    const kinds = [1, 2].map(() => now(guard.check(requestOf({ target: "/health" }))).kind);
    expect(kinds).toEqual(["allow", "deny"]);
    expect(now(limiter.peek({ phase: "anonymous", ipKey: "192.0.2.1" })).remaining).toBe(600);
  });
});
