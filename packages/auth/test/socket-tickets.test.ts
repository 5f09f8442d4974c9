import { createServer } from "node:http";
import { listenOn } from "@portcullis/core/node";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { createAuth, createSocketTickets, type SocketAdmission, type SocketTickets } from "@portcullis/auth";
import { asynchronous, codeOf, createFixtureWithAda, EMAIL, PASSWORD, PEPPER, SECRET, valueOf, withDeadPort } from "./auth-fixture.js";

const ORIGIN = "https://app.example.com";
type Fixture = Awaited<ReturnType<typeof createFixtureWithAda>>;

async function createTicketFixture(options: Parameters<typeof createFixtureWithAda>[0] = {}) {
  const fixture = await createFixtureWithAda(options);
  const tickets = createSocketTickets({ auth: fixture.auth, origins: [ORIGIN] });
  onTestFinished(() => tickets.close());
  const pair = valueOf(await fixture.auth.login({ email: EMAIL, password: PASSWORD })).tokens;
  const token = valueOf(await fixture.auth.verifyAccessToken(pair.accessToken));
  const mint = async (path?: string): Promise<string> => valueOf(await tickets.mint(token, { origin: ORIGIN, path })).ticket;
  return { ...fixture, tickets, pair, token, mint };
}

const fromApp = { origin: ORIGIN, path: "/live" };

describe("a ticket for a WebSocket", () => {
  it("AUTH-W1 carries 256 random bits and lies in the store as a hash only", async () => {
    const { tickets, mint, store, events } = await createTicketFixture();
    const put: string[] = [];
    const watching = {
      ...store.tickets,
      put: (key: string, value: string, ttlMs: number) => (put.push(key, value), store.tickets.put(key, value, ttlMs)),
    };
    const ticket = await mint();
    expect(Buffer.from(ticket, "base64url")).toHaveLength(32);
    const auth = createAuth({
      store: { ...store, tickets: watching },
      users: (await createFixtureWithAda()).users,
      secrets: SECRET,
      apiKeyPeppers: PEPPER,
    });
    const others = createSocketTickets({ auth, origins: [ORIGIN] });
    const { accessToken } = await auth.createTokenPair({ userId: "grace", role: "member" });
    const second = valueOf(await others.mint(valueOf(await auth.verifyAccessToken(accessToken)), { origin: ORIGIN })).ticket;
    expect(put.join()).not.toContain(second);
    expect(JSON.stringify(events)).not.toContain(ticket);
    expect(codeOf(await tickets.redeem(ticket, fromApp))).toBe("ok");
  });

  it("AUTH-W2 opens one socket: of fifty parallel redemptions one wins", async () => {
    const { store, users, pair, mint } = await createTicketFixture();
    const shared = createAuth({ store: asynchronous(store), users, secrets: SECRET, apiKeyPeppers: PEPPER });
    const tickets = createSocketTickets({ auth: shared, origins: [ORIGIN] });
    expect(pair.sessionId).not.toBe("");
    const ticket = await mint();
    const results = await Promise.all(Array.from({ length: 50 }, () => tickets.redeem(ticket, fromApp)));
    expect(results.filter(({ kind }) => kind === "ok")).toHaveLength(1);
    expect(new Set(results.map(codeOf))).toEqual(new Set(["ok", 1002]));
  });

  it("AUTH-W3 lives 30 s, half-open, and no longer by any option", async () => {
    const { auth, tickets, mint, clock } = await createTicketFixture();
    const [early, late] = [await mint(), await mint()];
    clock.advance(29_999);
    expect(codeOf(await tickets.redeem(early, fromApp))).toBe("ok");
    clock.advance(1);
    expect(codeOf(await tickets.redeem(late, fromApp))).toBe(1002);
    expect(() => createSocketTickets({ auth, origins: [], ttlMs: 30_001 })).toThrow("socketTickets.ttlMs");
  });

  it("AUTH-W4 is for the origin and the path it was made for, and is used up by a wrong try", async () => {
    const { tickets, mint, token } = await createTicketFixture();
    for (const from of [
      { origin: "https://evil.example", path: "/live" },
      { origin: undefined, path: "/live" },
      { origin: "null", path: "/live" },
      { origin: `${ORIGIN}/`, path: "/live" },
      { origin: ORIGIN, path: "/other" },
      { origin: ORIGIN, path: "/live/" },
    ]) {
      const ticket = await mint("/live");
      expect(codeOf(await tickets.redeem(ticket, from))).toBe(1002);
      expect(codeOf(await tickets.redeem(ticket, fromApp))).toBe(1002);
    }
    expect(codeOf(await tickets.mint(token, { origin: "https://evil.example" }))).toBe(1107);
    expect(codeOf(await tickets.mint(token, { origin: "null" }))).toBe(1107);
    const forPrograms = valueOf(await tickets.mint(token, { origin: undefined })).ticket;
    expect(codeOf(await tickets.redeem(forPrograms, { origin: undefined, path: "/live" }))).toBe("ok");
  });

  it.each<[string, (fixture: Fixture & { readonly token: { readonly principal: { readonly id: string } } }) => Promise<unknown>]>([
    ["logout", async ({ auth, token }) => auth.logout(token as never)],
    ["logout everywhere", async ({ auth, userId }) => auth.revokeUser(userId)],
    ["a disabled account", async ({ auth, userId }) => auth.setDisabled(userId, true)],
    [
      "a changed password",
      async ({ auth, token }) => auth.changePassword(token as never, { currentPassword: PASSWORD, newPassword: "another horse battery" }),
    ],
    ["changed rights", async ({ store, userId }) => store.subjects.bump(userId, "claimsVersion")],
  ])("AUTH-W5 dies with %s after it was made", async (_name, revoke) => {
    const fixture = await createTicketFixture();
    const ticket = await fixture.mint();
    await revoke(fixture);
    expect(codeOf(await fixture.tickets.redeem(ticket, fromApp))).toBe(1004);
  });

  it("AUTH-W5 is not made for a token that was revoked a moment ago", async () => {
    const { auth, tickets, token, userId } = await createTicketFixture();
    await auth.revokeUser(userId);
    expect(codeOf(await tickets.mint(token, { origin: ORIGIN }))).toBe(1004);
  });

  it("AUTH-W6 brings the principal as it was, frozen", async () => {
    const { tickets, mint, token } = await createTicketFixture();
    const { principal, sessionId } = valueOf(await tickets.redeem(await mint(), fromApp));
    expect(principal).toEqual(token.principal);
    expect(Object.isFrozen(principal) && Object.isFrozen(principal.roles)).toBe(true);
    expect(sessionId).toBe(token.sessionId);
  });

  it("AUTH-W7 a dead store is a fault at minting and at redeeming", async () => {
    const { store, users, token, mint } = await createTicketFixture();
    for (const port of ["tickets", "subjects", "sessions"] as const) {
      const dead = createAuth({ store: withDeadPort(store, port, "rejects"), users, secrets: SECRET, apiKeyPeppers: PEPPER });
      const tickets = createSocketTickets({ auth: dead, origins: [ORIGIN] });
      if (port !== "sessions") await expect(tickets.mint(token, { origin: ORIGIN })).rejects.toThrow(port);
      await expect(tickets.redeem(await mint(), fromApp)).rejects.toThrow(port);
    }
  });

  it.each([
    [{ url: "/live", headers: {} }],
    [{ url: "/live?ticket=", headers: {} }],
    [{ url: "/live?ticket=a&ticket=b", headers: {} }],
    [{ url: undefined, headers: {} }],
    [{ url: "/live?ticket=..%00", headers: { origin: ORIGIN } }],
    [{ url: "/live", headers: { "sec-websocket-protocol": "portcullis.ticket." } }],
    [{ url: "/live", headers: { "sec-websocket-protocol": ["portcullis.ticket.a"] } }],
    [{ url: "/live", headers: { origin: [ORIGIN] } }],
  ])("AUTH-W8 a handshake without one good ticket is denied: %j", async (handshake) => {
    const { tickets } = await createTicketFixture();
    expect(codeOf(await tickets.admit(handshake))).toBe(1002);
  });

  it("AUTH-W8 a ticket in the query and another in the protocols is one too many, and neither is used", async () => {
    const { tickets, mint } = await createTicketFixture();
    const [first, second] = [await mint(), await mint()];
    const headers = { origin: ORIGIN, "sec-websocket-protocol": `chat, portcullis.ticket.${second}` };
    expect(codeOf(await tickets.admit({ url: `/live?ticket=${first}`, headers }))).toBe(1002);
    expect(codeOf(await tickets.admit({ url: "/live", headers }))).toBe("ok");
    expect(codeOf(await tickets.admit({ url: `/live?ticket=${first}`, headers: { origin: ORIGIN } }))).toBe("ok");
  });

  it.each([
    ["a path", ["https://app.example.com/"]],
    ["null", ["null"]],
    ["a wildcard", ["*"]],
    ["no scheme", ["app.example.com"]],
    ["another scheme", ["javascript://app.example.com"]],
    ["capitals", ["https://APP.example.com"]],
  ])("refuses %s as an origin at construction", async (_name, origins) => {
    const { auth } = await createTicketFixture();
    expect(() => createSocketTickets({ auth, origins })).toThrow("socketTickets.origins[0]");
  });
});

describe("an open socket", () => {
  async function openSocket(tickets: SocketTickets, ticket: string) {
    const sockets = new WebSocketServer({ noServer: true });
    const server = createServer();
    server.on("upgrade", (request, socket, head) => {
      void tickets.admit(request).then((admitted) => {
        if (admitted.kind === "denied") return void socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n");
        sockets.handleUpgrade(request, socket, head, (open) => {
          const unwatch = tickets.watch(admitted.value, () => open.close(4401, "session ended"));
          open.on("close", unwatch);
        });
      });
    });
    const { port } = await listenOn(server, { port: 0, host: "127.0.0.1" });
    onTestFinished(() => void (sockets.close(), server.closeAllConnections(), server.close()));
    const client = new WebSocket(`ws://127.0.0.1:${port}/live?ticket=${ticket}`, { origin: ORIGIN });
    const closed = new Promise<number>((resolve) => client.on("close", resolve));
    const opened = new Promise<boolean>((resolve) => (client.on("open", () => resolve(true)), client.on("error", () => resolve(false))));
    return { closed, opened };
  }

  it("AUTH-W9 is closed by the logout of its session in this process", async () => {
    const { auth, tickets, mint, token, events } = await createTicketFixture();
    const { opened, closed } = await openSocket(tickets, await mint());
    expect(await opened).toBe(true);
    await auth.logout(token);
    expect(await closed).toBe(4401);
    expect(events).toContainEqual({ kind: "socket_closed", userId: token.principal.id, sessionId: token.sessionId });
  });

  it("AUTH-W9 does not open with a ticket that was used", async () => {
    const { tickets, mint } = await createTicketFixture();
    const ticket = await mint();
    expect(await (await openSocket(tickets, ticket)).opened).toBe(true);
    expect(await (await openSocket(tickets, ticket)).opened).toBe(false);
  });

  it("AUTH-W10 is closed by a recheck where nobody told of the revocation, once; another session's socket stays", async () => {
    const { auth, tickets, mint, store, token } = await createTicketFixture();
    const other = valueOf(await auth.login({ email: EMAIL, password: PASSWORD })).tokens;
    const otherToken = valueOf(await auth.verifyAccessToken(other.accessToken));
    const closed: string[] = [];
    const admitted = valueOf(await tickets.redeem(await mint(), fromApp));
    tickets.watch(admitted, () => closed.push("first"));
    const admission: SocketAdmission = { principal: otherToken.principal, sessionId: otherToken.sessionId };
    const unwatch = tickets.watch(admission, () => closed.push("second"));
    await store.sessions.revoke(token.principal.id, { id: token.sessionId });
    await tickets.recheck();
    await tickets.recheck();
    expect(closed).toEqual(["first"]);
    unwatch();
    await auth.revokeUser(token.principal.id);
    await tickets.recheck();
    expect(closed).toEqual(["first"]);
  });

  it("AUTH-W10 stays open while the store does not answer", async () => {
    const { store, users, token } = await createTicketFixture();
    const dead = createAuth({ store: withDeadPort(store, "sessions", "throws"), users, secrets: SECRET, apiKeyPeppers: PEPPER });
    const tickets = createSocketTickets({ auth: dead, origins: [ORIGIN] });
    const closed: string[] = [];
    tickets.watch({ principal: token.principal, sessionId: token.sessionId }, () => closed.push("closed"));
    await tickets.recheck();
    expect(closed).toEqual([]);
    tickets.close();
  });

  it("AUTH-W10 a store that answers slower than it is asked gets one look at a time", async () => {
    vi.useFakeTimers();
    try {
      const { store, users, token } = await createTicketFixture();
      let asked = 0;
      const list = (): Promise<never> => {
        asked += 1;
        return new Promise(() => {});
      };
      const slow = createAuth({
        store: { ...store, sessions: { ...store.sessions, list } },
        users,
        secrets: SECRET,
        apiKeyPeppers: PEPPER,
      });
      const tickets = createSocketTickets({ auth: slow, origins: [ORIGIN], recheckMs: 1000 });
      tickets.watch({ principal: token.principal, sessionId: token.sessionId }, () => {});
      const atFirst = asked;
      await vi.advanceTimersByTimeAsync(10_000);
      expect(asked - atFirst).toBe(1);
      tickets.close();
    } finally {
      vi.useRealTimers();
    }
  });

  it("AUTH-W11 one that ended between the handshake and the watch is closed at once; what `close` throws harms nobody", async () => {
    const { auth, tickets, mint, token } = await createTicketFixture();
    const admitted = valueOf(await tickets.redeem(await mint(), fromApp));
    await auth.logout(token);
    const closed = new Promise<void>((resolve) =>
      tickets.watch(admitted, () => {
        resolve();
        throw new Error("the socket is gone");
      }),
    );
    await closed;
    await tickets.recheck();
  });
});
