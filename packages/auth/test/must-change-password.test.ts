import { createApp, toFetchHandler } from "@portcullis/core";
import { authRoutes, createAccountMail, createSocketTickets } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { codeOf, createFixture, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";

const OPEN = ["/auth/me", "/auth/logout", "/auth/change-password", "/auth/csrf"];
const NEW_PASSWORD = "a new and longer one";

async function createRestricted() {
  const fixture = createFixture();
  const { auth } = fixture;
  const accountMail = createAccountMail({
    auth,
    deliver: { passwordReset: () => {}, emailVerification: () => {}, registration: () => {} },
  });
  const routes = authRoutes(auth, {
    accountMail,
    registration: { roles: [] },
    socketTickets: createSocketTickets({ auth, origins: ["https://app.example.com"] }),
  });
  const handler = toFetchHandler(createApp({ routes }));
  const account = valueOf(await auth.createAccount({ email: EMAIL, password: PASSWORD, roles: [], mustChangePassword: true }));
  const { tokens } = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
  async function call(method: string, path: string, credential?: string): Promise<unknown> {
    const headers = { "content-type": "application/json", ...(credential === undefined ? {} : { authorization: `Bearer ${credential}` }) };
    const url = `http://localhost${path.replaceAll(/:\w+/g, "x")}`;
    const response = await handler(new Request(url, { method, headers, ...(method === "POST" ? { body: "{}" } : {}) }));
    return response.headers.get("content-type")?.includes("json") === true
      ? ((await response.json()) as { code?: number }).code
      : undefined;
  }
  return { ...fixture, account, tokens, routes, call };
}

describe("AUTH-P somebody who must change the password", () => {
  it("may change it, log out and ask who they are: every other route that wants a login is 1103", async () => {
    const { routes, tokens, call } = await createRestricted();
    const closed: string[] = [];
    for (const { method, path } of routes) {
      // Open to strangers, or to somebody in this state; the latter last, since a logout ends the rest.
      if (OPEN.includes(path) || (await call(method, path)) !== 1001) continue;
      expect([path, await call(method, path, tokens.accessToken)]).toEqual([path, 1103]);
      closed.push(`${method} ${path}`);
    }
    expect(closed).toEqual(
      expect.arrayContaining(["POST /auth/logout-all", "GET /auth/api-keys", "POST /auth/api-keys", "POST /auth/ws-ticket"]),
    );
    expect(await call("GET", "/auth/me", tokens.accessToken)).toBeUndefined();
    expect(await call("POST", "/auth/change-password", tokens.accessToken)).toBe(2002);
    expect(await call("POST", "/auth/logout", tokens.accessToken)).toBeUndefined();
    expect(await call("GET", "/auth/me", tokens.accessToken)).toBe(1004);
  });

  it("is not freed by refreshing, nor by an API key made before", async () => {
    const { auth, users, tokens, account } = await createRestricted();
    const next = valueOf(await auth.refresh(tokens.refreshToken));
    expect(valueOf(await auth.verifyAccessToken(next.accessToken)).principal.mustChangePassword).toBe(true);
    await users.update(account.id, { mustChangePassword: false });
    const free = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    const { principal } = valueOf(await auth.verifyAccessToken(free.tokens.accessToken));
    const { key } = valueOf(await auth.apiKeys.create(principal, { name: "ci" }));
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe("ok");
    await users.update(account.id, { mustChangePassword: true });
    expect(codeOf(await auth.apiKeys.authenticate(key))).toBe(1103);
  });

  it("is free with the change, which stores both in one step, and not by one that fails", async () => {
    const { auth, clock, store, users, tokens, account } = await createRestricted();
    const token = valueOf(await auth.verifyAccessToken(tokens.accessToken));
    const updates: unknown[] = [];
    const watched = createFixture({
      clock,
      store,
      users: {
        ...users,
        updatePassword: (id, update) => {
          updates.push(update);
          return users.updatePassword(id, update);
        },
      },
    });
    const expectedHash = (await users.byId(account.id))?.passwordHash;
    const wrong = { currentPassword: "wrong horse battery", newPassword: NEW_PASSWORD };
    expect(codeOf(await watched.auth.changePassword(token, wrong))).toBe(1005);
    expect(await users.byId(account.id)).toMatchObject({ mustChangePassword: true });
    const pair = valueOf(await watched.auth.changePassword(token, { ...wrong, currentPassword: PASSWORD }));
    expect(updates).toMatchObject([{ mustChangePassword: false, expectedHash }]);
    expect(valueOf(await auth.verifyAccessToken(pair.accessToken)).principal.mustChangePassword).toBe(false);
  });
});
