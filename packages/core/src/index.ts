export { accessFact } from "./guard/access.js";
export { jsonAnswer } from "./guard/answer.js";
export { callerOf, resolvedPrincipalFact } from "./guard/caller.js";
export { createFactKey, createFacts } from "./guard/facts.js";
export { ALLOW, deny } from "./guard/guard.js";
export { isAppended, mergeHeaders, writeFields } from "./guard/header-list.js";
export { freezePrincipal, principalFact, subjectOf, userPrincipal } from "./guard/principal.js";
export { hasSecondFactor, requireMfa } from "./guard/require-mfa.js";
export { allOf, createGuardChain, faultProblem } from "./guard/run-guards.js";
export { clientIp, clientIpFact, clientIpOf, createClientIpResolver } from "./http/client-ip.js";
export { correlationId, correlationIdFact } from "./http/correlation-id.js";
export { cors } from "./http/cors.js";
export { createApp } from "./http/create-app.js";
export { checkIfMatch, entityTag } from "./http/entity-tag.js";
export { FetchGuardRequest } from "./http/fetch-guard-request.js";
export { idempotent } from "./http/idempotent.js";
export { formatIp, parseIp, parseIpBlock } from "./http/ip-address.js";
export { createMountChain, errorResponse, stopResponse } from "./http/mounting.js";
export { toOpenApi } from "./http/openapi.js";
export { parsePage } from "./http/pagination.js";
export { problemResponse, renderProblemJson } from "./http/render-problem.js";
export { defineRoute } from "./http/route.js";
export { createMemoryStore } from "./memory/memory-store.js";
export {
  calendarUse,
  clampDebt,
  countCharge,
  countState,
  emptyAt,
  hasCountRoom,
  hasRoom,
  isBucket,
  limitState,
  periodAround,
  roomFor,
  settledDebt,
  settledUse,
  spanOf,
  windowUse,
} from "./runtime/limit-state.js";
export { parseQuery } from "./http/route-input.js";
export { securityHeaders } from "./http/security-headers.js";
export { JsonRefused, parseStrictJson } from "./http/strict-json.js";
export { settleAfterBody } from "./http/settle-after-body.js";
export { toFetchHandler } from "./http/to-fetch-handler.js";
export { withoutHeader } from "./http/without-header.js";
export { problems } from "./problem/catalogue.js";
export { ConfigurationError, DuplicateLogKey, invalidOption, ProblemError, StoreUnavailable } from "./problem/errors.js";
export { CATEGORIES, defineProblem, problemBody } from "./problem/problem.js";
export { createBusOver } from "./runtime/bus-over.js";
export { systemClock } from "./runtime/clock.js";
export { createDeadlines } from "./runtime/deadlines.js";
export { createJob } from "./runtime/job.js";
export { noMetrics } from "./runtime/metrics.js";
export { hasFromClass, own, ownOptions } from "./runtime/own-options.js";
export { quietly } from "./runtime/quietly.js";

export type { Access } from "./guard/access.js";
export type { Answer } from "./guard/answer.js";
export type { ClientCertificate } from "./guard/client-certificate.js";
export type { FactKey, Facts } from "./guard/facts.js";
export type { Guard, GuardRequest, MaybePromise, Outcome, Settle, Verdict } from "./guard/guard.js";
export type { HeaderField, HeaderList, WriteField } from "./guard/header-list.js";
export type {
  ApiKeyPrincipal,
  AuthMethod,
  MfaBypass,
  Principal,
  ServicePrincipal,
  SystemPrincipal,
  UserDetails,
  UserPrincipal,
} from "./guard/principal.js";
export type { MfaProofBounds, RequireMfaOptions } from "./guard/require-mfa.js";
export type { GuardChain, GuardRun, OnFault, Stop } from "./guard/run-guards.js";
export type { App, AppOptions, AppReply } from "./http/app.js";
export type { ClientIp, ClientIpOptions } from "./http/client-ip.js";
export type { CorsOptions } from "./http/cors.js";
export type { IdempotencyOptions } from "./http/idempotent.js";
export type { IpAddress, IpBlock } from "./http/ip-address.js";
export type { SecurityHeadersOptions } from "./http/security-headers.js";
export type { StrictJsonOptions } from "./http/strict-json.js";
export type { FetchHandlerOptions } from "./http/to-fetch-handler.js";
export type { CorrelationIdOptions } from "./http/correlation-id.js";
export type { JsonSchema, OpenApiOptions } from "./http/openapi.js";
export type { PageRequest, Pagination } from "./http/pagination.js";
export type { MountOptions } from "./http/mounting.js";
export type { ProblemResponse, RenderProblem } from "./http/render-problem.js";
export type { Method, Route, RouteContext, RouteDefinition, RouteInput, RouteResponse, Stability } from "./http/route.js";
export type { Schema, SchemaIssue, SchemaOutput, SchemaResult } from "./http/schema.js";
export type { LimitUsage, MemoryLimits } from "./memory/limits.js";
export type { MemoryStore, MemoryStoreOptions } from "./memory/memory-store.js";
export type { ApiKeyRecord, ApiKeys } from "./ports/api-keys.js";
export type { ApprovalChange, ApprovalRecord, Approvals, ApprovalStatus } from "./ports/approvals.js";
export type { Bus, BusSubscriber } from "./ports/bus.js";
export type { Counters, CounterState } from "./ports/counters.js";
export type { Grants, GrantsWrite, HeldRole, RoleHolder, StoredPolicy, SubjectGrants } from "./ports/grants.js";
export type { Leases } from "./ports/leases.js";
export type {
  BucketCell,
  CalendarCell,
  LeaseState,
  LimitAsk,
  LimitCell,
  LimitHolder,
  LimitHolderKind,
  LimitLease,
  LimitResult,
  Limits,
  LimitState,
  WindowCell,
} from "./ports/limits.js";
export type { Log, LogBatch, LogEntry, LogFilter, LogHead, StoredLogEntry } from "./ports/log.js";
export type { ClaimedDelivery, Delivery, DeliveryStatus, Outbox, Settlement } from "./ports/outbox.js";
export type { Records, StoredRecord } from "./ports/records.js";
export type { NewSession, SessionCap, SessionRecord, Sessions } from "./ports/sessions.js";
export type { Ports, StoreLifecycle, StoreWith } from "./ports/store.js";
export type { Subjects, SubjectState, SubjectVersion } from "./ports/subjects.js";
export type { Tickets } from "./ports/tickets.js";
export type { ConfigurationErrorCode } from "./problem/errors.js";
export type { JsonValue, Problem, ProblemCategory, ProblemDefinition, ProblemFactory, ProblemOptions } from "./problem/problem.js";
export type { BusConnection, BusLink, BusMessage, BusTransport } from "./runtime/bus-over.js";
export type { Clock } from "./runtime/clock.js";
export type { Deadline } from "./runtime/deadlines.js";
export type { Job, JobOptions, JobStatus } from "./runtime/job.js";
export type { LimitUse } from "./runtime/limit-state.js";
export type { Counter, Gauge, Histogram, Labels, MetricDefinition, Metrics } from "./runtime/metrics.js";
