import { defineProblem } from "./problem.js";

/**
 * Every problem that Portcullis itself answers with. An application defines its own beside these, with codes from x900 up.
 * Each code stands in `docs/errors.md` with cause and remedy.
 */
export const problems = Object.freeze({
  // 1xxx: who is calling and what they may do
  unauthenticated: defineProblem({
    code: 1001,
    category: "auth",
    status: 401,
    detail: "Authentication is required. Send a bearer token, an API key or a session cookie.",
  }),
  invalidToken: defineProblem({
    code: 1002,
    category: "auth",
    status: 401,
    detail: "The credential is not valid. Log in again.",
  }),
  tokenExpired: defineProblem({
    code: 1003,
    category: "auth",
    status: 401,
    detail: "The access token has expired. Refresh it and repeat the request.",
  }),
  sessionRevoked: defineProblem({
    code: 1004,
    category: "auth",
    status: 401,
    detail: "The session was revoked. Log in again.",
  }),
  invalidCredentials: defineProblem({
    code: 1005,
    category: "auth",
    status: 401,
    detail: "The e-mail address or the password is wrong.",
  }),
  accountLocked: defineProblem({
    code: 1006,
    category: "auth",
    status: 429,
    detail: "Too many failed attempts. Wait before trying again.",
    retryable: true,
  }),
  ambiguousCredentials: defineProblem({
    code: 1007,
    category: "auth",
    status: 400,
    detail: "The request carries several credentials. Send exactly one.",
  }),
  refreshReused: defineProblem({
    code: 1008,
    category: "auth",
    status: 401,
    detail: "The refresh token was used before; its session is closed. Log in again.",
  }),
  invalidApiKey: defineProblem({
    code: 1009,
    category: "auth",
    status: 401,
    detail: "The API key is unknown, revoked or expired.",
  }),
  stepUpRequired: defineProblem({
    code: 1010,
    category: "auth",
    status: 401,
    detail: "This needs a recent second factor. Verify it and repeat the request.",
  }),
  ambiguousIdentity: defineProblem({
    code: 1011,
    category: "auth",
    status: 400,
    detail: "The request names its user in several ways. Send each identity header once, and no credential of somebody else.",
  }),
  untrustedCaller: defineProblem({
    code: 1012,
    category: "auth",
    status: 401,
    detail: "The caller's proof for the identity that it forwards is missing or not valid.",
  }),
  ambiguousSession: defineProblem({
    code: 1013,
    category: "auth",
    status: 401,
    detail: "The request names its session in several ways that do not agree. Clear the site's cookies and log in again.",
  }),
  codeInvalid: defineProblem({
    code: 1014,
    category: "auth",
    status: 401,
    detail: "The code is wrong, or was used before. Wait for the next one.",
  }),
  mfaNotEnrolled: defineProblem({
    code: 1015,
    category: "auth",
    status: 409,
    detail: "There is no second factor to verify. Enrol one first.",
  }),
  oauthStateInvalid: defineProblem({
    code: 1017,
    category: "auth",
    status: 400,
    detail: "This login was not started here, was used, or took longer than ten minutes. Start it again.",
  }),
  oauthFailed: defineProblem({
    code: 1018,
    category: "auth",
    status: 400,
    detail: "The login with the provider failed. Start it again; if it fails again, use another way to log in.",
  }),
  redirectNotAllowed: defineProblem({
    code: 1019,
    category: "auth",
    status: 400,
    detail: "The redirect is not among those that this service leads to.",
  }),
  forbidden: defineProblem({
    code: 1101,
    category: "auth",
    status: 403,
    detail: "You may not do this.",
  }),
  mfaRequired: defineProblem({
    code: 1102,
    category: "auth",
    status: 403,
    detail: "A second factor is required. Verify it and repeat the request.",
  }),
  passwordChangeRequired: defineProblem({
    code: 1103,
    category: "auth",
    status: 403,
    detail: "The password must be changed first.",
  }),
  csrfFailed: defineProblem({
    code: 1104,
    category: "auth",
    status: 403,
    detail: "The CSRF check failed. Reload the page and try again.",
  }),
  approvalDenied: defineProblem({
    code: 1105,
    category: "auth",
    status: 403,
    detail: "An approver refused this operation.",
  }),
  selfApproval: defineProblem({
    code: 1106,
    category: "auth",
    status: 403,
    detail: "Nobody may approve their own request. Ask someone else.",
  }),
  originRefused: defineProblem({
    code: 1107,
    category: "auth",
    status: 403,
    detail: "This origin may not call this API.",
  }),
  signatureInvalid: defineProblem({
    code: 1108,
    category: "auth",
    status: 401,
    detail: "The signature does not match the request.",
  }),
  tooManySessions: defineProblem({
    code: 1109,
    category: "auth",
    status: 403,
    detail: "This account has as many sessions as it may have. Log out elsewhere first.",
  }),
  linkInvalid: defineProblem({
    code: 1110,
    category: "auth",
    status: 400, // what opens nothing is no credential: 401 would make clients log out
    detail: "This link was used, has expired or is not valid. Ask for another one.",
  }),

  // 2xxx: the request itself
  malformedRequest: defineProblem({
    code: 2001,
    category: "validation",
    status: 400,
    detail: "The request is malformed.",
  }),
  validation: defineProblem({
    code: 2002,
    category: "validation",
    status: 422,
    detail: "The request has invalid fields.",
  }),
  bodyTooLarge: defineProblem({
    code: 2003,
    category: "validation",
    status: 413,
    detail: "The request body is too large.",
  }),
  bodyUnreadable: defineProblem({
    code: 2004,
    category: "validation",
    status: 400,
    detail: "The request body could not be read.",
  }),
  unsupportedMediaType: defineProblem({
    code: 2005,
    category: "validation",
    status: 415,
    detail: "This content type is not supported. Send application/json.",
  }),
  methodNotAllowed: defineProblem({
    code: 2006,
    category: "validation",
    status: 405,
    detail: "The method is not allowed for this path. See the Allow header.",
  }),
  idempotencyKeyReused: defineProblem({
    code: 2007,
    category: "validation",
    status: 422,
    detail: "This Idempotency-Key was used with another request. Use a new key.",
  }),
  reasonRequired: defineProblem({
    code: 2008,
    category: "validation",
    status: 422,
    detail: "A reason is required.",
  }),

  // 3xxx: what it names
  notFound: defineProblem({
    code: 3001,
    category: "not_found",
    status: 404,
    detail: "There is nothing here that you may see.",
  }),
  approvalExpired: defineProblem({
    code: 3002,
    category: "not_found",
    status: 410,
    detail: "The approval has expired. Request a new one.",
  }),

  // 4xxx: the state it meets
  conflict: defineProblem({
    code: 4001,
    category: "conflict",
    status: 409,
    detail: "The request conflicts with the current state.",
  }),
  versionConflict: defineProblem({
    code: 4002,
    category: "conflict",
    status: 409,
    detail: "The resource has changed since you read it. Read it again and repeat the change.",
  }),
  approvalPending: defineProblem({
    code: 4003,
    category: "conflict",
    status: 409,
    detail: "The approval has not been decided yet.",
  }),
  approvalMismatch: defineProblem({
    code: 4004,
    category: "conflict",
    status: 409,
    detail: "The request is not the one that was approved. Request a new approval.",
  }),
  approvalConsumed: defineProblem({
    code: 4005,
    category: "conflict",
    status: 409,
    detail: "The approval was used before. Request a new one.",
  }),
  approvalDecided: defineProblem({
    code: 4006,
    category: "conflict",
    status: 409,
    detail: "The approval is decided already.",
  }),
  requestInFlight: defineProblem({
    code: 4007,
    category: "conflict",
    status: 409,
    detail: "The same request is still running. Wait for its result.",
    retryable: true,
  }),

  // 5xxx: too often, too many at once
  rateLimited: defineProblem({
    code: 5001,
    category: "rate_limit",
    status: 429,
    detail: "Too many requests. Wait and try again.",
    retryable: true,
  }),
  operationRateLimited: defineProblem({
    code: 5002,
    category: "rate_limit",
    status: 429,
    detail: "Too many requests of this kind. Wait and try again.",
    retryable: true,
  }),
  concurrencyLimited: defineProblem({
    code: 5003,
    category: "rate_limit",
    status: 429,
    detail: "You already have as many of these running as you may. Wait for one to finish.",
    retryable: true,
  }),
  costExceedsCapacity: defineProblem({
    code: 5004,
    category: "rate_limit",
    status: 429,
    detail: "The request costs more than its limit can ever allow. Make it smaller.",
  }),

  // 6xxx: used up
  budgetExhausted: defineProblem({
    code: 6001,
    category: "budget_exhausted",
    status: 402,
    detail: "The budget is exhausted.",
  }),

  // 7xxx: someone we depend on
  upstreamFailure: defineProblem({
    code: 7001,
    category: "provider_error",
    status: 502,
    detail: "A service that this one depends on failed. Try again later.",
    retryable: true,
  }),
  egressBlocked: defineProblem({
    code: 7002,
    category: "provider_error",
    status: 422,
    detail: "The address may not be called from here.",
  }),

  // 8xxx: us
  internal: defineProblem({
    code: 8001,
    category: "internal",
    status: 500,
    detail: "Something went wrong here. Quote the instance when you report it.",
  }),
  serviceUnavailable: defineProblem({
    code: 8002,
    category: "internal",
    status: 503,
    detail: "The service cannot answer now. Try again shortly.",
    retryable: true,
  }),
  limiterUnavailable: defineProblem({
    code: 8003,
    category: "internal",
    status: 503,
    detail: "The rate limiter cannot answer now. Try again shortly.",
    retryable: true,
  }),
});
