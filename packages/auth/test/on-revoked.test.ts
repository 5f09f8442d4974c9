// Who is told of what ended, in every process, and what a bus that fails does to that: nothing.
import { type Bus, StoreUnavailable } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { asynchronous, codeOf, createFixture, createFixtureWithAda, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";
import { createSwitchableBus, createTwoProcesses, settle } from "./revocation-bus.js";
import type { Revoked } from "@portcullis/auth";

const subject = { userId: "ada", role: "member" };

describe("onRevoked", () => {
  it("tells of everything that ends a credential, in this process and the other, once", async () => {
    const { here, there } = createTwoProcesses({ sessions: { max: 2 } });
    const told: Record<"here" | "there", Revoked[]> = { here: [], there: [] };
    here.onRevoked((revoked) => told.here.push(revoked));
    there.onRevoked((revoked) => told.there.push(revoked));
    await settle();
    const first = await here.createTokenPair(subject);
    await here.logout(valueOf(await here.verifyAccessToken(first.accessToken)));
    const [evicted] = [await here.createTokenPair(subject), await here.createTokenPair(subject), await here.createTokenPair(subject)];
    await here.accountChanged("ada", { rights: "raised" });
    await here.revokeUser("ada");
    await here.setDisabled("ada", true);
    await here.setDisabled("ada", false);
    await settle();
    expect(told.here).toEqual([
      { subjectId: "ada", sessionId: first.sessionId, kind: "session" },
      { subjectId: "ada", sessionId: evicted.sessionId, kind: "session" },
      { subjectId: "ada", sessionId: undefined, kind: "claims" },
      { subjectId: "ada", sessionId: undefined, kind: "user" },
      { subjectId: "ada", sessionId: undefined, kind: "user" },
    ]);
    expect(told.there).toEqual(told.here);
    expect(told.here.every(Object.isFrozen)).toBe(true);
  });

  it("tells of a refresh token that was sent twice and of a changed password", async () => {
    const { auth, userId, counted } = await createFixtureWithAda({ sessions: { refreshGraceMs: 0 } });
    const told: Revoked[] = [];
    auth.onRevoked((revoked) => told.push(revoked));
    const { tokens } = valueOf(await auth.login({ email: EMAIL, password: PASSWORD }));
    await auth.refresh(tokens.refreshToken);
    await auth.refresh(tokens.refreshToken);
    expect(told).toEqual([{ subjectId: userId, sessionId: tokens.sessionId, kind: "family" }]);
    const next = valueOf(await auth.login({ email: EMAIL, password: PASSWORD })).tokens;
    const token = valueOf(await auth.verifyAccessToken(next.accessToken));
    valueOf(await auth.changePassword(token, { currentPassword: PASSWORD, newPassword: "another horse battery" }));
    expect(told.at(-1)).toEqual({ subjectId: userId, sessionId: undefined, kind: "password" });
    for (const kind of ["family", "password"]) expect(counted).toContain(`auth_revocations_total{${kind}}`);
  });

  it("has told, and forgotten what was remembered, before the call that ended it returns", async () => {
    const { there } = createTwoProcesses({ revocation: { maxStalenessMs: 60_000 } });
    const { accessToken } = await there.createTokenPair(subject);
    for (let time = 0; time < 3; time += 1) await there.verifyAccessToken(accessToken);
    let verdict: unknown;
    there.onRevoked(() => {
      verdict = there.verifyAccessToken(accessToken);
    });
    await there.revokeUser("ada");
    expect(codeOf((await verdict) as Awaited<ReturnType<typeof there.verifyAccessToken>>)).toBe(1004);
  });

  it("a listener that throws or rejects harms nobody, one given twice is told twice, and each can stop", async () => {
    const { auth } = createFixture();
    let told = 0;
    const listener = (): void => void (told += 1);
    auth.onRevoked(() => {
      throw new Error("mine");
    });
    const rejects: () => unknown = async () => Promise.reject(new Error("mine"));
    auth.onRevoked(rejects);
    const [stop] = [auth.onRevoked(listener), auth.onRevoked(listener)];
    await auth.revokeUser("ada");
    expect(told).toBe(2);
    stop();
    stop();
    await auth.revokeUser("ada");
    expect(told).toBe(3);
  });

  it("takes functions only", () => {
    const { auth } = createFixture();
    for (const listener of [undefined, null, {}, "log"]) {
      expect(() => auth.onRevoked(listener as () => void)).toThrow(/onRevoked\.listener/);
    }
  });

  it("tells, and the caller is told of the fault, when the store fails in the middle", async () => {
    const { auth, store } = createFixture();
    const sessions = { ...store.sessions, revoke: () => Promise.reject(new StoreUnavailable("sessions.revoke")) };
    const fixture = createFixture({ store: { ...store, sessions } });
    const told: Revoked[] = [];
    fixture.auth.onRevoked((revoked) => told.push(revoked));
    const { accessToken } = await auth.createTokenPair(subject);
    await expect(fixture.auth.revokeUser("ada")).rejects.toThrow(StoreUnavailable);
    expect(told).toEqual([{ subjectId: "ada", sessionId: undefined, kind: "user" }]);
    expect(fixture.counted.filter((name) => name.startsWith("auth_revocations"))).toEqual([]);
    // What it did before it failed counts.
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1004);
  });
});

describe("the link to the bus", () => {
  const busThat = (subscribe: Bus["subscribe"], publish: Bus["publish"] = () => {}): Bus => ({ subscribe, publish });

  it("does not begin before there is something to hear for: many Auths on one store leave nothing behind in it", async () => {
    const bus = createSwitchableBus();
    const fixture = createFixture();
    for (let index = 0; index < 50; index += 1) {
      const { auth } = createFixture({ store: { ...fixture.store, bus } });
      await auth.verifyAccessToken((await auth.createTokenPair(subject)).accessToken);
      await auth.revokeUser("ada");
    }
    expect(bus.subscriptions()).toBe(0);
    expect(bus.published.length).toBe(50);
  });

  it("ends with close, which can be called again, and does not come back", async () => {
    const { there, here, bus } = createTwoProcesses();
    const told: Revoked[] = [];
    there.onRevoked((revoked) => told.push(revoked));
    await settle();
    expect(bus.subscriptions()).toBe(1);
    await there.close();
    await there.close();
    expect(bus.subscriptions()).toBe(0);
    there.onRevoked(() => {});
    const { accessToken } = await there.createTokenPair(subject);
    expect(codeOf(await there.verifyAccessToken(accessToken))).toBe("ok");
    await here.revokeUser("ada");
    await settle();
    expect([bus.subscriptions(), told]).toEqual([0, []]);
    // What this process itself ends is told all the same.
    await there.revokeUser("ada");
    expect(told).toHaveLength(1);
  });

  it("closed while it is being made, it is ended as soon as it is there", async () => {
    let ended = 0;
    let arrive = (): void => {};
    const bus = busThat(async () => {
      await new Promise<void>((resolve) => (arrive = resolve));
      return () => void (ended += 1);
    });
    const { auth } = createFixture({ store: { ...createFixture().store, bus } });
    auth.onRevoked(() => {});
    await settle();
    const closed = auth.close();
    arrive();
    await closed;
    expect(ended).toBe(1);
  });

  it("is tried again, ever more seldom, while the bus cannot be reached; and then counts as a gap", async () => {
    const clock = createManualClock();
    const tries: number[] = [];
    let isUp = false;
    const began = clock.monotonic();
    const bus = busThat(async () => {
      tries.push(clock.monotonic() - began);
      if (!isUp) throw new StoreUnavailable("bus.subscribe");
      return () => {};
    });
    const { auth, store } = createFixture({ clock });
    const there = createFixture({ clock, store: { ...asynchronous(store), bus }, revocation: { maxStalenessMs: 60_000 } }).auth;
    there.onRevoked(() => {});
    await settle();
    for (let second = 0; second < 240; second += 1) {
      for (let part = 0; part < 4; part += 1) {
        clock.advance(250);
        await settle();
      }
    }
    expect(tries.slice(0, 6)).toEqual([0, 250, 750, 1_750, 3_750, 7_750]);
    expect(Math.max(...tries.slice(1).map((at, index) => at - (tries[index] ?? 0)))).toBe(30_000);
    const { accessToken } = await auth.createTokenPair(subject);
    for (let time = 0; time < 2; time += 1) expect(codeOf(await there.verifyAccessToken(accessToken))).toBe("ok");
    await auth.revokeUser("ada");
    isUp = true;
    clock.advance(30_000);
    await settle();
    expect(codeOf(await there.verifyAccessToken(accessToken))).toBe(1004);
    const tried = tries.length;
    clock.advance(300_000);
    await settle();
    expect(tries.length).toBe(tried);
  });

  it("not tried again after close", async () => {
    const clock = createManualClock();
    let tries = 0;
    const bus = busThat(() => {
      tries += 1;
      throw new StoreUnavailable("bus.subscribe");
    });
    const { auth } = createFixture({ clock, store: { ...createFixture().store, bus } });
    auth.onRevoked(() => {});
    await settle();
    await auth.close();
    clock.advance(600_000);
    await settle();
    expect(tries).toBe(1);
  });

  it("whatever the bus does, what ends has ended and nothing is left unhandled", async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", note);
    const failures: Bus[] = [
      busThat(
        () => Promise.reject(new Error("subscribe")),
        () => Promise.reject(new Error("publish")),
      ),
      busThat(
        () => {
          throw new Error("subscribe");
        },
        () => {
          throw new Error("publish");
        },
      ),
      busThat(() => () => Promise.reject(new Error("end"))),
    ];
    for (const bus of failures) {
      const { auth } = createFixture({ store: { ...createFixture().store, bus } });
      auth.onRevoked(() => {});
      const { accessToken } = await auth.createTokenPair(subject);
      await auth.revokeUser("ada");
      expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1004);
      await auth.close();
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });

  it("close waits for what is being told", async () => {
    let arrived = false;
    let arrive = (): void => {};
    const bus = busThat(
      () => () => {},
      async () => {
        await new Promise<void>((resolve) => (arrive = resolve));
        arrived = true;
      },
    );
    const { auth } = createFixture({ store: { ...createFixture().store, bus } });
    // It does not keep the caller waiting.
    await auth.revokeUser("ada");
    expect(arrived).toBe(false);
    const closed = auth.close();
    arrive();
    await closed;
    expect(arrived).toBe(true);
  });
});
