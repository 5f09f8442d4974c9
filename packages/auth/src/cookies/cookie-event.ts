/** Why a request was taken for a forgery: a page of another origin sent it, or the token is missing, wrong or of another session. */
export type CsrfRefusal = "cross_origin" | "token";

/** What happened with cookies. */
export type CookieEvent = {
  readonly kind: "csrf_refused";
  readonly reason: CsrfRefusal;
  /** `undefined` at a login: nobody is known yet. */
  readonly userId: string | undefined;
  readonly sessionId: string | undefined;
};
