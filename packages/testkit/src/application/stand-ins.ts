import { ALLOW, deny, type Guard, type Principal, principalFact, type Problem, problems } from "@portcullis/core";

/**
 * Stands where authentication stands: every request is this principal's. The policy behind it stays the real one.
 *
 * @example
 * ```ts
 * import { createApp, toFetchHandler } from "@portcullis/core";
 * import { authenticateAs, principal } from "@portcullis/testkit";
 *
 * const app = createApp({ guards: [authenticateAs(principal({ roles: ["viewer"] }))], routes: [] });
 * console.log((await toFetchHandler(app)(new Request("http://localhost/nothing"))).status); // 404
 * ```
 */
export function authenticateAs(principal: Principal): Guard {
  return {
    name: "authenticate-as",
    check(request) {
      request.facts.set(principalFact, principal);
      return ALLOW;
    },
  };
}

/** Stands where any guard stands and lets everybody pass: for tests that are not about who may. Never in an application. */
export function allowAll(): Guard {
  return { name: "allow-all", check: () => ALLOW };
}

/** Stands where any guard stands and lets nobody pass: for tests of what a client does when it is refused. Default 403 `forbidden`. */
export function denyAll(problem: Problem = problems.forbidden()): Guard {
  return { name: "deny-all", check: () => deny(problem) };
}
