import { callerOf, type GuardRequest, invalidOption } from "@portcullis/core";
import type { CheckOptions } from "../decision/decision.js";
import { own } from "../own-options.js";

/** Where an endpoint's resource belongs. */
export interface ResourceOwner {
  /**
   * The organisation that owns the resource, e.g. `(request) => request.param("orgId")`; `undefined` from it denies. Absent: with
   * `departmentParam`, and for changes of an organisation, the caller's own; else organisations are not compared.
   */
  readonly org?: (request: GuardRequest) => string | undefined;
  /** Route parameter that names the resource's department, for organisation roles that are bound to departments. */
  readonly departmentParam?: string;
}

/** Its options, by name. */
export const RESOURCE_OWNER = ["org", "departmentParam"] as const;

/**
 * Reads where the resource belongs from a request, as options of a check; `undefined` where the endpoint does not say.
 *
 * @param options A guard's options, as `ownOptions` gives them.
 * @param always Whether the resource is always somebody's: the caller's organisation's, where nothing else is said.
 */
export function ownerReader(
  guard: string,
  { org, departmentParam }: ResourceOwner,
  { always }: { readonly always: boolean } = { always: false },
): ((request: GuardRequest) => CheckOptions) | undefined {
  if (org !== undefined && typeof org !== "function") throw invalidOption(`${guard}.org`, org, "a function of the request");
  if (departmentParam !== undefined && (typeof departmentParam !== "string" || departmentParam === ""))
    throw invalidOption(`${guard}.departmentParam`, departmentParam, "the name of a route parameter");
  if (org === undefined && departmentParam === undefined && !always) return undefined;
  const ownerOf = org ?? ownOrg;
  return (request) =>
    // An organisation or a department that cannot be told is passed on as such: the check denies it.
    ({
      org: ownerOf(request),
      ...(departmentParam === undefined ? {} : { scope: { department: request.param(departmentParam) } }),
    }) as CheckOptions;
}

// No principal, or one of no organisation: the check denies it.
function ownOrg(request: GuardRequest): string | undefined {
  const principal = callerOf(request);
  return principal && (own(principal, "orgId") as string | undefined); // as Principal has it
}
