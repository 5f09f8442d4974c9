// What the popular compositions share: their options, set to the same duties as ours, and their tokens.
import { createSecretKey, type KeyObject, randomBytes, randomUUID } from "node:crypto";
import { createMongoAbility, type MongoAbility } from "@casl/ability";
import jsonwebtoken from "jsonwebtoken";
import { FORBIDDEN_ROLE, forged, PERMITTED_ROLE, type Setting, type Tokens } from "./service.js";

/** What the popular tokens say. */
export interface Claims {
  readonly sub: string;
  readonly role: string;
}

/** The fields that our `securityHeaders` sends, and no others. `Cache-Control` is set where the correlation id is. */
export const HELMET_OPTIONS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
  },
  crossOriginEmbedderPolicy: true,
  strictTransportSecurity: { maxAge: 63_072_000, includeSubDomains: true },
  xFrameOptions: { action: "deny" },
  originAgentCluster: false,
  xDnsPrefetchControl: false,
  xDownloadOptions: false,
  xXssProtection: false,
} as const;

const ABILITIES: ReadonlyMap<string, MongoAbility> = new Map([
  [
    PERMITTED_ROLE,
    createMongoAbility([
      { action: "read", subject: "Workflow" },
      { action: "create", subject: "Workflow" },
    ]),
  ],
  [FORBIDDEN_ROLE, createMongoAbility([])],
]);

/** Whether the role may; its ability is made once. */
export function may(role: string | undefined, action: "read" | "create"): boolean {
  return ABILITIES.get(role ?? "")?.can(action, "Workflow") ?? false;
}

/** The caller's id where it is harmless, else a new one. */
export function requestId(sent: string | readonly string[] | undefined): string {
  return typeof sent === "string" && /^[\x21-\x7e]{1,128}$/.test(sent) ? sent : randomUUID();
}

/** One key in the forms that the libraries take. A `KeyObject` spares `jsonwebtoken` making one for each token. */
export interface TokenKey {
  readonly bytes: Buffer;
  readonly object: KeyObject;
}

export function createTokenKey(): TokenKey {
  const bytes = randomBytes(48);
  return { bytes, object: createSecretKey(bytes) };
}

export function popularTokens({ object }: TokenKey, { callers }: Setting): Tokens {
  const sign = (sub: string, role: string): string =>
    jsonwebtoken.sign({ role, sid: randomUUID() }, object, { subject: sub, jwtid: randomUUID(), algorithm: "HS256", expiresIn: "1h" });
  return {
    good: Array.from({ length: callers }, (_, caller) => sign(`user-${caller}`, PERMITTED_ROLE)),
    bad: forged(sign("user-x", PERMITTED_ROLE)),
    forbidden: sign("user-y", FORBIDDEN_ROLE),
  };
}
