import { invalidOption } from "@portcullis/core";

/** Where a policy decision point is for the world, and in this application. */
export interface PolicyDecisionPoint {
  /** Path before `/access/v1`, in this application. */
  readonly prefix: string;
  /** Path of the metadata. */
  readonly metadataPath: string;
  /** What the metadata says. */
  readonly metadata: {
    readonly policy_decision_point: string;
    readonly access_evaluation_endpoint: string;
    readonly access_evaluations_endpoint: string;
  };
}

const PATH = /^(?:\/[A-Za-z0-9._~-]+)*$/;

/**
 * Places a policy decision point. The metadata's path is the identifier's with the well-known part before it (RFC 8615).
 *
 * @throws {ConfigurationError} `invalid_option`
 * @see Authorization API 1.0 §9
 */
export function placePolicyDecisionPoint(identifier: unknown, givenPrefix: unknown): PolicyDecisionPoint {
  const path = pathOf(identifier);
  if (typeof identifier !== "string" || path === undefined) {
    throw invalidOption(
      "authzenRoutes.policyDecisionPoint",
      identifier,
      "an https URL in its normal form, without query, fragment and slash at the end, like https://pdp.example.com",
    );
  }
  const prefix = givenPrefix === undefined ? path : givenPrefix;
  if (typeof prefix !== "string" || !PATH.test(prefix))
    throw invalidOption("authzenRoutes.prefix", prefix, "empty or a path like /v1, without a slash at the end");
  // A proxy that takes the identifier's path away leaves a prefix without it; else the prefix begins with it.
  const base = identifier + (prefix === path || prefix.startsWith(`${path}/`) ? prefix.slice(path.length) : prefix);
  return {
    prefix,
    metadataPath: `/.well-known/authzen-configuration${path}`,
    metadata: Object.freeze({
      policy_decision_point: identifier,
      access_evaluation_endpoint: `${base}/access/v1/evaluation`,
      access_evaluations_endpoint: `${base}/access/v1/evaluations`,
    }),
  };
}

// Clients compare the identifier as a string ("Policy Decision Point Metadata Validation"): one that another spelling equals would be refused by half of them.
function pathOf(identifier: unknown): string | undefined {
  if (typeof identifier !== "string" || !URL.canParse(identifier)) return undefined;
  const { protocol, origin, pathname } = new URL(identifier);
  const path = pathname === "/" ? "" : pathname;
  return protocol === "https:" && identifier === origin + path && PATH.test(path) ? path : undefined;
}
