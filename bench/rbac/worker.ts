// The process of one question: built, so that what runs is what ships; alone, so that no other question has shaped its code.
import { answerParent } from "../harness/ask-process.js";
import { type Extent, measure, type Series } from "../harness/measure.js";
import { type AgreedVariant, checkAgreement } from "./agreement.js";
import { compileTimes, policyMegabytes } from "./large-policy.js";
import type { MetricsKind } from "./metrics.js";
import { check, checkOfStrangers, compiledLookup, guard, GUARD_HALF_DENIED, policyOf, preparedCheck } from "./ours.js";
import { accessControl, betterAuth, casbin, caslCached, caslLookedUp, caslPerRequest } from "./peers.js";
import { allowedOnly, populationOf, type Size } from "./questions.js";

/** What the process is asked. */
export type Question = SpeedQuestion | { readonly ask: "compile" | "footprint" };

/** @property only For a profile: measures nobody whose name lacks it. */
interface SpeedQuestion {
  readonly ask: "checks" | "strangers" | "guards" | "peers" | "slow peers" | "casbin";
  readonly size: Size;
  readonly metrics: MetricsKind;
  readonly extent: Extent;
  readonly only?: string;
}

async function answer(question: Question): Promise<unknown> {
  switch (question.ask) {
    case "compile":
      return compileTimes();
    case "footprint":
      return policyMegabytes();
    default:
      return speeds(question);
  }
}

async function speeds({ extent, only = "", ...question }: SpeedQuestion): Promise<readonly Series[]> {
  const variants = (await variantsOf(question)).filter(({ variant: { name } }) => name.includes(only));
  for (const each of variants) await checkAgreement(each);
  return measure(
    variants.map(({ variant }) => variant),
    extent,
  );
}

async function variantsOf({ ask, size, metrics }: Omit<SpeedQuestion, "extent">): Promise<readonly AgreedVariant[]> {
  const population = populationOf(size);
  const rbac = policyOf(metrics);
  switch (ask) {
    case "checks":
      return [compiledLookup(population), check(population, rbac), preparedCheck(population, rbac)];
    case "strangers":
      return [compiledLookup(population), check(population, rbac), checkOfStrangers(population, rbac)];
    case "guards": {
      const allowed = allowedOnly(population);
      return [compiledLookup(allowed), preparedCheck(allowed, rbac), guard(allowed, rbac), guard(population, rbac, GUARD_HALF_DENIED)];
    }
    case "peers":
      return [
        compiledLookup(population),
        check(population, rbac),
        caslCached(population),
        caslLookedUp(population),
        betterAuth(population),
      ];
    case "slow peers":
      return [check(population, rbac), caslPerRequest(population), accessControl(population)];
    case "casbin":
      return [check(population, rbac), await casbin(population)];
  }
}

await answerParent(answer);
