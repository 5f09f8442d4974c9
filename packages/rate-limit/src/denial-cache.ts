import {
  type Clock,
  isBucket,
  type LimitAsk,
  type LimitCell,
  type LimitHolder,
  type LimitResult,
  type LimitState,
  limitState,
  roomFor,
} from "@portcullis/core";
import { HolderMap } from "./holder-map.js";

/** What was last said of one limit. */
interface Said {
  /** As it was asked. */
  readonly cell: LimitCell;
  readonly state: LimitState;
  /** Monotonic ms until which that cost is refused; 0 where it was not. */
  readonly until: number;
}

/** What is known of one holder. */
interface Known {
  readonly said: readonly Said[];
  /** From then on it may be out of date: another process may have given something back. */
  readonly staleAt: number;
  readonly blockedUntil: number;
}

/** Refusals that need no second question. */
export interface DenialCache {
  readonly size: number;
  /**
   * The refusal, if one is certain; else `undefined`.
   *
   * @param mayBeStale While nobody can be asked, what was learned before counts until it ends.
   */
  find(ask: LimitAsk, options?: { readonly mayBeStale: boolean }): LimitResult | undefined;
  /**
   * Remembers what a store refused.
   *
   * @param sentAt Monotonic ms from before the store was asked: it decided later, so the refusal lasts at least until then and the wait.
   */
  learn(ask: LimitAsk, result: LimitResult, sentAt: number): void;
  /** After the store allowed it: a refusal that says otherwise was taken back elsewhere. */
  correct(ask: LimitAsk): void;
  forget(holder: LimitHolder): void;
}

const COUNTER_SLACK_MS = 1;

/**
 * Remembers refusals, soundly: what a limit has used only grows but for refunds and resets, so a wait that the store named holds
 * until it is over, whoever else comes. Those of this process clear the holder's entry; those of others show after `maxAgeMs`.
 */
export function createDenialCache({
  maxEntries,
  maxAgeMs,
  clock,
}: {
  readonly maxEntries: number;
  readonly maxAgeMs: number;
  readonly clock: Clock;
}): DenialCache {
  const knowledge = new HolderMap<Known>();

  return {
    get size() {
      return knowledge.size;
    },
    find(ask, { mayBeStale } = { mayBeStale: false }) {
      const known = knowledge.get(ask);
      if (known === undefined) return undefined;
      const now = clock.monotonic();
      if (!mayBeStale && now >= known.staleAt) return undefined;
      return isDenied(ask, known, now) ? new RememberedDenial(ask, known, now) : undefined;
    },
    learn(ask, result, sentAt) {
      const said = ask.cells.map((cell, index) => toSaid(cell, result.cells[index] as LimitState, sentAt)); // one state for each cell
      const blockedUntil = result.blockedMs > 0 ? sentAt + result.blockedMs : 0;
      if (blockedUntil === 0 && said.every(({ until }) => until === 0)) return;
      knowledge.delete(ask);
      // The oldest goes: it is the one that is stale next.
      if (knowledge.size >= maxEntries) knowledge.deleteOldest(ask.kind);
      knowledge.set(ask, { said, staleAt: sentAt + maxAgeMs, blockedUntil });
    },
    correct(ask) {
      const known = knowledge.get(ask);
      if (known !== undefined && isDisproved(ask, known, clock.monotonic())) knowledge.delete(ask);
    },
    forget(holder) {
      knowledge.delete(holder);
    },
  };
}

function toSaid(cell: LimitCell, state: LimitState, sentAt: number): Said {
  // What can never succeed needs no memory: it is refused for its size alone.
  const until = state.allowed || state.retryAfterMs === undefined ? 0 : sentAt + state.retryAfterMs;
  return { cell, state, until };
}

/** Whether something that was said proves a refusal, and everything else that will be told is known. */
function isDenied({ cells }: LimitAsk, known: Known, now: number): boolean {
  let isProven = known.blockedUntil > now;
  for (const cell of cells) {
    const said = saidOf(cell, known);
    if (said === undefined || cell.cost > cell.capacity) return false;
    if (waitMs(said, cell, now) > slackMs(cell)) isProven = true;
  }
  return isProven;
}

function isDisproved({ cells }: LimitAsk, known: Known, now: number): boolean {
  if (known.blockedUntil > now) return true;
  return cells.some((cell) => {
    const said = saidOf(cell, known);
    return said !== undefined && waitMs(said, cell, now) > 0;
  });
}

/** What was said of the limit, on the terms it has now: one that changed (another tier, a new configuration) refuses on others. */
function saidOf(cell: LimitCell, { said }: Known): Said | undefined {
  for (const one of said) {
    if (one.cell === cell) return one;
    if (one.cell.id === cell.id) return one.cell.capacity === cell.capacity && intervalOf(one.cell) === intervalOf(cell) ? one : undefined;
  }
  return undefined;
}

/** How long the cell refuses, as far as what was said tells; 0 or less when it tells nothing. */
function waitMs({ cell: refused, until }: Said, cell: LimitCell, now: number): number {
  if (until <= now || cell.cost === 0) return 0;
  // Of a bucket another cost fits earlier or later, by what it differs. Of counters only the same cost is certain to wait as long.
  if (isBucket(cell)) return until - now + (cell.cost - refused.cost) * cell.intervalMs;
  return cell.cost === refused.cost ? until - now : 0;
}

/** What a store may be off by, in the caller's favour: that much before the end of a wait it may allow already. */
function slackMs(cell: LimitCell): number {
  return isBucket(cell) ? roomFor(cell) - (cell.capacity - cell.cost) * cell.intervalMs : COUNTER_SLACK_MS;
}

/** What of its terms, beside the capacity, says when a limit refuses. */
function intervalOf(cell: LimitCell): number {
  if (isBucket(cell)) return cell.intervalMs;
  return cell.kind === "window" ? cell.windowMs : 0;
}

/** The refusal, without a question: what refuses, with what is left of its wait, and the others as they were last said to be. */
class RememberedDenial implements LimitResult {
  readonly allowed = false;
  readonly lease = undefined;
  readonly at = 0;
  readonly #ask: LimitAsk;
  readonly #known: Known;
  readonly #now: number;
  #cells: readonly LimitState[] | undefined = undefined;

  constructor(ask: LimitAsk, known: Known, now: number) {
    this.#ask = ask;
    this.#known = known;
    this.#now = now;
  }

  get blockedMs(): number {
    return Math.max(0, this.#known.blockedUntil - this.#now);
  }

  get cells(): readonly LimitState[] {
    this.#cells ??= this.#ask.cells.map((cell) => new RememberedState(cell, saidOf(cell, this.#known) as Said, this.#now)); // isDenied found all
    return this.#cells;
  }
}

class RememberedState implements LimitState {
  readonly #cell: LimitCell;
  /** As it was last said to be. */
  readonly #state: LimitState;
  readonly #waitMs: number;

  constructor(cell: LimitCell, said: Said, now: number) {
    this.#cell = cell;
    this.#state = said.state;
    this.#waitMs = Math.max(0, waitMs(said, cell, now));
  }
  get id(): string {
    return this.#cell.id;
  }
  get allowed(): boolean {
    return this.#waitMs === 0;
  }
  get remaining(): number {
    if (this.allowed || !isBucket(this.#cell)) return this.#state.remaining;
    return limitState(this.#cell, this.resetMs, false).remaining;
  }
  get resetMs(): number {
    if (this.allowed) return this.#state.resetMs;
    // After that wait a bucket holds the cost: so much of it is used now.
    return isBucket(this.#cell) ? this.#waitMs + (this.#cell.capacity - this.#cell.cost) * this.#cell.intervalMs : this.#waitMs;
  }
  get retryAfterMs(): number {
    return this.#waitMs;
  }
}
