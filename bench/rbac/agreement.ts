import type { Variant } from "../harness/measure.js";
import type { Asked, Population } from "./questions.js";

/** One that is measured, with the questions that it is asked in this order. */
export interface AgreedVariant {
  readonly variant: Variant;
  readonly population: Population;
}

/** The variant's answers have the population's share of "yes"; more than that is `checkAgreement`'s. */
export function agreed(population: Population, variant: Variant): AgreedVariant {
  return { population, variant: { ...variant, yesShare: population.asked.filter(isAllowed).length / population.asked.length } };
}

/** Asks every question of the population once. @throws {Error} One of the answers is not what the policy says. */
export async function checkAgreement({ variant, population: { asked } }: AgreedVariant): Promise<void> {
  await variant.prepare?.();
  for (const { user, permission, isAllowed } of asked) {
    if ((await variant.turn(1)) === (isAllowed ? 1 : 0)) continue;
    throw new Error(`${variant.name} does not ${isAllowed ? "allow" : "deny"} ${permission.key} to ${user.roles.join(", ")}.`);
  }
}

function isAllowed({ isAllowed: yes }: Asked): boolean {
  return yes;
}
