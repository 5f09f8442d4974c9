import { createMemoryStore } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { expect, it } from "vitest";
import { asynchronous, codeOf, createFixtureWithAda } from "./auth-fixture.js";

it.each(["synchronous", "asynchronous"])("AUTH-S9 calls with the access token are use (%s)", async (manner) => {
  const idleMs = 900_000;
  const clock = createManualClock();
  const memory = createMemoryStore({ clock });
  const store = manner === "synchronous" ? memory : asynchronous(memory);
  const { auth } = await createFixtureWithAda({ sessions: { idleMs, accessTtlMs: 86_400_000 }, store, clock });
  const pair = await auth.createTokenPair({ userId: "ada", role: "member" });
  for (let call = 0; call < 5; call += 1) {
    clock.advance(idleMs - 60_000);
    expect(codeOf(await auth.verifyAccessToken(pair.accessToken))).toBe("ok");
  }
  clock.advance(idleMs - 1);
  expect(await memory.sessions.list("ada")).toHaveLength(1);
  clock.advance(1);
  expect(codeOf(await auth.verifyAccessToken(pair.accessToken))).toBe(1004);
});
