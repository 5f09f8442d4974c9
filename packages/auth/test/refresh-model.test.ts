// Any sequence of refreshes, waits and logouts against a model of five lines that says what each must be answered with.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf, createFixture, createFixtureWithAda, OLD_SECRET, SECRET, valueOf } from "./auth-fixture.js";

const GRACE_MS = 10_000;
const DAY_MS = 86_400_000;

type Step =
  | { readonly kind: "refresh"; readonly generation: number; readonly process: number }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "logout"; readonly generation: number };

const refresh = fc.record({ kind: fc.constant("refresh" as const), generation: fc.nat({ max: 3 }), process: fc.nat({ max: 1 }) });
const wait = fc.record({
  kind: fc.constant("wait" as const),
  ms: fc.oneof(fc.constantFrom(0, 1, GRACE_MS - 1, GRACE_MS, 29 * DAY_MS), fc.nat({ max: 2 * GRACE_MS })),
});
const logout = fc.record({ kind: fc.constant("logout" as const), generation: fc.nat({ max: 3 }) });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof({ weight: 12, arbitrary: refresh }, { weight: 4, arbitrary: wait }, { weight: 1, arbitrary: logout }),
  { minLength: 5, maxLength: 30 },
);

describe("any sequence", () => {
  it("AUTH-R3 AUTH-R4 AUTH-R5 AUTH-R7 is answered as the model says, by two processes with their secrets in different order", async () => {
    const fixture = await createFixtureWithAda({ secrets: [SECRET, OLD_SECRET] });
    const { clock, store, users, userId } = fixture;
    const processes = [fixture.auth, createFixture({ store, users, clock, secrets: [OLD_SECRET, SECRET] }).auth] as const;

    async function run(sequence: readonly Step[]): Promise<void> {
      const first = await fixture.auth.createTokenPair({ userId, role: "member" });
      // Newest first: what may be redeemed, what that replaced, and so on.
      const chain = [first.refreshToken];
      const accessTokens = [first.accessToken];
      let isOpen = true;
      let rotatedAt = clock.now();
      for (const step of sequence) {
        if (step.kind === "wait") clock.advance(step.ms);
        else if (step.kind === "logout") {
          valueOf(await fixture.auth.logoutByRefresh(chain[step.generation] ?? chain[0] ?? ""));
          isOpen = false;
        } else {
          const generation = Math.min(step.generation, chain.length - 1);
          const answer = await processes[step.process === 0 ? 0 : 1].refresh(chain[generation] ?? "");
          const isOver = clock.now() >= first.refreshExpiresAt;
          const isGrace = generation === 1 && clock.now() - rotatedAt < GRACE_MS;
          const expected = isOver ? 1002 : !isOpen ? 1004 : generation === 0 || isGrace ? "ok" : 1008;
          expect(codeOf(answer)).toBe(expected);
          if (expected === 1008) isOpen = false;
          if (answer.kind === "denied") continue;
          accessTokens.push(answer.value.accessToken);
          if (generation === 1) expect(answer.value.refreshToken).toBe(chain[0]);
          else {
            expect(chain).not.toContain(answer.value.refreshToken);
            chain.unshift(answer.value.refreshToken);
            rotatedAt = clock.now();
          }
        }
      }
      const newest = codeOf(await fixture.auth.verifyAccessToken(accessTokens.at(-1) ?? ""));
      if (!isOpen || clock.now() >= first.refreshExpiresAt) expect(newest).not.toBe("ok");
      const found = await store.sessions.find(first.sessionId);
      expect(found !== undefined).toBe(isOpen && clock.now() < first.refreshExpiresAt);
    }

    await fc.assert(fc.asyncProperty(steps, run), { numRuns: 300 });
  });
});
