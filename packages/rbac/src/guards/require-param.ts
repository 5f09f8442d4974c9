import { ALLOW, deny, type Guard, problems } from "@portcullis/core";

/** Refuses a request whose route does not give the parameter that names its resource: 400. An audit entry of it would name nothing. */
export function requireParam(param: string): Guard {
  return Object.freeze({
    name: "require-param",
    meta: Object.freeze({ params: Object.freeze([param]) }),
    check: (request) => ((request.param(param) ?? "") === "" ? deny(problems.malformedRequest()) : ALLOW),
  } satisfies Guard);
}
