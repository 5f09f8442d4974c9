import { ALLOW, callerOf, deny, type Guard, problems } from "@portcullis/core";

/** Lets every request pass that has a principal, whatever it may do; 401 otherwise. Mount it after authentication. */
export function requireAuthentication(): Guard {
  return REQUIRE_AUTHENTICATION;
}

const REQUIRE_AUTHENTICATION: Guard = Object.freeze({
  name: "require-authentication",
  meta: Object.freeze({ authentication: true }),
  check: (request) => (callerOf(request) === undefined ? deny(problems.unauthenticated()) : ALLOW),
} satisfies Guard);
