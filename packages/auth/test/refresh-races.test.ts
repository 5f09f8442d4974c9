// Refreshes against one another and against whatever ends a session: in one process in parallel, and in every order of store calls.
import { createMemoryStore, type MemoryStore } from "@portcullis/core";
import { type AuthOptions, type AuthResult, createUserDirectory, type TokenPair } from "@portcullis/auth";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { asynchronous, codeOf, createFixture, createFixtureWithAda, valueOf, wrapPort } from "./auth-fixture.js";
import { inEveryOrder, type Race } from "./interleavings.js";

describe.each(["synchronous", "asynchronous"])("50 parallel refreshes of one token (%s store)", (manner) => {
  async function run(options: Partial<AuthOptions>) {
    const clock = createManualClock();
    const memory = createMemoryStore({ clock });
    let exchanges = 0;
    const sessions = wrapPort(memory.sessions, (method, name) => (...args) => {
      const answer = method(...args);
      if (name === "rotate" && answer !== undefined) exchanges += 1;
      return answer;
    });
    const counting = { ...memory, sessions };
    const store = manner === "synchronous" ? counting : asynchronous(counting);
    const fixture = await createFixtureWithAda({ store, clock, users: createUserDirectory({ store }), ...options });
    const first = await fixture.auth.createTokenPair({ userId: fixture.userId, role: "member" });
    const other = await fixture.auth.createTokenPair({ userId: fixture.userId, role: "member" });
    const results = await Promise.all(Array.from({ length: 50 }, async () => fixture.auth.refresh(first.refreshToken)));
    return { ...fixture, clock, first, other, memory, results, exchanges: () => exchanges };
  }

  it("AUTH-R2 AUTH-R3 one exchange is made, all have the same successor, and the session has one live token", async () => {
    const { auth, clock, events, first, memory, results, exchanges } = await run({});
    expect(exchanges()).toBe(1);
    const pairs = results.map((result) => valueOf(result));
    const [next] = pairs;
    expect(new Set(pairs.map(({ refreshToken }) => refreshToken)).size).toBe(1);
    for (const { accessToken } of pairs) expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    expect(events.filter(({ kind }) => kind === "token_refreshed")).toHaveLength(1);
    expect(events.filter(({ kind }) => kind === "refresh_reused")).toHaveLength(0);
    clock.advance(10_000);
    expect(codeOf(await auth.refresh(next?.refreshToken ?? ""))).toBe("ok");
    expect(await memory.sessions.find(first.sessionId)).toBeDefined();
  });

  it("AUTH-R2 AUTH-R11 strict: one is answered, the session dies, others live, and it is reported once", async () => {
    const { auth, events, first, memory, other, results, exchanges } = await run({ sessions: { refreshGraceMs: 0 } });
    expect(exchanges()).toBe(1);
    const winners = results.filter(({ kind }) => kind === "ok");
    expect(winners).toHaveLength(1);
    for (const result of results) if (result.kind === "denied") expect([1004, 1008]).toContain(result.problem.code);
    // Nobody can tell the 49 from a thief, so what the winner got is ended as well.
    expect(await memory.sessions.find(first.sessionId)).toBeUndefined();
    for (const result of winners) expect(codeOf(await auth.verifyAccessToken(valueOf(result).accessToken))).toBe(1004);
    expect(codeOf(await auth.verifyAccessToken(other.accessToken))).toBe("ok");
    expect(events.filter(({ kind }) => kind === "refresh_reused")).toHaveLength(1);
  });
});

// Of two refreshes and a logout there are many thousands, and each is a service of its own in memory: the first 5,000 with the soak.
const MOST_ORDERS = process.env["PORTCULLIS_SOAK"] === "true" ? 5_000 : 200;

describe("in every order of store calls", () => {
  const subject = { userId: "", role: "member" };

  /** A session, and what is done with it. */
  async function opened(options: Partial<AuthOptions> = {}) {
    const clock = createManualClock();
    const store = createMemoryStore({ clock });
    const account = await createUserDirectory({ store }).create({
      ...{ type: "user", email: "ada@example.com", name: undefined, passwordHash: undefined, mustChangePassword: false },
      ...{ roles: ["member"], orgRoles: [], orgId: undefined, workspaceId: undefined },
    });
    const userId = account?.id ?? "";
    const authOn = (view: MemoryStore) =>
      createFixture({ store: view, clock, users: createUserDirectory({ store: view }), tokenCacheEntries: 0, ...options }).auth;
    const auth = authOn(store);
    const pair = await auth.createTokenPair({ ...subject, userId });
    const token = valueOf(await auth.verifyAccessToken(pair.accessToken));
    return { auth, authOn, clock, pair, store, token, userId };
  }

  /** Nothing that any of these answers handed out is accepted. */
  async function expectDead(auth: ReturnType<typeof createFixture>["auth"], results: readonly AuthResult<TokenPair>[]): Promise<void> {
    for (const result of results) {
      if (result.kind === "denied") expect(result.problem.code).toBe(1004);
      else {
        expect(codeOf(await auth.verifyAccessToken(result.value.accessToken))).toBe(1004);
        expect(codeOf(await auth.refresh(result.value.refreshToken))).toBe(1004);
      }
    }
  }

  type Opened = Awaited<ReturnType<typeof opened>>;
  const endings: Record<string, (opened: Opened, view: MemoryStore) => Promise<unknown>> = {
    logout: async ({ authOn, token }, view) => authOn(view).logout(token),
    "logout by refresh token": async ({ authOn, pair }, view) => authOn(view).logoutByRefresh(pair.refreshToken),
    "ending it from the list": async ({ authOn, pair, token }, view) => authOn(view).sessions.revoke(token, pair.sessionId),
    "logout everywhere": async ({ authOn, token }, view) => authOn(view).logoutAll(token),
    "disabling the account": async ({ authOn, userId }, view) => authOn(view).setDisabled(userId, true),
  };

  const cases = Object.keys(endings).flatMap((name) => [
    { name, turn: "redeemed" },
    { name, turn: "repeated" },
  ]);
  it.each(cases)("AUTH-R8 $name: when it has returned, nothing that a refresh minted meanwhile is accepted ($turn)", async (race) => {
    const orders = await inEveryOrder(async (): Promise<Race> => {
      const scene = await opened();
      if (race.turn === "repeated") valueOf(await scene.auth.refresh(scene.pair.refreshToken));
      const results: AuthResult<TokenPair>[] = [];
      const refresh = async (view: MemoryStore) => results.push(await scene.authOn(view).refresh(scene.pair.refreshToken));
      return {
        store: scene.store,
        operations: [refresh, async (view) => endings[race.name]?.(scene, view)],
        verify: async () => expectDead(scene.auth, results),
      };
    });
    expect(orders).toBeGreaterThanOrEqual(4);
  });

  it("AUTH-R8 logout against two refreshes of one token", async () => {
    const orders = await inEveryOrder(async (): Promise<Race> => {
      const { auth, authOn, pair, store, token } = await opened();
      const results: AuthResult<TokenPair>[] = [];
      const refresh = async (view: MemoryStore) => results.push(await authOn(view).refresh(pair.refreshToken));
      return {
        store,
        operations: [refresh, refresh, async (view) => authOn(view).logout(token)],
        verify: async () => expectDead(auth, results),
      };
    }, MOST_ORDERS);
    expect(orders).toBeGreaterThanOrEqual(Math.min(MOST_ORDERS, 1_000));
  });

  it("AUTH-R3 two refreshes of one token have one successor", async () => {
    await inEveryOrder(async (): Promise<Race> => {
      const { auth, authOn, pair, store } = await opened();
      const results: AuthResult<TokenPair>[] = [];
      const refresh = async (view: MemoryStore) => results.push(await authOn(view).refresh(pair.refreshToken));
      return {
        store,
        operations: [refresh, refresh],
        async verify() {
          const [one, two] = results.map((result) => valueOf(result));
          expect(one?.refreshToken).toBe(two?.refreshToken);
          expect(codeOf(await auth.refresh(one?.refreshToken ?? ""))).toBe("ok");
        },
      };
    });
  });

  it("AUTH-R5 a parent sent again while the successor is redeemed either came before that, or closes the session", async () => {
    const seen = new Set<string>();
    await inEveryOrder(async (): Promise<Race> => {
      const { auth, authOn, pair, store } = await opened();
      const next = valueOf(await auth.refresh(pair.refreshToken));
      const results: Record<string, AuthResult<TokenPair>> = {};
      return {
        store,
        operations: [
          async (view) => (results["parent"] = await authOn(view).refresh(pair.refreshToken)),
          async (view) => (results["successor"] = await authOn(view).refresh(next.refreshToken)),
        ],
        async verify() {
          const { parent, successor } = results;
          if (parent === undefined || successor === undefined) return expect.unreachable();
          seen.add(`${codeOf(parent)} ${codeOf(successor)}`);
          if (parent.kind === "ok") expect(parent.value.refreshToken).toBe(next.refreshToken);
          const isOpen = (await store.sessions.find(pair.sessionId)) !== undefined;
          expect(isOpen).toBe(parent.kind === "ok");
        },
      };
    });
    expect([...seen].toSorted()).toEqual(["1008 ok", "ok ok"]);
  });

  it("a login that everything was ended under leaves no session behind that is of no use", async () => {
    const ends = [
      async ({ authOn, userId }: Opened, view: MemoryStore) => authOn(view).revokeUser(userId),
      async ({ authOn, userId }: Opened, view: MemoryStore) => authOn(view).setDisabled(userId, true),
    ];
    for (const end of ends) {
      await inEveryOrder(async (): Promise<Race> => {
        const scene = await opened({ sessions: { max: 1, whenFull: "evict-oldest" } });
        const { auth, authOn, store, userId } = scene;
        const pairs: TokenPair[] = [];
        const open = async (view: MemoryStore) => {
          const pair = await authOn(view)
            .createTokenPair({ ...subject, userId })
            .catch((error: { code: string }) => expect(error.code).toBe("invalid_account"));
          if (pair !== undefined) pairs.push(pair);
        };
        return {
          store,
          operations: [open, async (view) => end(scene, view)],
          async verify() {
            for (const { id } of await store.sessions.list(userId)) {
              const pair = pairs.find(({ sessionId }) => sessionId === id);
              expect(codeOf(await auth.verifyAccessToken(pair?.accessToken ?? ""))).toBe("ok");
            }
          },
        };
      });
    }
  });
});
