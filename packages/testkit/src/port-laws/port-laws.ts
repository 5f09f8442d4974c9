import { apiKeyLaws } from "./api-key-laws.js";
import { approvalLaws } from "./approval-laws.js";
import { busLaws } from "./bus-laws.js";
import { counterLaws } from "./counter-laws.js";
import { grantLaws } from "./grant-laws.js";
import { leaseLaws } from "./lease-laws.js";
import { limitLaws } from "./limit-laws.js";
import { logLaws } from "./log-laws.js";
import { outboxLaws } from "./outbox-laws.js";
import type { PortLaw, PortName, StoreHost } from "./port-law.js";
import { recordLaws } from "./record-laws.js";
import { sessionLaws } from "./session-laws.js";
import { subjectLaws } from "./subject-laws.js";
import { ticketLaws } from "./ticket-laws.js";

/** What is true of every store, by port: the specification of the ports, as code that runs. */
export const portLaws: Readonly<Record<PortName, readonly PortLaw[]>> = Object.freeze({
  tickets: ticketLaws,
  counters: counterLaws,
  limits: limitLaws,
  subjects: subjectLaws,
  sessions: sessionLaws,
  apiKeys: apiKeyLaws,
  approvals: approvalLaws,
  log: logLaws,
  outbox: outboxLaws,
  leases: leaseLaws,
  records: recordLaws,
  grants: grantLaws,
  bus: busLaws,
});

/**
 * The laws that a store can be held to: those of its ports, and with a manual clock those about deadlines too.
 *
 * @example
 * ```ts
 * import { createMemoryStore } from "@portcullis/core";
 * import { createManualClock, portLawsFor } from "@portcullis/testkit";
 *
 * const clock = createManualClock();
 * const host = { clock, open: () => createMemoryStore({ clock }) };
 * for (const law of portLawsFor(host)) await law.run(host); // with a test runner: test(`${law.id} ${law.title}`, () => law.run(host))
 * ```
 */
export function portLawsFor(host: StoreHost): readonly PortLaw[] {
  const names = host.ports ?? (Object.keys(portLaws) as PortName[]);
  return names.flatMap((name) => portLaws[name]).filter((law) => !law.needsClock || host.clock !== undefined);
}
