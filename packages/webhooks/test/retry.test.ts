import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs, consequenceOf, parseRetryAfterMs, readRetryOptions } from "../src/delivery/retry.js";
import type { SendResult } from "../src/delivery/send.js";

const options = readRetryOptions();
const response = (status: number, more: object = {}): SendResult => ({
  kind: "response",
  status,
  latencyMs: 1,
  retryAfterMs: undefined,
  directive: undefined,
  ...more,
});

describe("backoff", () => {
  it("WH-R1 lies between half the nominal delay and all of it, at any attempt", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const nominal = attempt > 20 ? 300_000 : Math.min(300_000, 1000 * 2 ** (attempt - 1));
        const delay = backoffMs(options, attempt, random);
        expect(delay).toBeGreaterThanOrEqual(nominal / 2);
        expect(delay).toBeLessThanOrEqual(nominal);
      }),
    );
  });
});

describe("what follows from a result", () => {
  it.each([200, 201, 202, 204, 299])("WH-R3 %i is delivered", (status) => {
    expect(consequenceOf(response(status), 1, options, 1)).toEqual({ status: "DELIVERED" });
  });

  it.each([301, 302, 304, 307, 400, 401, 403, 404, 408, 413, 422, 425, 429, 500, 502, 503, 504, 599])(
    "WH-R3 %i is tried again",
    (status) => {
      expect(consequenceOf(response(status), 1, options, 1)).toEqual({ status: "RETRYING", error: `http_${status}`, delayMs: 1000 });
    },
  );

  it("WH-R3 410 is final and disables; a blocked address is final; the last attempt is final", () => {
    expect(consequenceOf(response(410), 1, options, 1)).toEqual({ status: "DEAD_LETTERED", error: "http_410", disables: "gone" });
    expect(consequenceOf({ kind: "blocked" }, 1, options, 1)).toEqual({ status: "DEAD_LETTERED", error: "egress_blocked" });
    expect(consequenceOf({ kind: "failed", error: "timeout" }, 5, options, 1)).toMatchObject({ status: "RETRYING", delayMs: 16_000 });
    expect(consequenceOf({ kind: "failed", error: "timeout" }, 6, options, 1)).toEqual({ status: "DEAD_LETTERED", error: "timeout" });
  });

  it("WH-R3 with permanent4xx a 4xx is final, but for 408, 425 and 429", () => {
    const strict = readRetryOptions({ permanent4xx: true });
    expect([400, 404, 422].map((status) => consequenceOf(response(status), 1, strict, 1).status)).toEqual(Array(3).fill("DEAD_LETTERED"));
    expect([408, 425, 429, 500].map((status) => consequenceOf(response(status), 1, strict, 1).status)).toEqual(Array(4).fill("RETRYING"));
  });

  it("WH-R2 Retry-After is a lower bound, capped at an hour", () => {
    expect(consequenceOf(response(503, { retryAfterMs: 100 }), 1, options, 1)).toMatchObject({ delayMs: 1000 });
    expect(consequenceOf(response(503, { retryAfterMs: 5000 }), 1, options, 1)).toMatchObject({ delayMs: 5000 });
    expect(consequenceOf(response(503, { retryAfterMs: 1e12 }), 1, options, 1)).toMatchObject({ delayMs: 3_600_000 });
  });
});

describe("Retry-After", () => {
  const now = Date.UTC(2030, 0, 1, 0, 0, 0);
  it.each([
    ["120", undefined, 120_000],
    ["0", undefined, 0],
    ["1.5", undefined, 1500],
    ["Tue, 01 Jan 2030 00:01:00 GMT", undefined, 60_000],
    ["Mon, 31 Dec 2029 23:59:00 GMT", undefined, 0],
    ["Tue, 01 Jan 2030 00:11:00 GMT", "Tue, 01 Jan 2030 00:10:00 GMT", 60_000], // the receiver's clock is ten minutes ahead
    ["Tue, 01 Jan 2030 00:01:00 GMT", "nonsense", 60_000],
    ["", undefined, undefined],
    ["-1", undefined, undefined],
    ["1e3", undefined, undefined],
    ["soon", undefined, undefined],
    ["2031", undefined, 2_031_000],
    ["99999999999", undefined, undefined],
    ["Monday, never", undefined, undefined],
    [undefined, undefined, undefined],
  ])("WH-R2 %j with Date %j is %j ms", (value, date, expected) => expect(parseRetryAfterMs(value, date, now)).toBe(expected));
});
