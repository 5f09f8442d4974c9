// Who is calling, what they may do and how often, in one API. The three quickstarts differ in three lines.
import { randomBytes } from "node:crypto";
import Fastify from "fastify";
import { authenticate, authRoutes, createAuth, createUserDirectory } from "@portcullis/auth";
import { clientIp, correlationId, createApp, createMemoryStore, defineRoute, principalFact, securityHeaders } from "@portcullis/core";
import { fastifyOptions, listen, mount } from "@portcullis/fastify";
import { createRateLimiter, limitPresets } from "@portcullis/rate-limit";
import { defineRbac, requirePermission } from "@portcullis/rbac";

const store = createMemoryStore(); // or openSqlStore(...), or a Redis store: everything below stays as it is
const secret = (): string => randomBytes(48).toString("base64"); // from your configuration, so that logins outlive a restart
const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
const rbac = defineRbac({ permissions: { workflows: ["read"] }, roles: { viewer: { grants: ["*.read"] } } });
const perMinute = { floor: { limit: 3_000, burst: 6_000 }, unauthenticated: { limit: 20 }, tiers: limitPresets.tiers };
const limiter = createRateLimiter({ store, ...perMinute, defaultTier: "free" });

const listWorkflows = defineRoute({
  method: "GET",
  path: "/workflows",
  operationId: "listWorkflows",
  summary: "Lists the workflows",
  guards: [requirePermission(rbac, "workflows.read")],
  handle: (_request, { facts }) => Response.json({ for: facts.get(principalFact)?.id, workflows: [] }),
});
const front = [correlationId(), securityHeaders(), clientIp(), limiter.limitFloor()];
const who = [authenticate(auth, { required: false }), limiter.limitUnauthenticated(), limiter.limitAuthenticated()];
const app = createApp({ guards: [...front, ...who], routes: [...authRoutes(auth), listWorkflows] });

await auth.setup({ email: "ada@example.com", password: "correct horse battery", roles: ["viewer"] });
const framework = Fastify(fastifyOptions);
const { url } = await listen(mount(framework, app), { port: Number(process.env.PORT ?? 3000) });
console.log(`${url} serves POST /auth/login and GET /workflows`);
