import { createMemoryStore, noMetrics } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import type { AuthEvent } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { Instruments } from "../src/instruments.js";
import { createSecretRing } from "../src/jwt/secret-ring.js";
import { createLockout } from "../src/login/lockout.js";
import { SECRET } from "./auth-fixture.js";

function createPurposes() {
  const clock = createManualClock();
  const { counters } = createMemoryStore({ clock });
  const events: AuthEvent[] = [];
  const { current } = createSecretRing("secrets", SECRET);
  const settings = { threshold: 2, windowMs: 60_000, durationMs: 300_000 };
  const instruments = new Instruments(noMetrics, (event) => events.push(event));
  const make = (purpose: string) => createLockout(counters, settings, current, purpose, instruments);
  return { password: make("password"), code: make("code"), events };
}

describe("a lockout", () => {
  it("while all attempts are being computed others wait, and a success among them frees the identifier", async () => {
    const { password } = createPurposes();
    const [first, second] = [await password.reserve("ada"), await password.reserve("ada")];
    expect([first, second]).toEqual([
      { kind: "reserved", isLast: false },
      { kind: "reserved", isLast: true },
    ]);
    expect(await password.reserve("ada")).toEqual({ kind: "locked", remainingMs: 1000, isBusy: true });
    await password.failed("ada", second);
    await password.succeeded("ada");
    expect((await password.reserve("ada")).kind).toBe("reserved");
  });

  it("a late failure does not lock, or report, a second time", async () => {
    const { password, events } = createPurposes();
    await password.reserve("ada");
    const late = await password.reserve("ada");
    await password.succeeded("ada");
    await password.reserve("ada");
    await password.failed("ada", await password.reserve("ada"));
    await password.failed("ada", late);
    expect(events).toHaveLength(1);
  });

  it("AUTH-L4 counts each purpose apart", async () => {
    const { password, code } = createPurposes();
    await password.reserve("ada");
    await password.failed("ada", await password.reserve("ada"));
    expect((await password.reserve("ada")).kind).toBe("locked");
    expect((await code.reserve("ada")).kind).toBe("reserved");
    expect(code.hashOf("ada")).not.toBe(password.hashOf("ada"));
  });
});
