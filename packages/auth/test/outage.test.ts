// AUTH-J14: what becomes of access tokens when the store does not answer.
import { createMemoryStore, type MemoryStore, StoreUnavailable } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { asynchronous, codeOf, createFixture, valueOf, wrapPort } from "./auth-fixture.js";

const subject = { userId: "ada", role: "member" };

function createOutage(whenUnavailable: "deny" | "use-remembered", maxStalenessMs = 1_000) {
  const clock = createManualClock();
  const memory = createMemoryStore({ clock });
  const outage: { error: (() => Error) | undefined } = { error: undefined };
  const late = asynchronous(memory);
  const failing = <Port extends object>(port: Port): Port =>
    wrapPort(port, (method) => async (...args) => {
      if (outage.error !== undefined) throw outage.error();
      return method(...args);
    });
  const store: MemoryStore = {
    ...late,
    subjects: failing(late.subjects),
    sessions: failing(late.sessions),
    tickets: failing(late.tickets),
  };
  const fixture = createFixture({ clock, store, revocation: { whenUnavailable, maxStalenessMs } });
  return Object.assign(outage, {
    ...fixture,
    clock,
    memory,
    breakDown: () => (outage.error = () => new StoreUnavailable("subjects.read")),
  });
}

const acceptances = (counted: readonly string[]): number =>
  counted.filter((name) => name.startsWith("auth_outage_acceptances_total")).length;

describe("AUTH-J14 a store that does not answer", () => {
  it("is a fault by default as soon as what is remembered is too old", async () => {
    const { auth, clock, breakDown } = createOutage("deny");
    const { accessToken } = await auth.createTokenPair(subject);
    for (let time = 0; time < 3; time += 1) expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    breakDown();
    clock.advance(999);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    clock.advance(1);
    await expect(auth.verifyAccessToken(accessToken)).rejects.toThrow(StoreUnavailable);
  });

  it("use-remembered: a token found good within the last minute goes on, is counted, and ends at the minute", async () => {
    for (const maxStalenessMs of [0, 1_000]) {
      const { auth, clock, breakDown, counted } = createOutage("use-remembered", maxStalenessMs);
      const { accessToken } = await auth.createTokenPair(subject);
      for (let time = 0; time < 3; time += 1) expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
      breakDown();
      clock.advance(59_999);
      expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
      expect(acceptances(counted)).toBe(1);
      clock.advance(1);
      await expect(auth.verifyAccessToken(accessToken)).rejects.toThrow(StoreUnavailable);
      expect(acceptances(counted)).toBe(1);
    }
  });

  it("use-remembered: a token that this process did not find good before is refused with a fault", async () => {
    const { auth, memory, clock, breakDown } = createOutage("use-remembered");
    const { auth: other } = createFixture({ clock, store: memory });
    const { accessToken } = await other.createTokenPair(subject);
    breakDown();
    for (let time = 0; time < 2; time += 1) await expect(auth.verifyAccessToken(accessToken)).rejects.toThrow(StoreUnavailable);
  });

  it("use-remembered: what this process has ended, or found ended, is not accepted", async () => {
    type Outage = ReturnType<typeof createOutage>;
    const ends: Record<string, (outage: Outage, sessionId: string, tokenId: string) => unknown> = {
      "ended here": async ({ auth }) => auth.revokeUser("ada"),
      disabled: ({ memory }) => memory.subjects.setDisabled("ada", true),
      session: ({ memory }) => memory.sessions.revoke("ada"),
      blacklist: ({ memory }, _sessionId, tokenId) => memory.tickets.put(`auth:revoked:${tokenId}`, "1", 60_000),
      tv: ({ memory }) => memory.subjects.bump("ada", "tokenVersion"),
      pwd_sig: ({ memory }) => memory.subjects.bump("ada", "passwordVersion"),
    };
    for (const [what, end] of Object.entries(ends)) {
      const outage = createOutage("use-remembered");
      const { auth, clock, breakDown } = outage;
      const { accessToken, sessionId } = await auth.createTokenPair(subject);
      let tokenId = "";
      for (let time = 0; time < 3; time += 1) ({ tokenId } = valueOf(await auth.verifyAccessToken(accessToken)));
      await end(outage, sessionId, tokenId);
      clock.advance(1_000);
      expect([what, codeOf(await auth.verifyAccessToken(accessToken))]).toEqual([what, 1004]);
      breakDown();
      const verdict = await (async () => auth.verifyAccessToken(accessToken))().catch((error: unknown) => error);
      expect([what, verdict instanceof StoreUnavailable || codeOf(verdict as never)]).toEqual([what, expect.toBeOneOf([true, 1004])]);
      clock.advance(1_000);
      const later = await (async () => auth.verifyAccessToken(accessToken))().catch((error: unknown) => error);
      expect([what, later instanceof StoreUnavailable || codeOf(later as never)]).toEqual([what, expect.toBeOneOf([true, 1004])]);
    }
  });

  it("use-remembered: what this process tried to end and could not is not accepted either", async () => {
    const { auth, clock, breakDown } = createOutage("use-remembered");
    const { accessToken } = await auth.createTokenPair(subject);
    for (let time = 0; time < 3; time += 1) expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    breakDown();
    clock.advance(1_000);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    await expect(auth.revokeUser("ada")).rejects.toThrow(StoreUnavailable);
    await expect(auth.verifyAccessToken(accessToken)).rejects.toThrow(StoreUnavailable);
  });

  it("use-remembered: a token still ends at its expiry, and its session at its own", async () => {
    const { auth, clock, breakDown } = createOutage("use-remembered");
    const { accessToken } = await auth.createTokenPair(subject);
    for (let time = 0; time < 3; time += 1) expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    breakDown();
    clock.set(clock.now() + 3_600_000);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1003);
  });

  it("use-remembered: any other fault than a store that does not answer is passed on", async () => {
    const outage = createOutage("use-remembered");
    const { auth, clock } = outage;
    const { accessToken } = await auth.createTokenPair(subject);
    for (let time = 0; time < 3; time += 1) expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    outage.error = () => new TypeError("a fault of the program");
    clock.advance(1_000);
    await expect(auth.verifyAccessToken(accessToken)).rejects.toThrow(TypeError);
  });
});
