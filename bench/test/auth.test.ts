// The comparison is fair only if everybody decides the same: no times here, only answers.
import { describe, expect, test } from "vitest";
import { createCallers, ORDER } from "../auth/callers.js";
import type { Latency } from "../auth/me-latency.js";
import { BAR_CALLERS, BAR_LOGINS, type Findings, reportOf, verdictsOf } from "../auth/report.js";
import { sessionVariants } from "../auth/sessions.js";
import {
  checkVerifier,
  expressJwt,
  FAST_JWT_CACHED,
  fastJwt,
  fastJwtCached,
  jose,
  jsonWebToken,
  ours,
  OURS_CACHED,
  OURS,
  oursCached,
  oursVerify,
  RAW,
  raw,
  type Verifier,
} from "../auth/verifiers.js";
import type { Series } from "../harness/measure.js";

const callers = await createCallers(50);

describe("accepts good tokens, in each turn too, and neither forged nor expired ones", () => {
  const verifiers = { raw, ours, oursCached, oursVerify, fastJwt, fastJwtCached, jose, jsonWebToken, expressJwt };
  for (const [name, create] of Object.entries(verifiers)) {
    test(name, async () => {
      const verifier = await create(callers);
      await checkVerifier(verifier, callers);
      expect(await verifier.variant.turn(1_000)).toBe(1_000);
    });
  }
});

test("who decides otherwise is found", async () => {
  const { variant } = raw(callers);
  const gullible: Verifier = { variant, verify: (token) => subjectOf(token) };
  await expect(checkVerifier(gullible, callers)).rejects.toThrow(/accepts a token/);
  await expect(checkVerifier({ variant, verify: () => "eve" }, callers)).rejects.toThrow(/refuses a good token/);
});

test("every caller comes, and a remembered token is refused as soon as its session is over", async () => {
  const few = await createCallers(3);
  expect(new Set(few.tokens).size).toBe(3);
  expect(few.tokens.length).toBe(ORDER);
  const { verify } = oursCached(few);
  const token = few.tokens[0] ?? "";
  const subject = subjectOf(token);
  expect(await verify(token)).toBe(subject);
  await few.store.sessions.revoke(subject);
  expect(await verify(token)).toBeUndefined();
});

test("every session is opened and every refresh answered", async () => {
  for (const variant of sessionVariants(20)) {
    for (let turn = 0; turn < 2; turn += 1) {
      await variant.prepare?.();
      expect([variant.name, await variant.turn(20)]).toEqual([variant.name, 20]);
    }
  }
});

describe("verdicts", () => {
  const series = (nanos: Readonly<Record<string, number>>): readonly Series[] =>
    Object.entries(nanos).map(([name, each]) => ({ name, nanos: [each, each, each] }));
  const latency = (logins: number, p99: number): Latency => ({ logins, calls: 1, p50: 1, p99, max: p99, loginsPerSecond: logins });
  const findingsWhere = (factor: number): Findings => ({
    unknown: series({ [RAW]: 900, [OURS]: 1_000 * factor }),
    known: [{ callers: BAR_CALLERS, series: series({ [RAW]: 900, [OURS_CACHED]: 180 * factor, [FAST_JWT_CACHED]: 450 }) }],
    sessions: series({ opened: 1 }),
    footprint: { session: 1, token: 1, tokenCharacters: 1 },
    latencies: [latency(0, 1), latency(BAR_LOGINS, 20 * factor)],
  });
  const missed = (findings: Findings): number => verdictsOf(findings).filter(({ holds }) => !holds).length;

  test("a bar that is reached exactly holds", () => {
    expect(missed(findingsWhere(1))).toBe(0);
  });

  test("what is slower fails, and the page says so", () => {
    const findings = findingsWhere(1.01);
    expect(missed(findings)).toBe(4);
    const page = reportOf({ date: "2000-01-01", node: "v1", cpu: "cpu", cores: 1, loadAverage: 0 }, 3, findings);
    expect(page.match(/\*\*fails\*\*/g)?.length).toBe(4);
    expect(page).not.toMatch(/NaN|undefined/);
  });

  test("a run without what the bars are about has no verdict", () => {
    expect(() => verdictsOf({ ...findingsWhere(1), known: [] })).toThrow(RangeError);
    expect(() => verdictsOf({ ...findingsWhere(1), latencies: [] })).toThrow(RangeError);
  });
});

function subjectOf(token: string): string {
  return (JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as { readonly sub: string }).sub; // as it was signed
}
