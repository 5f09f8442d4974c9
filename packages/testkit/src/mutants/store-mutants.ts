import { createMemoryStore } from "@portcullis/core";
import type { ManualClock } from "../manual-clock.js";
import type { PortName, StoreHost } from "../port-laws/port-law.js";
import { busMutants } from "./bus-mutants.js";
import { approvalMutants, logMutants } from "./durable-port-mutants.js";
import { grantMutants } from "./grant-mutants.js";
import { apiKeyMutants, recordMutants, subjectMutants } from "./identity-port-mutants.js";
import { limitMutants } from "./limit-mutants.js";
import { placeAndBlockMutants } from "./limit-place-mutants.js";
import { outboxMutants } from "./outbox-mutants.js";
import type { PortMutant } from "./port-mutant.js";
import { sessionMutants } from "./session-mutants.js";
import { counterMutants, leaseMutants, ticketMutants } from "./short-lived-port-mutants.js";

/** A store with one mistake, and the laws that must notice it. */
export interface StoreMutant {
  readonly port: PortName;
  readonly mistake: string;
  readonly breaks: readonly string[];
  /** A host for the laws, whose stores all have the mistake. */
  host(clock: ManualClock): StoreHost;
}

function mutantsOf<Name extends PortName>(port: Name, mutants: readonly PortMutant<Name>[]): readonly StoreMutant[] {
  return mutants.map(({ mistake, breaks, spoil }) =>
    Object.freeze({
      port,
      mistake: `${port}: ${mistake}`,
      breaks,
      host: (clock: ManualClock): StoreHost => ({
        clock,
        ports: [port],
        open: () => ({ [port]: spoil(createMemoryStore({ clock })[port], clock) }),
      }),
    }),
  );
}

/** Stores with one mistake each, as they have been made; the port laws reject every one. */
export const storeMutants: readonly StoreMutant[] = Object.freeze([
  ...mutantsOf("tickets", ticketMutants),
  ...mutantsOf("counters", counterMutants),
  ...mutantsOf("limits", [...limitMutants, ...placeAndBlockMutants]),
  ...mutantsOf("leases", leaseMutants),
  ...mutantsOf("subjects", subjectMutants),
  ...mutantsOf("sessions", sessionMutants),
  ...mutantsOf("apiKeys", apiKeyMutants),
  ...mutantsOf("records", recordMutants),
  ...mutantsOf("grants", grantMutants),
  ...mutantsOf("approvals", approvalMutants),
  ...mutantsOf("log", logMutants),
  ...mutantsOf("outbox", outboxMutants),
  ...mutantsOf("bus", busMutants),
]);
