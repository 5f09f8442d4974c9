import { ConfigurationError, StoreUnavailable } from "@portcullis/core";
import { ConfigError } from "./config.js";

// What the options of the packages are called in the environment.
const VARIABLES: Readonly<Record<string, string>> = {
  secrets: "JWT_SECRETS",
  apiKeyPeppers: "API_KEY_PEPPERS",
  keys: "ENCRYPTION_KEYS",
  seed: "AUDIT_SIGNING_KEY",
  trustedProxies: "TRUSTED_PROXIES",
  origins: "CORS_ORIGINS",
  "egress.allow": "WEBHOOK_ALLOW",
  callers: "TRUSTED_CALLERS",
  "trustIdentityHeaders.callers": "TRUSTED_CALLERS",
  "trustIdentityHeaders.audience": "SERVICE_NAME",
  "authzenRoutes.policyDecisionPoint": "PUBLIC_URL",
  "cookies.trustedOrigins": "PUBLIC_URL",
  "mfa.keys": "MFA_KEYS",
  "mfa.requiredRoles": "MFA_REQUIRED_ROLES",
  signing: "AUTH_SIGNING_KEY",
  baseUrl: "PUBLIC_URL",
  "redirects.allow": "OAUTH_ALLOWED_REDIRECTS",
  "oidc.issuer": "OIDC_ISSUER",
  "providers.oidc.issuer": "OIDC_ISSUER",
  "socketTickets.origins": "SOCKET_ORIGINS",
};

/**
 * What to tell the operator of a server that did not start; `undefined` for a failure that is not the environment's, whose
 * stack is wanted.
 */
export function describeStartFailure(error: unknown): string | undefined {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof ConfigurationError) return describeOption(error.message);
  if (error instanceof StoreUnavailable) {
    return `The database does not answer (${codeOf(error.cause) ?? "no reason given"}). Is DATABASE_URL right, and is it running?`;
  }
  switch (codeOf(error)) {
    case "EADDRINUSE":
      return `PORT ${fieldOf(error, "port")} is in use, perhaps by another server like this one. Set PORT to another, or to 0 for a free one.`;
    case "EACCES":
      if (fieldOf(error, "syscall") === "listen")
        return `PORT ${fieldOf(error, "port")} may not be opened by this user. Set PORT to one above 1023.`;
      return describeFolder(error);
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "HOST is no address of this machine. Set it to one, such as 127.0.0.1 or 0.0.0.0.";
    case "ENOTDIR":
    case "EEXIST":
    case "EROFS":
    case "EPERM":
      return describeFolder(error);
    default:
      return undefined;
  }
}

function describeOption(message: string): string | undefined {
  const option = /^Option "([\w.]+)/.exec(message)?.[1];
  const variable = option === undefined ? undefined : VARIABLES[option];
  return variable === undefined ? undefined : `The configuration has a mistake:\n  - ${variable}: ${message}`;
}

function describeFolder(error: unknown): string {
  return `The folder of the data cannot be written (${String(codeOf(error))}). Set PORTCULLIS_DATA, or DATABASE_URL, to one that can.`;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

// Node's errors of the system say more than their type does.
function fieldOf(error: unknown, name: "port" | "syscall"): string {
  return String(error instanceof Error ? Object.getOwnPropertyDescriptor(error, name)?.value : undefined);
}
