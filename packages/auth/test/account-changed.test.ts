import { ConfigurationError } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { codeOf, createFixtureWithAda, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";

async function signedIn() {
  const fixture = await createFixtureWithAda();
  const { tokens } = valueOf(await fixture.auth.login({ email: EMAIL, password: PASSWORD }));
  expect(codeOf(await fixture.auth.verifyAccessToken(tokens.accessToken))).toBe("ok");
  return { ...fixture, tokens };
}

describe("accountChanged", () => {
  it("AUTH-R6 AUTH-M2 raised: access tokens must be refreshed, and say then what the account may now; the session goes on", async () => {
    const { auth, users, userId, tokens, events, counted } = await signedIn();
    await users.update(userId, { roles: ["owner"] });
    await auth.accountChanged(userId, { rights: "raised" });
    expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe(1003);
    const next = valueOf(await auth.refresh(tokens.refreshToken));
    expect(next.sessionId).toBe(tokens.sessionId);
    expect(valueOf(await auth.verifyAccessToken(next.accessToken)).principal.roles).toEqual(["owner"]);
    expect(events).toContainEqual({ kind: "rights_changed", userId, rights: "raised" });
    expect(counted).toContain("auth_revocations_total{claims}");
  });

  it("AUTH-S6 lowered: every token and session ends, the refresh token too", async () => {
    const { auth, users, userId, tokens, events, store } = await signedIn();
    await users.update(userId, { roles: ["member"] });
    await auth.accountChanged(userId, { rights: "lowered" });
    expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
    expect(codeOf(await auth.refresh(tokens.refreshToken))).toBe(1004);
    expect(await store.sessions.list(userId)).toEqual([]);
    expect(events).toContainEqual({ kind: "rights_changed", userId, rights: "lowered" });
    const { tokens: again } = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    expect(valueOf(await auth.verifyAccessToken(again.accessToken)).principal.roles).toEqual(["member"]);
  });

  it("says nothing of refreshing to a token whose session ended", async () => {
    const { auth, userId, tokens, store } = await signedIn();
    await auth.accountChanged(userId, { rights: "raised" });
    await store.sessions.revoke(userId);
    expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
  });

  it("parallel changes each count", async () => {
    const { auth, userId, store } = await signedIn();
    await Promise.all(Array.from({ length: 20 }, async () => auth.accountChanged(userId, { rights: "raised" })));
    expect((await store.subjects.read(userId)).claimsVersion).toBe(21);
  });

  it("is refused when it is not said which way they changed: nothing happens", async () => {
    const { auth, userId, tokens } = await signedIn();
    for (const change of [{ rights: "changed" }, {}, undefined]) {
      await expect(auth.accountChanged(userId, change as { rights: "raised" })).rejects.toThrow(ConfigurationError);
    }
    expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe("ok");
  });

  it("AUTH-J13 an account that is deleted after it was disabled for good is refused everywhere", async () => {
    const { auth, userId, tokens, store } = await signedIn();
    await auth.setDisabled(userId, true);
    const record = await store.records.find("auth-users", { id: userId });
    if (record !== undefined) await store.records.remove("auth-users", userId);
    expect(codeOf(await auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
    expect(codeOf(await auth.refresh(tokens.refreshToken))).toBe(1004);
  });
});
