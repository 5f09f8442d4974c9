import { type Clock, type MaybePromise, StoreUnavailable } from "@portcullis/core";
import { MINUTE_MS } from "../settings/option-checks.js";
import type { Revocation } from "./revocation-message.js";
import type { RevocationSettings } from "./revocation-settings.js";
import type { Forgetful } from "./revocations.js";
import type { Standing, StandingReader, TokenIdentity } from "./standing.js";

/** Options of {@link StandingMemory}. */
export interface StandingMemoryOptions extends RevocationSettings {
  readonly read: StandingReader;
  readonly clock: Clock;
  /** Ms after which the store wants to hear of a use again; `undefined`: never. */
  readonly noteUseAfterMs: number | undefined;
  /** Something is remembered now that was not. */
  readonly onRemembered: () => void;
  /** A remembered standing stands in for a store that does not answer. */
  readonly onOutageAnswer: () => void;
}

interface Remembered {
  readonly token: TokenIdentity;
  readonly standing: Standing;
  /** Monotonic ms, as is the next. */
  readonly usableUntil: number;
  /** When the store does not answer, and only then. */
  readonly keptUntil: number;
}

interface Reading {
  readonly token: TokenIdentity;
  readonly beganAt: number;
  readonly promise: Promise<Standing>;
  /** A revocation came while it was under way: what it brings may be from before. */
  isOvertaken: boolean;
}

/** The longest that a remembered standing may stand in for the store. */
const OUTAGE_MS = MINUTE_MS;

/**
 * Remembers the standing of tokens that are good, for at most `maxStalenessMs` after the read began; never what a read brings that
 * began before a revocation of the token was heard of. One read serves all who ask for a token meanwhile. Nothing is remembered of
 * a store that answers without a promise, and no failure.
 */
export class StandingMemory implements Forgetful {
  readonly #options: StandingMemoryOptions;
  readonly #bySubject = new Map<string, Map<string, Remembered>>();
  /** In the order remembered. */
  readonly #inOrder = new Set<Remembered>();
  readonly #readings = new Map<string, Set<Reading>>();
  /** Spares stores that answer at once a look at the clock. */
  #answersAtOnce = false;

  constructor(options: StandingMemoryOptions) {
    this.#options = options;
  }

  /** How many are remembered. */
  get size(): number {
    return this.#inOrder.size;
  }

  /** @throws {StoreUnavailable} */
  standingOf(token: TokenIdentity): MaybePromise<Standing> {
    if (this.#answersAtOnce) return this.#read(token);
    const { clock, maxStalenessMs, whenUnavailable } = this.#options;
    const now = clock.monotonic();
    const known = this.#find(token);
    if (known !== undefined && now < known.usableUntil) return known.standing;
    for (const reading of this.#readings.get(token.subjectId) ?? []) {
      if (isSame(reading.token, token) && now - reading.beganAt < maxStalenessMs) return this.#guarded(token, reading.promise);
    }
    if (whenUnavailable === "deny") return this.#read(token);
    try {
      const read = this.#read(token);
      return read instanceof Promise ? this.#guarded(token, read) : read;
    } catch (error) {
      return this.#outageAnswer(token, error);
    }
  }

  /** As the store has it now: neither from memory, nor by a read that began before this call. @throws {StoreUnavailable} */
  freshStandingOf(token: TokenIdentity): MaybePromise<Standing> {
    return this.#read(token);
  }

  forget(revocation: Revocation): void {
    for (const remembered of [...(this.#bySubject.get(revocation.subjectId)?.values() ?? [])]) {
      if (concerns(revocation, remembered.token)) this.#drop(remembered);
    }
    for (const reading of this.#readings.get(revocation.subjectId) ?? []) {
      if (concerns(revocation, reading.token)) this.#overtake(reading);
    }
  }

  forgetAll(): void {
    this.#bySubject.clear();
    this.#inOrder.clear();
    for (const readings of [...this.#readings.values()]) for (const reading of [...readings]) this.#overtake(reading);
  }

  #read(token: TokenIdentity): MaybePromise<Standing> {
    const { clock, read } = this.#options;
    const beganAt = this.#answersAtOnce ? Number.NEGATIVE_INFINITY : clock.monotonic();
    const found = read(token);
    this.#answersAtOnce = !(found instanceof Promise);
    if (!(found instanceof Promise)) return found;
    const promise = found.then(
      (standing) => {
        this.#end(reading);
        if (!reading.isOvertaken) this.#remember(token, standing, beganAt);
        return standing;
      },
      (error: unknown) => {
        this.#end(reading);
        throw error;
      },
    );
    const reading: Reading = { token, beganAt, promise, isOvertaken: false };
    const others = this.#readings.get(token.subjectId);
    if (others === undefined) this.#readings.set(token.subjectId, new Set([reading]));
    else others.add(reading);
    return promise;
  }

  // Nobody who asks from now on may be given what it brings.
  #overtake(reading: Reading): void {
    reading.isOvertaken = true;
    this.#end(reading);
  }

  #end(reading: Reading): void {
    const { subjectId } = reading.token;
    const readings = this.#readings.get(subjectId);
    readings?.delete(reading);
    if (readings?.size === 0) this.#readings.delete(subjectId);
  }

  #remember(token: TokenIdentity, standing: Standing, beganAt: number): void {
    const {
      clock,
      maxStalenessMs,
      maxRemembered,
      noteUseAfterMs = Number.POSITIVE_INFINITY,
      whenUnavailable,
      onRemembered,
    } = this.#options;
    const { state, isRevoked, session } = standing;
    const former = this.#find(token);
    if (state.disabled || isRevoked || session === undefined) {
      // Nor may what was good before stand in for it in an outage.
      if (former !== undefined) this.#drop(former);
      return;
    }
    const idleEnd = session.idleMs === 0 ? Number.POSITIVE_INFINITY : session.lastUsedAt + session.idleMs;
    // The session's own end is on the store's clock, as is the instant of the answer.
    const leftMs = Math.min(session.expiresAt, idleEnd) - session.readAt;
    const usableUntil = beganAt + Math.min(maxStalenessMs, leftMs, noteUseAfterMs);
    const keptUntil = whenUnavailable === "deny" ? usableUntil : beganAt + Math.min(OUTAGE_MS, leftMs);
    const now = clock.monotonic();
    // A read that began earlier may end later.
    if (now >= keptUntil || (former !== undefined && former.keptUntil > keptUntil)) return;
    if (former !== undefined) this.#drop(former);
    for (const oldest of this.#inOrder) {
      if (now < oldest.keptUntil && this.#inOrder.size < maxRemembered) break;
      this.#drop(oldest);
    }
    const remembered: Remembered = { token, standing, usableUntil, keptUntil };
    this.#inOrder.add(remembered);
    const others = this.#bySubject.get(token.subjectId);
    if (others === undefined) this.#bySubject.set(token.subjectId, new Map([[token.tokenId, remembered]]));
    else others.set(token.tokenId, remembered);
    onRemembered();
  }

  #find(token: TokenIdentity): Remembered | undefined {
    const found = this.#bySubject.get(token.subjectId)?.get(token.tokenId);
    return found !== undefined && found.token.sessionId === token.sessionId ? found : undefined;
  }

  #drop(remembered: Remembered): void {
    const { subjectId, tokenId } = remembered.token;
    this.#inOrder.delete(remembered);
    const tokens = this.#bySubject.get(subjectId);
    if (tokens?.get(tokenId) === remembered) tokens.delete(tokenId);
    if (tokens?.size === 0) this.#bySubject.delete(subjectId);
  }

  #guarded(token: TokenIdentity, read: Promise<Standing>): Promise<Standing> {
    return this.#options.whenUnavailable === "deny" ? read : read.catch((error: unknown) => this.#outageAnswer(token, error));
  }

  #outageAnswer(token: TokenIdentity, error: unknown): Standing {
    const { clock, onOutageAnswer } = this.#options;
    const known = this.#find(token);
    // Any other error is a fault of the program, and no reason to believe what was read before.
    if (!(error instanceof StoreUnavailable) || known === undefined || clock.monotonic() >= known.keptUntil) throw error;
    onOutageAnswer();
    return known.standing;
  }
}

function concerns({ sessionId, tokenId }: Revocation, token: TokenIdentity): boolean {
  return (sessionId === undefined || sessionId === token.sessionId) && (tokenId === undefined || tokenId === token.tokenId);
}

function isSame(one: TokenIdentity, other: TokenIdentity): boolean {
  return one.tokenId === other.tokenId && one.sessionId === other.sessionId;
}
