// Our side: the same guards for all frameworks, on memory stores.
import { randomBytes } from "node:crypto";
import { authenticate, createAuth, createUserDirectory } from "@portcullis/auth";
import {
  ALLOW,
  clientIp,
  correlationId,
  correlationIdFact,
  cors,
  createMemoryStore,
  freezePrincipal,
  type Guard,
  principalFact,
  securityHeaders,
} from "@portcullis/core";
import { createRateLimiter, type LimitRule } from "@portcullis/rate-limit";
import { defineRbac, requirePermission } from "@portcullis/rbac";
import type { Logger } from "pino";
import {
  addressLimit,
  FORBIDDEN_ROLE,
  forged,
  ORIGINS,
  PERMITTED_ROLE,
  type Setting,
  TOKEN_CACHE_ENTRIES,
  type Tokens,
} from "./service.js";

/** Guards as they are mounted. */
export interface MountedGuards {
  readonly everywhere: readonly Guard[];
  readonly read: readonly Guard[];
  readonly create: readonly Guard[];
}

/** Every guard that is measured, each of them once. */
export interface PortcullisGuards {
  /** Measured one at a time. `stub principal` and `stub` are not ours to sell: what stands in for authentication alone. */
  readonly alone: Readonly<Record<string, readonly Guard[]>>;
  /** The whole chain. @param logger Also logs each request there. */
  full(logger: Logger | undefined): MountedGuards;
  tokens(): Promise<Tokens>;
}

export function createPortcullisGuards(setting: Setting): PortcullisGuards {
  const store = createMemoryStore();
  const secret = (): string => randomBytes(48).toString("base64");
  const auth = createAuth({
    store,
    users: createUserDirectory({ store }),
    secrets: secret(),
    apiKeyPeppers: secret(),
    tokenCacheEntries: TOKEN_CACHE_ENTRIES,
  });
  const perCaller = rule(setting.callerLimit);
  const perAddress = rule(addressLimit(setting));
  const limiter = createRateLimiter({
    store,
    floor: perAddress,
    unauthenticated: perAddress,
    tiers: { standard: perCaller },
    defaultTier: "standard",
  });
  const rbac = defineRbac({
    permissions: { workflows: ["read", "create", "update", "delete"] },
    roles: { [PERMITTED_ROLE]: { grants: ["workflows.read", "workflows.create"] }, [FORBIDDEN_ROLE]: {} },
  });
  const canRead = requirePermission(rbac, "workflows.read");
  const canCreate = requirePermission(rbac, "workflows.create");
  const alone = {
    securityHeaders: [securityHeaders()],
    correlationId: [correlationId()],
    clientIp: [clientIp()],
    cors: [cors({ origins: ORIGINS })],
    limitFloor: [limiter.limitFloor()],
    authenticate: [authenticate(auth, { required: true })],
    "stub principal": [stubPrincipal],
    "stub + limitAuthenticated": [stubPrincipal, limiter.limitAuthenticated()],
    "stub + requirePermission": [stubPrincipal, canRead],
  };
  return {
    alone,
    full: (logger) => ({
      everywhere: [
        ...alone.securityHeaders,
        ...alone.correlationId,
        ...alone.clientIp,
        ...(logger === undefined ? [] : [requestLog(logger)]),
        ...alone.cors,
        ...alone.limitFloor,
        limiter.limitUnauthenticated(...alone.authenticate),
        limiter.limitAuthenticated(),
      ],
      read: [canRead],
      create: [canCreate],
    }),
    async tokens() {
      const tokenOf = async (userId: string, role: string): Promise<string> => (await auth.createTokenPair({ userId, role })).accessToken;
      const good: string[] = [];
      for (let caller = 0; caller < setting.callers; caller += 1) good.push(await tokenOf(`user-${caller}`, PERMITTED_ROLE));
      return { good, bad: forged(await tokenOf("user-x", PERMITTED_ROLE)), forbidden: await tokenOf("user-y", FORBIDDEN_ROLE) };
    },
  };
}

// A bucket that holds the limit and refills at a rate that people use, so that its state is seldom that of an unused one.
function rule(burst: number): LimitRule {
  return { limit: Math.min(burst, 60_000), burst };
}

const PRINCIPAL = freezePrincipal({
  type: "user",
  id: "user-0",
  email: undefined,
  orgId: undefined,
  workspaceId: undefined,
  roles: [PERMITTED_ROLE],
  orgRoles: [],
  scopes: undefined,
  authMethod: "token",
  sessionId: "session-0",
  tokenVersion: 1,
  mfaAt: undefined,
  mustChangePassword: false,
});

const stubPrincipal: Guard = {
  name: "stub-principal",
  check(request) {
    request.facts.set(principalFact, PRINCIPAL);
    return ALLOW;
  },
};

function requestLog(logger: Logger): Guard {
  return {
    name: "request-log",
    check(request) {
      const startedAt = performance.now();
      return {
        kind: "allow",
        settle(outcome) {
          logger.info(
            {
              reqId: request.facts.get(correlationIdFact),
              method: request.method,
              url: request.target,
              status: outcome.kind === "responded" ? outcome.status : "aborted",
              responseTime: performance.now() - startedAt,
            },
            "request completed",
          );
        },
      };
    },
  };
}
