// AUTH-W over processes: one has the sockets, another ends the sessions. Real WebSockets, on stores that both share.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AuthResult, createSocketTickets, type SocketTickets } from "@portcullis/auth";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { type Child, startChild } from "../../packages/store-sql/test/child.js";
import { describeWith, postgresUrl, redisPrefix, redisUrl } from "../../tools/test-services/connect.js";
import { type OpenedAuth, openWatchedAuth, type WatchTarget } from "./revocation-watch.js";
import { closed, ENDED, openSocket, ORIGIN } from "./socket-client.js";

const SERVER = new URL("./socket-server.ts", import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), "portcullis-sockets-"));
const children: Child[] = [];

afterAll(async () => {
  for (const child of children) await child.kill();
  rmSync(folder, { recursive: true });
});

function valueOf<T>(result: AuthResult<T>): T {
  if (result.kind === "ok") return result.value;
  throw new Error(`denied: ${result.problem.code}`);
}

function socketsOn(place: () => Promise<Pick<WatchTarget, "url" | "prefix">>): void {
  let opened: OpenedAuth;
  let tickets: SocketTickets;
  let port: string;

  beforeAll(async () => {
    const target: WatchTarget = { ...(await place()), hears: true, maxStalenessMs: 60_000 };
    const child = startChild(SERVER, JSON.stringify(target));
    children.push(child);
    port = (await child.line()) ?? "";
    opened = await openWatchedAuth(target);
    tickets = createSocketTickets({ auth: opened.auth, origins: [ORIGIN] });
  });
  afterAll(async () => {
    tickets.close();
    await opened.close();
  });

  async function session(userId: string) {
    const pair = await opened.auth.createTokenPair({ userId, role: "member" });
    const token = valueOf(await opened.auth.verifyAccessToken(pair.accessToken));
    const mint = async (): Promise<string> => valueOf(await tickets.mint(token, { origin: ORIGIN })).ticket;
    return { ...pair, token, mint };
  }
  function entered(socket: WebSocket | number): WebSocket {
    if (typeof socket === "number") throw new Error(`not let in: ${socket}`);
    return socket;
  }

  it("AUTH-W a socket closes when its session ends in another process, and no other socket does", { timeout: 60_000 }, async () => {
    const { auth } = opened;
    const userId = await opened.createUser();
    const staying = await session(userId);
    const stays = entered(await openSocket(port, await staying.mint()));
    const leaving = await session(userId);
    const socket = entered(await openSocket(port, await leaving.mint()));
    const end = closed(socket);
    await auth.logout(leaving.token);
    expect(await end).toBe(ENDED);
    expect(stays.readyState).toBe(stays.OPEN);
    const evicted = closed(stays);
    await auth.revokeUser(userId);
    expect(await evicted).toBe(ENDED);
  });

  it.each(["logoutAll", "setDisabled", "sessions.revoke", "refresh reuse", "logoutByRefresh"] as const)(
    "AUTH-W a socket closes after %s in another process",
    { timeout: 60_000 },
    async (how) => {
      const { auth } = opened;
      const userId = await opened.createUser();
      const { token, mint, refreshToken, sessionId } = await session(userId);
      const end = closed(entered(await openSocket(port, await mint())));
      if (how === "logoutAll") valueOf(await auth.logoutAll(token));
      else if (how === "setDisabled") await auth.setDisabled(userId, true);
      else if (how === "sessions.revoke") valueOf(await auth.sessions.revoke((await session(userId)).token, sessionId));
      else if (how === "logoutByRefresh") valueOf(await auth.logoutByRefresh(refreshToken));
      else {
        valueOf(await auth.refresh(valueOf(await auth.refresh(refreshToken)).refreshToken));
        expect((await auth.refresh(refreshToken)).kind).toBe("denied");
      }
      expect(await end).toBe(ENDED);
    },
  );

  it("AUTH-W a ticket made in one process opens one socket in another, and none after a logout", async () => {
    const { mint, token } = await session(await opened.createUser());
    const ticket = await mint();
    const racing = await Promise.all(Array.from({ length: 8 }, () => openSocket(port, ticket)));
    expect(racing.filter((socket) => typeof socket !== "number")).toHaveLength(1);
    expect(new Set(racing.filter((socket) => typeof socket === "number"))).toEqual(new Set([401]));
    const late = await mint();
    await opened.auth.logout(token);
    expect(await openSocket(port, late)).toBe(401);
  });
}

describe("sockets on a SQLite file", () =>
  socketsOn(() => Promise.resolve({ url: `file:${join(folder, `${randomUUID()}.db`)}`, prefix: "" })));

describeWith("postgres", "sockets on PostgreSQL", () => socketsOn(async () => ({ url: await postgresUrl(), prefix: "" })));

describeWith("redis", "sockets on Redis", () => socketsOn(() => Promise.resolve({ url: redisUrl(), prefix: redisPrefix() })));
