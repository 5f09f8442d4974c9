// How long a process may go on with what it read, and what makes it forget sooner. The store answers by promises here; one that
// answers at once is asked each time (token-cache.test.ts).
import { describe, expect, it } from "vitest";
import { codeOf, createFixture, valueOf } from "./auth-fixture.js";
import { createTwoProcesses, settle, type TwoProcesses } from "./revocation-bus.js";

const subject = { userId: "ada", role: "member" };

/** A session whose token the other process has read, and remembers. */
async function seenThere(processes: TwoProcesses) {
  const pair = await processes.here.createTokenPair(subject);
  // The first thing ever remembered begins the subscription, and what was read before that is read again.
  for (let time = 0; time < 2; time += 1) {
    expect(codeOf(await processes.there.verifyAccessToken(pair.accessToken))).toBe("ok");
    await settle();
  }
  return pair;
}

/** Ways to end one session, and what is refused with. */
const ENDS: Record<string, (processes: TwoProcesses, accessToken: string) => Promise<unknown>> = {
  logout: async ({ here }, accessToken) => here.logout(valueOf(await here.verifyAccessToken(accessToken))),
  "logout-all": async ({ here }, accessToken) => here.logoutAll(valueOf(await here.verifyAccessToken(accessToken))),
  revokeUser: async ({ here }) => here.revokeUser("ada"),
  setDisabled: async ({ here }) => here.setDisabled("ada", true),
  "accountChanged, lowered": async ({ here }) => here.accountChanged("ada", { rights: "lowered" }),
};

describe("without a bus that delivers", () => {
  for (const [name, end] of Object.entries(ENDS)) {
    it(`AUTH-J14 ${name} counts in this process at once, and elsewhere at exactly the bound, counted from when the read began`, async () => {
      const processes = createTwoProcesses();
      processes.bus.isCut = true;
      const { accessToken } = await seenThere(processes);
      expect(codeOf(await processes.here.verifyAccessToken(accessToken))).toBe("ok");
      await end(processes, accessToken);
      expect(codeOf(await processes.here.verifyAccessToken(accessToken))).toBe(1004);
      processes.clock.advance(999);
      expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe("ok");
      processes.clock.advance(1);
      expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe(1004);
    });
  }

  it("the store is asked once within the bound, and in each request when the bound is 0", async () => {
    for (const [maxStalenessMs, times] of [
      [1_000, 1],
      [60_000, 1],
      [0, 4],
    ] as const) {
      const processes = createTwoProcesses({ revocation: { maxStalenessMs } });
      await seenThere(processes);
      processes.reads.length = 0;
      const { accessToken } = await processes.here.createTokenPair(subject);
      for (let time = 0; time < 4; time += 1) expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe("ok");
      expect(processes.reads.filter((read) => read === "subjects.read")).toHaveLength(times);
    }
  });

  it("many who ask for one token at once share one read, none of them with a bound of 0", async () => {
    for (const [maxStalenessMs, times] of [
      [1_000, 1],
      [0, 20],
    ] as const) {
      const { here, there, reads } = createTwoProcesses({ revocation: { maxStalenessMs } });
      const { accessToken } = await here.createTokenPair(subject);
      const codes = await Promise.all(Array.from({ length: 20 }, async () => codeOf(await there.verifyAccessToken(accessToken))));
      expect(new Set(codes)).toEqual(new Set(["ok"]));
      expect(reads.filter((read) => read === "sessions.find")).toHaveLength(times);
    }
  });

  it("a read that was long on its way is old when it comes: it is used once, and not remembered beyond its time", async () => {
    const processes = createTwoProcesses();
    const { here, there, clock, bus } = processes;
    bus.isCut = true;
    const { accessToken } = await here.createTokenPair(subject);
    let open = (): void => {};
    processes.gate = new Promise((resolve) => (open = resolve));
    const first = there.verifyAccessToken(accessToken);
    await settle();
    await here.revokeUser("ada");
    clock.advance(999);
    // Whoever comes within the bound may share it; at the bound it is asked anew.
    const second = there.verifyAccessToken(accessToken);
    clock.advance(1);
    const third = there.verifyAccessToken(accessToken);
    processes.gate = undefined;
    open();
    expect([codeOf(await first), codeOf(await second), codeOf(await third)]).toEqual(["ok", "ok", 1004]);
    expect(codeOf(await there.verifyAccessToken(accessToken))).toBe(1004);
  });

  it("the bound runs on the monotonic clock: setting the wall clock back prolongs nothing", async () => {
    const processes = createTwoProcesses();
    processes.bus.isCut = true;
    const { accessToken } = await seenThere(processes);
    await processes.here.revokeUser("ada");
    processes.clock.advance(1_000);
    processes.clock.set(processes.clock.now() - 1_000);
    expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe(1004);
  });

  it("AUTH-S9 what is remembered outlives neither the session nor its idle time, and a use is noted in time", async () => {
    const processes = createTwoProcesses({
      sessions: { accessTtlMs: 60_000, refreshTtlMs: 90_000, idleMs: 60_000 },
      revocation: { maxStalenessMs: 60_000 },
    });
    const { here, there, clock, memory } = processes;
    const { accessToken, sessionId } = await seenThere(processes);
    // Used all the time, though mostly from memory, the session does not fall idle.
    for (let second = 0; second < 55; second += 1) {
      clock.advance(1_000);
      expect(codeOf(await there.verifyAccessToken(accessToken))).toBe("ok");
    }
    expect(clock.now() - ((await memory.sessions.find(sessionId))?.lastUsedAt ?? 0)).toBeLessThanOrEqual(6_000);
    const next = await here.createTokenPair({ ...subject, userId: "bob" });
    expect(codeOf(await there.verifyAccessToken(next.accessToken))).toBe("ok");
    clock.advance(60_000);
    expect(codeOf(await there.verifyAccessToken(next.accessToken))).not.toBe("ok");
  });

  it("a token's own expiry is looked at when the store has answered, too", async () => {
    const processes = createTwoProcesses({ sessions: { accessTtlMs: 1_000 } });
    const { accessToken } = await processes.here.createTokenPair(subject);
    let open = (): void => {};
    processes.gate = new Promise((resolve) => (open = resolve));
    const verdict = processes.there.verifyAccessToken(accessToken);
    processes.clock.advance(1_000);
    open();
    expect(codeOf(await verdict)).toBe(1003);
  });

  it("of no more tokens than were asked for is anything remembered", async () => {
    const { here, there, reads } = createTwoProcesses({ revocation: { maxRemembered: 2 } });
    const pairs = [await here.createTokenPair(subject), await here.createTokenPair(subject), await here.createTokenPair(subject)];
    for (const { accessToken } of pairs) await there.verifyAccessToken(accessToken);
    reads.length = 0;
    for (const { accessToken } of [...pairs].reverse()) expect(codeOf(await there.verifyAccessToken(accessToken))).toBe("ok");
    expect(reads.filter((read) => read === "sessions.find")).toHaveLength(1);
  });

  it("what speaks against a token is not remembered: an account that is enabled again is so at once", async () => {
    const processes = createTwoProcesses();
    const { accessToken } = await seenThere(processes);
    await processes.memory.subjects.setDisabled("ada", true);
    processes.clock.advance(1_000);
    expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe(1004);
    await processes.memory.subjects.setDisabled("ada", false);
    expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe("ok");
  });
});

describe("with the bus", () => {
  for (const [name, end] of Object.entries(ENDS)) {
    it(`${name} counts elsewhere as soon as the message is there, without any time`, async () => {
      const processes = createTwoProcesses({ revocation: { maxStalenessMs: 60_000 } });
      const { accessToken } = await seenThere(processes);
      expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe("ok");
      await end(processes, accessToken);
      await settle();
      expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe(1004);
    });
  }

  it("a message drops exactly what it concerns: other sessions and other subjects are not read again", async () => {
    const processes = createTwoProcesses({ revocation: { maxStalenessMs: 60_000 } });
    const { here, there, reads } = processes;
    const [ended, other] = [await seenThere(processes), await seenThere(processes)];
    const bob = await here.createTokenPair({ ...subject, userId: "bob" });
    for (let time = 0; time < 2; time += 1) await there.verifyAccessToken(bob.accessToken);
    await here.logout(valueOf(await here.verifyAccessToken(ended.accessToken)));
    await settle();
    reads.length = 0;
    expect(codeOf(await there.verifyAccessToken(other.accessToken))).toBe("ok");
    expect(codeOf(await there.verifyAccessToken(bob.accessToken))).toBe("ok");
    expect(reads).toEqual([]);
    expect(codeOf(await there.verifyAccessToken(ended.accessToken))).toBe(1004);
  });

  it("an answer that was under way when the message came is not remembered, nor shared with who comes after it", async () => {
    const processes = createTwoProcesses({ revocation: { maxStalenessMs: 60_000 } });
    const { here, there } = processes;
    await seenThere(processes);
    const { accessToken } = await here.createTokenPair(subject);
    let open = (): void => {};
    processes.gate = new Promise((resolve) => (open = resolve));
    const before = there.verifyAccessToken(accessToken);
    await settle();
    await here.revokeUser("ada");
    await settle();
    processes.gate = undefined;
    const after = there.verifyAccessToken(accessToken);
    open();
    // It was asked for before the revocation; whoever asks after it is told the truth.
    expect([codeOf(await before), codeOf(await after)]).toEqual(["ok", 1004]);
    expect(codeOf(await there.verifyAccessToken(accessToken))).toBe(1004);
  });

  it("an answer under way for another session is remembered all the same", async () => {
    const processes = createTwoProcesses({ revocation: { maxStalenessMs: 60_000 } });
    const { here, there, reads } = processes;
    const ended = await seenThere(processes);
    const { accessToken } = await here.createTokenPair(subject);
    let open = (): void => {};
    processes.gate = new Promise((resolve) => (open = resolve));
    const before = there.verifyAccessToken(accessToken);
    await settle();
    await here.logout(valueOf(await here.verifyAccessToken(ended.accessToken)));
    await settle();
    open();
    expect(codeOf(await before)).toBe("ok");
    reads.length = 0;
    expect(codeOf(await there.verifyAccessToken(accessToken))).toBe("ok");
    expect(reads).toEqual([]);
  });

  it("after a gap everything is read again, and nothing under way is remembered", async () => {
    const processes = createTwoProcesses({ revocation: { maxStalenessMs: 60_000 } });
    const { accessToken } = await seenThere(processes);
    expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe("ok");
    processes.bus.isCut = true;
    await processes.here.revokeUser("ada");
    expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe("ok");
    processes.bus.gap();
    expect(codeOf(await processes.there.verifyAccessToken(accessToken))).toBe(1004);
  });

  it("messages that are none are ignored, whatever they are", async () => {
    const processes = createTwoProcesses({ revocation: { maxStalenessMs: 60_000 } });
    const { there, bus, reads, observed } = processes;
    const { accessToken } = await seenThere(processes);
    await there.verifyAccessToken(accessToken);
    reads.length = 0;
    const good = { v: 1, subjectId: "ada", kind: "user", from: "elsewhere", at: 1 };
    const garbage = [
      ...["", "null", "[]", "{}", "ada", "{", "\ud800", "1e400", '"x"', "[".repeat(2_000)],
      ...[
        { v: 2 },
        { v: "1" },
        { subjectId: "" },
        { subjectId: 1 },
        { subjectId: "x".repeat(129) },
        { subjectId: null },
        { kind: "all" },
      ].map((part) => JSON.stringify({ ...good, ...part })),
      ...[{ at: -1 }, { at: "1" }, { at: 1.5 }, { from: "" }, { from: [] }, { sessionId: null }, { sessionId: "" }, { tokenId: 7 }].map(
        (part) => JSON.stringify({ ...good, ...part }),
      ),
      '{"v":1,"subjectId":"bob","subjectId":"ada","kind":"user","from":"x","at":1}',
      '{"v":1,"subjectId":"ada","kind":"user","from":"x","at":1,"__proto__":{}}',
    ];
    for (const message of garbage) await bus.publish("portcullis.auth", message);
    expect(codeOf(await there.verifyAccessToken(accessToken))).toBe("ok");
    expect(reads).toEqual([]);
    expect(observed.filter(([name]) => name === "auth_revocation_lag_seconds")).toEqual([]);
    // The one it is made from is heard.
    await bus.publish("portcullis.auth", JSON.stringify(good));
    expect(codeOf(await there.verifyAccessToken(accessToken))).toBe("ok");
    expect(reads).not.toEqual([]);
  });

  it("what is told names ids only, and in less than 512 bytes", async () => {
    const processes = createTwoProcesses();
    const { accessToken } = await seenThere(processes);
    await processes.here.logout(valueOf(await processes.here.verifyAccessToken(accessToken)));
    const [message = ""] = processes.bus.published;
    expect(Object.keys(JSON.parse(message) as object).sort()).toEqual(["at", "from", "kind", "sessionId", "subjectId", "v"]);
    expect(message.length).toBeLessThan(512);
    for (const part of accessToken.split(".")) expect(message).not.toContain(part);
  });

  it("the lag from the announcement to its effect here is measured, and never negative", async () => {
    const processes = createTwoProcesses();
    await seenThere(processes);
    const at = processes.clock.now();
    for (const sentAt of [at - 250, at + 5_000]) {
      const message = { v: 1, subjectId: "ada", kind: "user", from: "elsewhere", at: sentAt };
      await processes.bus.publish("portcullis.auth", JSON.stringify(message));
    }
    expect(processes.observed.filter(([name]) => name === "auth_revocation_lag_seconds").map(([, value]) => value)).toEqual([0.25, 0]);
  });
});

describe("AUTH-J13 a token that is ahead of what was read", () => {
  for (const [version, event] of [
    ["tokenVersion", { kind: "token_version_ahead", userId: "ada", tokenVersion: 2, currentVersion: 1 }],
    ["claimsVersion", { kind: "claims_version_ahead", userId: "ada", claimsVersion: 2, currentVersion: 1 }],
  ] as const) {
    it(`${version}: is looked at once more, and good when the store has caught up`, async () => {
      const ahead = createFixture();
      await ahead.store.subjects.bump("ada", version);
      const { accessToken } = await ahead.auth.createTokenPair(subject);
      for (const lagging of [0, 1, 2]) {
        let reads = 0;
        const read = (id: string) => {
          reads += 1;
          const state = ahead.store.subjects.read(id);
          return reads <= lagging ? Promise.resolve({ disabled: false, tokenVersion: 1, claimsVersion: 1, passwordVersion: 1 }) : state;
        };
        const store = { ...ahead.store, subjects: { ...ahead.store.subjects, read } };
        const behind = createFixture({ store, clock: ahead.clock });
        expect([lagging, codeOf(await behind.auth.verifyAccessToken(accessToken))]).toEqual([lagging, lagging < 2 ? "ok" : 1002]);
        expect(reads).toBe(lagging === 0 ? 1 : 2);
        expect(behind.events).toEqual(lagging < 2 ? [] : [event]);
      }
    });
  }
});

describe("options", () => {
  it.each([
    { maxStalenessMs: -1 },
    { maxStalenessMs: 60_001 },
    { maxStalenessMs: 1.5 },
    { maxStalenessMs: Number.NaN },
    { maxStalenessMs: "1000" as unknown as number },
    { maxRemembered: 0 },
    { whenUnavailable: "allow" as unknown as "deny" },
  ])("are checked when auth is made: %o", (revocation) => {
    expect(() => createFixture({ revocation })).toThrow(/revocation\./);
  });
});
