import { approvalRoutes, createApprovals, type ApprovalEvent } from "@portcullis/approvals";
import { auditRequests, auditRoutes, createAudit, createSigner } from "@portcullis/audit";
import { authenticate, createUserDirectory, type Auth, type SocketTickets } from "@portcullis/auth";
import {
  allOf,
  type App,
  clientIp,
  type Clock,
  correlationId,
  cors,
  createApp,
  type Guard,
  type OnFault,
  type Principal,
  type Route,
  securityHeaders,
  systemClock,
} from "@portcullis/core";
import { prometheusMetrics } from "@portcullis/core/prometheus";
import { createDecisionCache } from "@portcullis/decision-cache";
import { createEncryptedStore, createEncryption, createKeyring } from "@portcullis/encryption";
import { createRateLimiter, lintRateLimits } from "@portcullis/rate-limit";
import { assertGuarded, createAssignments, loadAssignments, manifest, trustIdentityHeaders } from "@portcullis/rbac";
import { createWebhooks, type Webhooks } from "@portcullis/webhooks";
import type { Logger } from "pino";
import { Registry } from "prom-client";
import { accessRoutes, OWN_ROLES } from "./access/access-routes.js";
import { departmentSchema } from "./access/department.js";
import { refuseDisabledAccounts } from "./access/forwarded-accounts.js";
import { createCollection } from "./collection.js";
import type { Config } from "./config.js";
import { decisionRoutes } from "./decisions/decision-routes.js";
import { policySchema, type Routing } from "./decisions/router.js";
import type { Secrets } from "./development-secrets.js";
import { documentedInEnvelope, inEnvelope, renderInEnvelope } from "./envelope.js";
import { createIdentity } from "./identity/create-identity.js";
import { identityRoutes, isAsStandard, withSecondFactor } from "./identity/identity-routes.js";
import { loginPageRoutes } from "./identity/login-page.js";
import { exceptForPages, providerPaths } from "./identity/open-pages.js";
import { ENCRYPTED_FIELDS, integrationRoutes, integrationSchema } from "./integrations/integration-routes.js";
import { serviceLimits } from "./limits.js";
import type { ServiceStore } from "./open-store.js";
import { auditRecorder } from "./operations/audit-recorder.js";
import { rateLimitRoutes } from "./operations/rate-limit-routes.js";
import { docsRoutes, systemRoutes } from "./operations/system-routes.js";
import { createPermit, createPolicy, type ServiceAssignments } from "./permissions.js";
import { requestLog } from "./request-log.js";
import { EVENTS } from "./webhooks/event-catalogue.js";
import { webhookRoutes } from "./webhooks/webhook-routes.js";
import { executionSchema, storedWorkflowSchema } from "./workflows/workflow.js";
import { workflowRoutes } from "./workflows/workflow-routes.js";
import { callerOf, workspaceOf } from "./workspace.js";

/** What the service is made of. */
export interface ServiceOptions {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly store: ServiceStore;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** The service: an application to mount, and what runs beside it. */
export interface Service {
  readonly app: App;
  readonly auth: Auth;
  /** For a WebSocket server beside this one; `undefined` unless the configuration names origins. */
  readonly socketTickets: SocketTickets | undefined;
  readonly assignments: ServiceAssignments;
  readonly webhooks: Webhooks<typeof EVENTS>;
  /** `operationId`s of routes that need no permission: they act on the caller's own account, or prove who it is. */
  readonly guardingThemselves: readonly string[];
  /** Starts the webhook worker. */
  start(): void;
  /** Stops it, and writes what is left of the audit trail. */
  stop(): Promise<void>;
}

/** Composes the eight concerns into one application. This file is the map: every package appears once. */
export function createService({ config, secrets, store, logger, clock = systemClock }: ServiceOptions): Service {
  const registry = new Registry();
  const metrics = prometheusMetrics({ registry });
  const onFault: OnFault = ({ source, error }) => logger.error({ source, err: error }, "fault");

  const audit = createAudit({
    store,
    name: "portcullis",
    clock,
    metrics,
    signer: createSigner({ name: "portcullis.example/audit", seed: secrets.auditSigningKey }),
  });
  const record = auditRecorder(audit, logger);

  const policy = createPolicy(metrics, record.rbac);
  const permit = createPermit(policy);
  const assignments = createAssignments(policy, {
    store,
    rolesOrgId: config.operatorOrganisation,
    clock,
    onEvent: record.assignment,
  });

  const users = createUserDirectory({ store });
  const identity = createIdentity({ config, secrets, store, users, clock, metrics, logger, onEvent: record.auth });
  const { auth } = identity;

  const limits = serviceLimits(config);
  for (const { message, ...finding } of lintRateLimits({ ...limits, store })) logger.warn(finding, message);
  const limiter = createRateLimiter({
    ...limits,
    store,
    // Here seats decide: viewers are free, everybody else is on the organisation's plan.
    tierOf: (principal) => (policy.checkRoles(principal, ["member"]).allowed ? "enterprise" : "free"),
    metrics,
    clock,
    onEvent: record.rateLimit,
  });
  const limitFailedLogins = limiter.limitOperation("login", {
    by: "address",
    refundOn: (outcome) => outcome.kind === "responded" && outcome.status < 400,
  });

  const encryption = createEncryption({
    keyring: createKeyring({ keys: secrets.encryptionKeys }),
    policy: "strict",
    namespace: "portcullis-reference-server",
    metrics,
    clock,
  });
  const secretOf = (endpointId: string) => ({ tenant: "service", table: "webhook-endpoints", recordId: endpointId, field: "/secret" });

  const webhooks = createWebhooks({
    store,
    events: EVENTS,
    sealSecret: (secret, { endpointId }) => encryption.encrypt(secret, secretOf(endpointId)),
    openSecret: (sealed, { endpointId }) => String(encryption.decrypt(sealed, secretOf(endpointId))),
    timeoutMs: config.webhookTimeoutMs,
    // What a worker that died held is taken up again after this: as soon as the package allows.
    leaseMs: config.webhookTimeoutMs + 10_000,
    egress: { allow: config.webhookAllow, allowHttp: !config.production },
    clock,
    metrics,
    onEvent: record.webhook,
  });

  // Approvals go by the credential's principal: what it holds now is the store's to say.
  const canApprove = async (principal: Principal): Promise<boolean> =>
    policy.check(await assignments.resolve(principal), "workflows.approve").allowed;
  const approvers = { canApprove };
  const approvals = createApprovals({
    store,
    prefix: "/api",
    policy: { LOW: approvers, MEDIUM: approvers, HIGH: approvers, CRITICAL: approvers },
    policyVersion: String(policy.policyVersion),
    metrics,
    onEvent: (event) => {
      record.approval(event);
      announce(webhooks, event).catch((error: unknown) => onFault({ source: "webhooks", error }));
    },
  });

  const cache = createDecisionCache<Routing | null>({ clock, metrics });
  const integrations = createEncryptedStore(store.records, { collection: "integrations", fields: ENCRYPTED_FIELDS, encryption });
  const proving = identityRoutes({ identity, limitFailedLogins, mayIntrospect: permit("access.evaluate") });
  const governed: readonly Route[] = [
    ...rateLimitRoutes({ permit, limiter, record: record.limitChange }),
    ...proving,
    ...workflowRoutes({
      permit,
      approvals,
      workflows: createCollection(store.records, "workflows", storedWorkflowSchema),
      executions: createCollection(store.records, "executions", executionSchema),
      publish: (workspaceId, eventType, payload) => webhooks.publish(eventType, payload, { workspaceId }),
      limitExecutions: limiter.limitOperation("workflows.execute"),
    }),
    ...approvalRoutes(approvals, { guards: [permit("workflows.read")] }).map(inEnvelope),
    ...decisionRoutes({
      permit,
      policies: createCollection(store.records, "policies", policySchema),
      cache,
      limitDecisions: limiter.limitOperation("decisions.create"),
    }),
    ...integrationRoutes({ permit, integrations: createCollection(integrations, "integrations", integrationSchema) }),
    ...webhookRoutes({ permit, webhooks }),
    ...accessRoutes({
      ...{ policy, permit, assignments, users },
      departments: createCollection(store.records, "departments", departmentSchema),
      isDisabled: async (id) => (await store.subjects.read(id)).disabled,
      manifest: () => entries,
      record: record.accessChange,
      policyDecisionPoint: config.publicUrl,
    }),
    ...auditRoutes(audit, {
      prefix: "/api",
      guards: [permit("audit.read")],
      exportGuards: [permit("audit.export"), limiter.limitOperation("audit.export")],
      // The log is one for all workspaces: the whole of it is for who runs the service.
      workspaceOf: (facts) => (policy.check(callerOf(facts), "system.read").allowed ? undefined : workspaceOf(callerOf(facts))),
    }).map(inEnvelope),
  ];
  const documented = [
    ...systemRoutes({ registry, ping: () => store.ping(), startedAt: clock.now(), now: () => clock.now() }),
    ...withSecondFactor(identity, governed),
  ].map((route) => (isAsStandard(route) ? route : documentedInEnvelope(route)));

  const pages = [...docsRoutes(documented), ...loginPageRoutes({ oauth: identity.oauth, hasMail: identity.accountMail !== undefined })];

  // Outermost first. Rate limits stand around authentication, so that a flood of bad tokens costs little.
  const guards: readonly Guard[] = [
    securityHeaders({ hstsMaxAgeSeconds: config.production ? 63_072_000 : false }),
    correlationId(),
    clientIp({ trustedProxies: config.trustedProxies }),
    // Before all that costs something: preflights and log lines too.
    limiter.limitFloor(),
    requestLog(logger),
    cors({ origins: config.corsOrigins }),
    auditRequests(audit),
    limiter.limitUnauthenticated(
      allOf("authentication", [
        // Each route asks for what is missing itself: those that help somebody out of it must be open.
        exceptForPages(
          new Set([...pages.map(({ path }) => path), ...providerPaths(identity.oauth)]),
          authenticate(auth, { required: false, mustChangePassword: "allow", mfa: "allow" }),
        ),
        trustIdentityHeaders({
          callers: config.trustedCallers,
          ...(config.serviceName === undefined ? {} : { audience: config.serviceName }),
          ...{ store, clock, metrics },
          onEvent: record.trustedCaller,
        }),
        refuseDisabledAccounts(store.subjects),
      ]),
    ),
    loadAssignments(assignments),
    limiter.limitAuthenticated(),
  ];
  const routes = [...documented, ...pages];
  const entries = manifest(routes, guards);
  // A forgotten guard is found out here, not by whoever comes first. Routes that prove who somebody is bring guards of their own.
  const guardingThemselves = [...proving.map(({ operationId }) => operationId), ...OWN_ROLES];
  assertGuarded(entries, guardingThemselves);

  return Object.freeze({
    app: createApp({ guards, routes, renderProblem: renderInEnvelope, onFault }),
    auth,
    socketTickets: identity.socketTickets,
    assignments,
    webhooks,
    guardingThemselves,
    start: () => webhooks.start(),
    async stop() {
      await webhooks.stop({ graceMs: 5000 });
      // Its letters and threads end before the trail, which tells of them.
      await identity.close();
      await audit.flush();
    },
  });
}

// An approval's life as events of its workspace.
async function announce(webhooks: Webhooks<typeof EVENTS>, { type, approval }: ApprovalEvent): Promise<void> {
  if (type !== "approval.requested" && type !== "approval.approved" && type !== "approval.denied" && type !== "approval.executed") return;
  const { id, workspaceId, operationType, riskLevel, status } = approval;
  // One id for each approval and state: told twice, it is sent once.
  await webhooks.publish(
    type,
    { approvalId: id, operation: operationType, risk: riskLevel, status },
    { workspaceId, deliveryId: `${type.replace(".", "_")}_${id}` },
  );
}
