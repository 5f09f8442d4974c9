import type { AdapterHost } from "./adapter-host.js";
import type { AdapterLaw } from "./adapter-law.js";
import { bodyLaws } from "./body-laws.js";
import { factLaws } from "./fact-laws.js";
import { headerLaws } from "./header-laws.js";
import { removalLaws } from "./removal-laws.js";
import { requestLaws } from "./request-laws.js";
import { settleLaws } from "./settle-laws.js";

/** What is true of every adapter, on every framework. */
export const adapterLaws: readonly AdapterLaw[] = Object.freeze([
  ...factLaws,
  ...headerLaws,
  ...settleLaws,
  ...bodyLaws,
  ...requestLaws,
  ...removalLaws,
]);

/**
 * The laws that a host can be held to.
 *
 * @example
 * ```ts no-run
 * import { adapterLawsFor, NodeAdapter } from "@portcullis/testkit";
 * import { test } from "vitest";
 *
 * const host = new NodeAdapter(); // yours instead
 * for (const law of adapterLawsFor(host)) test(`${law.id} ${law.title}`, () => law.run(host));
 * ```
 */
export function adapterLawsFor(host: AdapterHost): readonly AdapterLaw[] {
  return adapterLaws.filter(({ needs = [] }) => needs.every((capability) => host.capabilities.includes(capability)));
}
