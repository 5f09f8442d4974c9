import type { Frozen } from "./frozen-copy.js";
import { type Generation, sumOf } from "./generation.js";
import type { Ticket } from "./decision-cache.js";
import { type Listed, RecencyList } from "./recency-list.js";
import type { PolicyVersion, Workspace } from "./workspace.js";

/** The place of one key in one workspace: there while something is stored or under way. */
export interface Slot<V> {
  readonly workspace: Workspace<Slot<V>>;
  readonly key: string;
  entry: Entry<V> | undefined;
  /** The computation that callers may join. */
  flight: Flight<V> | undefined;
  tickets: number;
  /** Counts what was set and deleted by key; a computation from before it is not stored. */
  revision: number;
}

/** A stored decision. */
export interface Entry<V> extends Listed<Entry<V>> {
  readonly slot: Slot<V>;
  readonly hit: { readonly value: Frozen<V> };
  readonly generations: readonly Generation[];
  readonly sum: number;
  readonly policyVersion: PolicyVersion | undefined;
  /** On the monotonic clock; at this instant it is expired. */
  readonly expiresAt: number;
}

/** A computation under way. */
export interface Flight<V> {
  readonly promise: Promise<Frozen<V>>;
  readonly ticket: OpenTicket<V>;
}

/** What was true when a computation began. */
export interface OpenTicket<V> extends Ticket {
  readonly slot: Slot<V>;
  readonly generations: readonly Generation[];
  readonly sum: number;
  readonly revision: number;
  readonly requestedVersion: PolicyVersion | undefined;
  readonly policyVersion: PolicyVersion | undefined;
  /** `false`: it computes under another policy version than the workspace's. */
  readonly storable: boolean;
  readonly ttlMs: number;
}

/** Why an entry is gone. */
export type Removal = "capacity" | "expired" | "invalidated" | "replaced" | "deleted";

// Tickets in the hands of callers, who may forget them, hold memory: beyond so many the oldest is given up and its commit refused.
const MAX_LENT_TICKETS = 10_000;

/** Entries in order of use, and the tickets of computations. */
export class EntryStore<V> {
  readonly #recency = new RecencyList<Entry<V>>();
  // In order of storing; its iterator stays good while entries come and go, so a sweep can go on where it stopped.
  readonly #entries = new Set<Entry<V>>();
  readonly #tickets = new Set<OpenTicket<V>>();
  readonly #lent = new Set<OpenTicket<V>>();
  #sweeper: Iterator<Entry<V>> | undefined;
  #toSweep = 0;

  constructor(
    private readonly maxEntries: number,
    private readonly onRemoved: (reason: Removal) => void,
  ) {}

  get size(): number {
    return this.#entries.size;
  }

  get openTickets(): number {
    return this.#tickets.size;
  }

  entries(): Iterable<Entry<V>> {
    return this.#entries;
  }

  touch(entry: Entry<V>): void {
    this.#recency.touch(entry);
  }

  /** Whether nothing that the entry depends on was invalidated. */
  isCurrent(entry: Entry<V>): boolean {
    return sumOf(entry.generations) === entry.sum;
  }

  remove(entry: Entry<V>, reason: Removal): void {
    const { slot } = entry;
    this.#recency.remove(entry);
    this.#entries.delete(entry);
    slot.entry = undefined;
    for (const generation of entry.generations) {
      generation.entries -= 1;
      generation.dropIfUnused();
    }
    dropIfUnused(slot);
    this.onRemoved(reason);
  }

  slot(workspace: Workspace<Slot<V>>, key: string): Slot<V> {
    let slot = workspace.slots.get(key);
    if (slot === undefined) {
      slot = { workspace, key, entry: undefined, flight: undefined, tickets: 0, revision: 0 };
      workspace.slots.set(key, slot);
    }
    return slot;
  }

  /** Opens a ticket; it holds the generations in place until it is closed. */
  begin(ticket: OpenTicket<V>): void {
    ticket.slot.tickets += 1;
    for (const generation of ticket.generations) generation.tickets += 1;
    this.#tickets.add(ticket);
  }

  /** Hands a ticket out; the cache's own computations end by themselves. */
  lend(ticket: OpenTicket<V>): void {
    this.#lent.add(ticket);
    const [oldest] = this.#lent;
    if (this.#lent.size > MAX_LENT_TICKETS && oldest !== undefined) this.close(oldest);
  }

  /** Whether the ticket is open and nothing happened since that its result must not survive. */
  isOpenAndCurrent(ticket: OpenTicket<V>): boolean {
    return this.#tickets.has(ticket) && ticket.slot.revision === ticket.revision && sumOf(ticket.generations) === ticket.sum;
  }

  isOpen(ticket: OpenTicket<V>): boolean {
    return this.#tickets.has(ticket);
  }

  close(ticket: OpenTicket<V>): void {
    if (!this.#tickets.delete(ticket)) return;
    this.#lent.delete(ticket);
    ticket.slot.tickets -= 1;
    for (const generation of ticket.generations) {
      generation.tickets -= 1;
      generation.dropIfUnused();
    }
    dropIfUnused(ticket.slot);
  }

  /** Stores the result of an open ticket. */
  put(ticket: OpenTicket<V>, value: Frozen<V>, expiresAt: number): void {
    const { slot, generations, sum, policyVersion } = ticket;
    const entry: Entry<V> = {
      slot,
      hit: Object.freeze({ value }),
      generations,
      sum,
      policyVersion,
      expiresAt,
      older: undefined,
      newer: undefined,
    };
    if (slot.entry !== undefined) this.remove(slot.entry, "replaced");
    for (const generation of generations) generation.entries += 1;
    slot.entry = entry;
    this.#entries.add(entry);
    this.#recency.add(entry);
    if (this.#entries.size > this.maxEntries && this.#recency.oldest !== undefined) this.remove(this.#recency.oldest, "capacity");
    // The sweep under way comes past the newcomer before it has seen all that it was scheduled for.
    if (this.#toSweep > 0) this.#toSweep += 1;
  }

  /** After an invalidation: every entry stored by now is to be looked at once, in portions. */
  scheduleSweep(): void {
    this.#toSweep = this.#entries.size;
  }

  /** Looks at up to so many entries and removes those that can never be served again. */
  sweep(budget: number, now: number): void {
    for (let left = Math.min(budget, this.#toSweep); left > 0; left -= 1) {
      this.#toSweep -= 1;
      const entry = this.#nextToSweep();
      if (entry === undefined) return;
      if (!this.isCurrent(entry)) this.remove(entry, "invalidated");
      else if (now >= entry.expiresAt) this.remove(entry, "expired");
    }
  }

  #nextToSweep(): Entry<V> | undefined {
    const step = this.#sweeper?.next();
    if (step !== undefined && step.done !== true) return step.value;
    this.#sweeper = this.#entries.values();
    const first = this.#sweeper.next();
    return first.done === true ? undefined : first.value;
  }
}

/** Forgets a slot in which nothing is stored or under way, and its workspace with the last one. */
export function dropIfUnused<V>(slot: Slot<V>): void {
  if (slot.entry !== undefined || slot.tickets > 0) return;
  if (slot.workspace.slots.get(slot.key) === slot) slot.workspace.slots.delete(slot.key);
  slot.workspace.dropIfUnused();
}
