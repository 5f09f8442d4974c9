// AUTH-G1: every call to the store that a request makes, failing in every manner, one at a time: nobody gets in by it.
import { type MemoryStore, type Route, StoreUnavailable } from "@portcullis/core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createFixture, PASSWORD, valueOf, wrapPort } from "./auth-fixture.js";
import { type GitHubServer, startGitHub } from "./github-server.js";
import { cookies, createScene, type Flow, FLOWS, keyOf, NEW_PASSWORD, type Scene } from "./store-fault-flows.js";
import { type Asked, createWholeService, SITE } from "./whole-service.js";

const PORTS = ["subjects", "sessions", "tickets", "counters", "apiKeys", "records", "bus"] as const;
/** Notes of something that has happened already: the request goes on without them. */
const NOTES: ReadonlySet<string> = new Set(["apiKeys.touch", "bus.publish", "bus.subscribe"]);
const MANNERS = ["throws unavailable", "rejects unavailable", "rejects a TypeError", "never answers"] as const;
type Manner = (typeof MANNERS)[number];

let github: GitHubServer;
let passwordHash: string;
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeAll(async () => {
  process.on("unhandledRejection", note);
  github = await startGitHub();
  passwordHash = valueOf(await createFixture().auth.hashPassword(PASSWORD));
});
afterAll(async () => {
  process.off("unhandledRejection", note);
  await github.close();
});
afterEach(() => expect(unhandled).toEqual([]));

/** A store whose calls are counted, and one of which fails. */
function createFaultyStore(manner: Manner) {
  const state = { armed: false, failAt: -1, calls: [] as string[] };
  const isLate = manner !== "throws unavailable";
  const wrap = (store: MemoryStore): MemoryStore => {
    const ports = PORTS.map((port) => [
      port,
      wrapPort(store[port], (method, name) => (...args) => {
        const run = (): unknown => {
          if (!state.armed) return method(...args);
          const index = state.calls.push(`${port}.${name}`) - 1;
          if (index !== state.failAt) return method(...args);
          if (manner === "never answers") return new Promise(() => {});
          throw manner === "rejects a TypeError" ? new TypeError("a fault of a store") : new StoreUnavailable(`${port}.${name}`);
        };
        return isLate ? (async () => run())() : run();
      }),
    ]);
    return { ...store, ...(Object.fromEntries(ports) as Pick<MemoryStore, (typeof PORTS)[number]>) }; // the same names
  };
  return { state, wrap };
}

/** Credentials that are none, for every route that asks for one. */
const BAD: Readonly<Record<string, (scene: Scene) => Promise<Readonly<Record<string, string>>>>> = {
  nothing: async () => ({}),
  "a token after logout": async ({ auth, access, bearer }) => {
    await auth.logout(valueOf(await auth.verifyAccessToken(access)));
    return bearer;
  },
  "a token of a disabled account": async ({ auth, userId, bearer }) => {
    await auth.setDisabled(userId, true);
    return bearer;
  },
  "a token from before a change of password": async ({ store, userId, bearer }) => {
    await store.subjects.bump(userId, "passwordVersion");
    return bearer;
  },
  "a cookie after logout": async (scene) => {
    const headers = await cookies(scene);
    await scene.auth.logout(valueOf(await scene.auth.verifyAccessToken(scene.access)));
    return headers;
  },
  "a key that ended": async (scene) => {
    const { id, key } = await keyOf(scene);
    await scene.store.apiKeys.revoke(id, scene.userId);
    return { "x-api-key": key };
  },
  "a key of a disabled account": async (scene) => {
    const { key } = await keyOf(scene);
    await scene.auth.setDisabled(scene.userId, true);
    return { "x-api-key": key };
  },
};
/** Whoever calls them proves who they are in the request itself, or need not. */
const OPEN: ReadonlySet<string> = new Set([
  ...["authLogin", "authRefresh", "authLogout", "authMfaEnroll", "authMfaVerify", "authRevokeToken", "authJwks", "authSetup"],
  ...["authRequestPasswordReset", "authConfirmPasswordReset", "authRequestEmailVerification", "authConfirmEmail"],
  ...["authRegister", "authConfirmRegistration", "socket"],
  ...["authOAuthProviders", "authOAuthStart", "authOAuthCallback", "authOAuthToken"],
]);
const bodyFor: Readonly<Record<string, Asked>> = {
  authChangePassword: { body: { current_password: PASSWORD, new_password: NEW_PASSWORD } },
  authMfaDisable: { body: {} },
  authCreateApiKey: { body: { name: "ci" } },
  authCreateSocketTicket: { body: {} },
  authIntrospectToken: { form: { token: "a.b.c" } },
  authOAuthLink: { body: { provider: "github" } },
};
const routes = (): readonly Route[] => createWholeService("http://localhost:1").routes;

/** Serves one request with its n-th call failing. @returns `undefined` when it made fewer calls; "waits" when it does not answer. */
async function attempt(flow: Pick<Flow, "arrange" | "after">, manner: Manner, failAt: number) {
  const { state, wrap } = createFaultyStore(manner);
  const scene = await createScene(github.url, passwordHash, wrap);
  const ask = await flow.arrange(scene);
  await scene.mail.settled();
  // What a process remembers of the moments before is too old now.
  scene.clock.advance(1_000);
  scene.faults.length = 0;
  Object.assign(state, { armed: true, failAt, calls: [] });
  const answered = scene.call(ask.path, ask);
  const told = manner === "never answers" ? await Promise.race([answered, waits(state, failAt)]) : await answered;
  // A letter is under way for as long as the store does not answer; shipped stores have a deadline.
  if (manner !== "never answers") await scene.mail.settled();
  state.armed = false;
  const failed = state.calls[failAt];
  if (failed === undefined && failAt >= 0) return undefined;
  if (told !== "waits" && told.status < 400) await flow.after?.(scene, told, ask);
  return { told, failed, faults: scene.faults };
}

// Nothing that a request of this process waits for takes longer than its call to the store, once that was made.
async function waits(state: { readonly calls: readonly string[] }, failAt: number): Promise<"waits"> {
  for (let quiet = 0; quiet < 200; quiet = state.calls.length > failAt ? quiet + 1 : 0)
    await new Promise((resolve) => setImmediate(resolve));
  return "waits";
}

async function failEach(flow: Flow, manner: Manner): Promise<void> {
  for (let failAt = 0; ; failAt += 1) {
    const outcome = await attempt(flow, manner, failAt);
    if (outcome === undefined) return;
    const { told, failed = "", faults } = outcome;
    const at = `${flow.name}, call ${failAt} (${failed}) ${manner}`;
    if (told === "waits") continue;
    const isRefused = told.status >= 400;
    if (flow.who === "must not") expect([at, isRefused]).toEqual([at, true]);
    else if (flow.discreet !== true && !NOTES.has(failed)) expect([at, isRefused]).toEqual([at, true]);
    if (told.status >= 500) {
      expect([at, told.status]).toEqual([at, manner === "rejects a TypeError" ? 500 : 503]);
      expect(faults).toHaveLength(1);
    }
    expect(told.text).not.toMatch(/a fault of a store|subjects\.|sessions\.|tickets\.|counters\.|apiKeys\.|records\.|did not complete/);
  }
}

describe("AUTH-G1 a store that fails in one call", () => {
  it("there is a request for every route, and those that anybody may call are known", () => {
    const operations = routes().map(({ operationId }) => operationId);
    expect([...new Set(FLOWS.map(({ operation }) => operation))].toSorted()).toEqual(operations.toSorted());
    for (const open of OPEN) expect(operations).toContain(open);
  });

  it.each(FLOWS)("AUTH-G1 $name: a fault is 5xx or a denial, whichever call it strikes", { timeout: 60_000 }, async (flow) => {
    const healthy = await attempt(flow, "throws unavailable", -1);
    const told = healthy?.told;
    expect(told === undefined || told === "waits" ? told : told.status < 400).toBe(flow.who === "may");
    for (const manner of flow.hashes === true ? MANNERS.slice(1, 2) : MANNERS) await failEach(flow, manner);
  });

  it.each(Object.keys(BAD))("AUTH-G1 %s opens no route, whichever call fails", { timeout: 60_000 }, async (credential) => {
    for (const { operationId, method, path } of routes().filter((route) => !OPEN.has(route.operationId))) {
      const flow: Flow = {
        name: `${operationId} with ${credential}`,
        operation: operationId,
        who: "must not",
        async arrange(scene) {
          const headers = (await BAD[credential]?.(scene)) ?? {};
          const query = operationId === "authOAuthUnlink" ? "?provider=github" : "";
          return { path: path.replaceAll(/:\w+/g, "x") + query, method, ...bodyFor[operationId], headers: { ...headers, origin: SITE } };
        },
      };
      for (const manner of ["throws unavailable", "rejects a TypeError", "never answers"] as const) await failEach(flow, manner);
    }
  });
});
