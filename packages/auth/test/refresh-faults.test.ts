// Refreshes while the secrets rotate, and while something breaks.
import { type MemoryStore, StoreUnavailable } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { codeOf, createFixtureWithAda, OLD_SECRET, SECRET, valueOf, withDeadPort, wrapPort } from "./auth-fixture.js";
import { beside, GRACE_MS, login } from "./refresh-scene.js";

describe("refresh while the secrets rotate", () => {
  const old = { secrets: OLD_SECRET };
  const oldFirst = { secrets: [OLD_SECRET, SECRET] };
  const newFirst = { secrets: [SECRET, OLD_SECRET] };

  it.each([
    { title: "after it", redeemedBy: old, repeatedBy: newFirst },
    { title: "another process is behind", redeemedBy: newFirst, repeatedBy: oldFirst },
    { title: "another process is ahead", redeemedBy: oldFirst, repeatedBy: newFirst },
  ])("AUTH-R3 a repetition gets the same successor: $title", async ({ redeemedBy, repeatedBy }) => {
    const fixture = await createFixtureWithAda(old);
    const first = await login(fixture);
    const next = valueOf(await beside(fixture, redeemedBy).refresh(first.refreshToken));
    const again = valueOf(await beside(fixture, repeatedBy).refresh(first.refreshToken));
    expect(again.refreshToken).toBe(next.refreshToken);
    const third = valueOf(await beside(fixture, repeatedBy).refresh(again.refreshToken));
    expect(codeOf(await beside(fixture, newFirst).refresh(third.refreshToken))).toBe("ok");
  });

  it("a chain goes on from the old secret to the new, and without the old one its tokens are none of ours", async () => {
    const fixture = await createFixtureWithAda(old);
    const first = await login(fixture);
    const second = valueOf(await beside(fixture, newFirst).refresh(first.refreshToken));
    const only = beside(fixture, { secrets: SECRET });
    expect(codeOf(await only.refresh(first.refreshToken))).toBe(1002);
    expect(codeOf(await only.refresh(second.refreshToken))).toBe("ok");
  });

  it("a process that cannot know the successor neither makes another nor closes the session", async () => {
    const fixture = await createFixtureWithAda(old);
    const first = await login(fixture);
    const next = valueOf(await beside(fixture, newFirst).refresh(first.refreshToken));
    const refused = await fixture.auth.refresh(first.refreshToken);
    expect(refused).toMatchObject({ kind: "denied", problem: { code: 8002, retryAfter: 1 } });
    expect(codeOf(await beside(fixture, newFirst).refresh(next.refreshToken))).toBe("ok");
  });
});

describe("refresh when things break", () => {
  /** A store on which the exchange is made and its answer lost. */
  function losingRotations(store: MemoryStore): MemoryStore {
    const sessions = wrapPort(store.sessions, (method, name) => async (...args) => {
      const answer = await method(...args);
      if (name === "rotate") throw new StoreUnavailable("sessions.rotate");
      return answer;
    });
    return { ...store, sessions };
  }

  it("AUTH-R10 after an exchange whose answer was lost the client sends the token again, and all go on", async () => {
    const fixture = await createFixtureWithAda();
    const first = await login(fixture);
    const dying = beside(fixture, { store: losingRotations(fixture.store) });
    await expect(dying.refresh(first.refreshToken)).rejects.toThrow(StoreUnavailable);
    fixture.clock.advance(GRACE_MS - 1);
    const retried = valueOf(await fixture.auth.refresh(first.refreshToken));
    // The process that lost the answer can give it as well: repeating takes no exchange.
    expect(valueOf(await dying.refresh(first.refreshToken)).refreshToken).toBe(retried.refreshToken);
    expect(codeOf(await fixture.auth.verifyAccessToken(retried.accessToken))).toBe("ok");
    expect(codeOf(await fixture.auth.refresh(retried.refreshToken))).toBe("ok");
  });

  it("AUTH-R10 strict, or too late, the retry is reuse: nobody can tell it from a theft", async () => {
    for (const refreshGraceMs of [0, 5_000]) {
      const fixture = await createFixtureWithAda({ sessions: { refreshGraceMs } });
      const { refreshToken } = await login(fixture);
      const dying = beside(fixture, { store: losingRotations(fixture.store), sessions: { refreshGraceMs } });
      await expect(dying.refresh(refreshToken)).rejects.toThrow(StoreUnavailable);
      fixture.clock.advance(refreshGraceMs);
      expect(codeOf(await fixture.auth.refresh(refreshToken))).toBe(1008);
    }
  });

  it.each(["subjects", "sessions", "records"] as const)("a fault of %s before the exchange leaves the token good", async (port) => {
    const fixture = await createFixtureWithAda();
    const { refreshToken, sessionId } = await login(fixture);
    const store = withDeadPort(fixture.store, port, "rejects");
    const users = { ...fixture.users, byId: (id: string) => store.records.find("auth-users", { id }) as never };
    await expect(beside(fixture, { store, users }).refresh(refreshToken)).rejects.toThrow(StoreUnavailable);
    expect(await fixture.store.sessions.find(sessionId)).toMatchObject({ previousHash: undefined });
    expect(codeOf(await fixture.auth.refresh(refreshToken))).toBe("ok");
  });

  it("an access token that cannot be made leaves the token good", async () => {
    const fixture = await createFixtureWithAda();
    const { refreshToken } = await login(fixture);
    await fixture.users.update(fixture.userId, { roles: Array.from({ length: 1_000 }, (_, index) => `role-${index}`) });
    await expect(fixture.auth.refresh(refreshToken)).rejects.toMatchObject({ code: "token_too_large" });
    await fixture.users.update(fixture.userId, { roles: ["member"] });
    fixture.clock.advance(GRACE_MS);
    expect(codeOf(await fixture.auth.refresh(refreshToken))).toBe("ok");
  });
});
