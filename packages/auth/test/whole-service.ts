// A service with everything that auth offers switched on, for tests of what must hold everywhere.
import {
  clientIp,
  correlationId,
  createApp,
  createMemoryStore,
  defineRoute,
  type Guard,
  type MemoryStore,
  type Route,
  toFetchHandler,
} from "@portcullis/core";
import {
  authenticate,
  authenticateSystem,
  authRoutes,
  type AuthOptions,
  createAccountMail,
  createSocketTickets,
  createUserDirectory,
  generateSigningKeys,
  loadSigningKeys,
  requireFreshRevocation,
  requireMfaForRoles,
} from "@portcullis/auth";
import { createOAuth, github, oauthRoutes } from "@portcullis/auth/oauth";
import { createManualClock } from "@portcullis/testkit";
import { createFixture } from "./auth-fixture.js";
import { GITHUB_CLIENT } from "./github-server.js";
import { MFA_KEY, mfaOf } from "./mfa-fixture.js";

export const SITE = "https://app.example";
export const SETUP_TOKEN = "setup-token-0123456789-abcdefghijklmnop";
const signing = await loadSigningKeys([(await generateSigningKeys("ES256")).privateKey]);

/** A request by its parts. */
export interface Asked {
  readonly method?: string;
  readonly body?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer, read. */
export interface Told {
  readonly status: number;
  readonly text: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

/**
 * @param githubUrl Of the provider to log in with.
 * @param wrap Puts something between auth and the memory store.
 */
export function createWholeService(
  githubUrl: string,
  wrap: (store: MemoryStore) => MemoryStore = (store) => store,
  options: Partial<AuthOptions> = {},
) {
  const clock = createManualClock();
  const memory = createMemoryStore({ clock });
  const store = wrap(memory);
  const users = createUserDirectory({ store });
  const more = { cookies: {}, signing, mfa: { keys: MFA_KEY }, lockout: { deviceTtlMs: 3_600_000 } };
  const fixture = createFixture({ clock, store, users, ...more, ...options });
  const { auth } = fixture;
  const letters: string[] = [];
  const mail = createAccountMail({
    auth,
    deliver: {
      passwordReset: ({ token }) => void letters.push(token),
      emailVerification: ({ token }) => void letters.push(token),
      registration: ({ token }) => void letters.push(token),
      alreadyRegistered: () => void letters.push("registered already"),
    },
  });
  const tickets = createSocketTickets({ auth, origins: [SITE] });
  const oauth = createOAuth({
    auth,
    providers: { github: github({ ...GITHUB_CLIENT, baseUrl: githubUrl }) },
    baseUrl: SITE,
    redirects: { allow: ["/*"], default: "/" },
    delivery: "code",
    onUnknown: { create: { roles: ["member"] } },
    insecureLocalhost: true,
  });
  const guarded = (name: string, guards: readonly Guard[]): Route =>
    defineRoute({
      method: "POST",
      path: `/guarded/${name}`,
      operationId: `guarded-${name}`,
      summary: `Behind ${name}`,
      guards,
      handle: () => Response.json({ passed: true }),
    });
  const signedIn = authenticate(auth, { required: true });
  const routes: readonly Route[] = [
    ...authRoutes(auth, {
      setup: { token: SETUP_TOKEN, roles: ["admin"] },
      socketTickets: tickets,
      introspection: { guards: [signedIn] },
      accountMail: mail,
      registration: { roles: ["member"] },
    }),
    ...oauthRoutes(oauth),
    guarded("required", [signedIn]),
    guarded("fresh", [signedIn, requireFreshRevocation(auth)]),
    guarded("system", [authenticateSystem(auth, { audience: "billing" })]),
    guarded("roles", [signedIn, requireMfaForRoles(auth)]),
    defineRoute({
      method: "GET",
      path: "/socket",
      operationId: "socket",
      summary: "A handshake",
      async handle(request) {
        const { pathname, search } = new URL(request.url);
        const admitted = await tickets.admit({ url: pathname + search, headers: { origin: SITE } });
        return Response.json({}, { status: admitted.kind === "ok" ? 200 : admitted.problem.status });
      },
    }),
  ];
  const faults: unknown[] = [];
  const app = createApp({ guards: [correlationId(), clientIp()], routes, onFault: (fault) => faults.push(fault) });
  const handler = toFetchHandler(app, { ipOf: () => "192.0.2.1" });

  async function call(path: string, { method = "POST", body, form, headers = {} }: Asked = {}): Promise<Told> {
    const sent = form === undefined ? (body === undefined ? undefined : JSON.stringify(body)) : new URLSearchParams(form).toString();
    const type = form === undefined ? "application/json" : "application/x-www-form-urlencoded";
    const response = await handler(
      new Request(`${SITE}${path}`, {
        method,
        headers: { ...(sent === undefined ? {} : { "content-type": type }), ...headers },
        ...(sent === undefined ? {} : { body: sent }),
      }),
    );
    const text = await response.text();
    const isJson = response.headers.get("content-type")?.includes("json") === true;
    return { status: response.status, text, body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {}, headers: response.headers };
  }

  return { ...fixture, clock, memory, store, users, mail, letters, tickets, oauth, routes, faults, handler, call, mfa: mfaOf(auth) };
}

export type WholeService = ReturnType<typeof createWholeService>;

/** A browser's way over the provider. @returns the path of the callback, and the cookie that ties it to the browser. */
export async function overGitHub({ call }: WholeService, start: string, headers: Readonly<Record<string, string>> = {}) {
  const started = await call(start, { method: "GET", headers });
  return consentAt(String(started.headers.get("location")), started.headers);
}

/** From the provider's page on. */
export async function consentAt(authorizationUrl: string, answered: Headers): Promise<{ readonly path: string; readonly cookie: string }> {
  const back = await fetch(authorizationUrl, { redirect: "manual" });
  const { pathname, search } = new URL(String(back.headers.get("location")));
  return {
    path: `${pathname}${search}`,
    cookie: answered
      .getSetCookie()
      .map((line) => line.replace(/;.*/s, ""))
      .join("; "),
  };
}
