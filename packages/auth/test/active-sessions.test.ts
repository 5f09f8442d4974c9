import type { Metrics } from "@portcullis/core";
import { describe, expect, it } from "vitest";
import { createFixture } from "./auth-fixture.js";

const MINUTE_MS = 60_000;

function createGauge(collects: boolean): { readonly metrics: Metrics; readonly read: () => number } {
  let value = 0;
  let handOver = (): void => {};
  const silent = { add: () => {}, set: () => {}, observe: () => {} };
  return {
    metrics: {
      counter: () => silent,
      histogram: () => silent,
      gauge: ({ name }) => (name === "auth_sessions_active" ? { set: (next) => void (value = next) } : silent),
      ...(collects ? { onCollect: (hand: () => void) => void (handOver = hand) } : {}),
    },
    read: () => {
      handOver();
      return value;
    },
  };
}

describe("auth_sessions_active", () => {
  it.each([true, false])(
    "counts each session whose token was accepted within the last windows, once (read from time to time: %s)",
    async (collects) => {
      const { metrics, read } = createGauge(collects);
      const { auth, clock } = createFixture({ metrics });
      const pairs = await Promise.all(
        Array.from({ length: 3 }, async (_, index) => auth.createTokenPair({ userId: `user-${index}`, role: "member" })),
      );
      expect(read()).toBe(0);
      for (const { accessToken } of [...pairs, ...pairs]) await auth.verifyAccessToken(accessToken);
      expect(read()).toBe(3);
      await auth.revokeUser("user-2");
      clock.advance(5 * MINUTE_MS);
      const [first, , ended] = pairs;
      await auth.verifyAccessToken(first?.accessToken ?? "");
      await auth.verifyAccessToken(ended?.accessToken ?? "");
      expect(read()).toBe(3);
      clock.advance(5 * MINUTE_MS);
      await auth.verifyAccessToken(first?.accessToken ?? "");
      expect(read()).toBe(1);
      clock.set(clock.now() - 10 * MINUTE_MS);
      await auth.verifyAccessToken(first?.accessToken ?? "");
      expect(read()).toBe(1);
    },
  );

  it("falls to nothing when nobody calls any more and somebody reads it", async () => {
    const { metrics, read } = createGauge(true);
    const { auth, clock } = createFixture({ metrics });
    await auth.verifyAccessToken((await auth.createTokenPair({ userId: "ada", role: "member" })).accessToken);
    expect(read()).toBe(1);
    clock.advance(10 * MINUTE_MS);
    expect(read()).toBe(0);
  });
});

describe("auth_attempts_total", () => {
  it("counts every access token that is accepted, at once or when it is read, as the backend wants it", async () => {
    for (const collects of [true, false]) {
      let count = 0;
      const handOvers: (() => void)[] = [];
      const silent = { add: () => {}, set: () => {}, observe: () => {} };
      const metrics: Metrics = {
        counter: ({ name }) => ({
          add: ({ method, outcome } = {}, amount = 1) => {
            if (name === "auth_attempts_total" && method === "token" && outcome === "success") count += amount;
          },
        }),
        gauge: () => silent,
        histogram: () => silent,
        ...(collects ? { onCollect: (hand: () => void) => void handOvers.push(hand) } : {}),
      };
      const { auth } = createFixture({ metrics });
      const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member" });
      for (let reading = 1; reading <= 2; reading += 1) {
        for (let time = 0; time < 5; time += 1) await auth.verifyAccessToken(accessToken);
        for (const handOver of [...handOvers, ...handOvers]) handOver();
        expect(count).toBe(5 * reading);
      }
    }
  });
});
