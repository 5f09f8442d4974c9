import type { MaybePromise } from "@portcullis/core";

interface Entry<T> {
  readonly value: T;
  /** Monotonic ms when its load began: what was read is at least as new as this. */
  readonly loadedAt: number;
}

interface Load<T> {
  readonly promise: Promise<T>;
  readonly startedAt: number;
}

/**
 * Remembers what was loaded, for at most `maxStalenessMs` after the load began, and never what a load brought that began before an
 * invalidation. One load serves all who ask meanwhile. What fails is not remembered.
 */
export class SubjectCache<T> {
  // In the order loaded, so that the first is the oldest.
  readonly #entries = new Map<string, Entry<T>>();
  readonly #loads = new Map<string, Load<T>>();

  constructor(
    private readonly load: (key: string) => MaybePromise<T>,
    private readonly now: () => number,
    private readonly maxStalenessMs: number,
    private readonly maxEntries: number,
  ) {}

  /** @param fresh Not from memory, nor by a load that began before this call. */
  get(key: string, fresh: boolean): MaybePromise<T> {
    if (!fresh) {
      const entry = this.#entries.get(key);
      if (entry !== undefined && this.now() - entry.loadedAt < this.maxStalenessMs) return entry.value;
      const running = this.#loads.get(key);
      if (running !== undefined && this.now() - running.startedAt < this.maxStalenessMs) return running.promise;
    }
    return this.#begin(key);
  }

  /** From now on nobody is given what was read before this call, neither from memory nor by a load that runs already. */
  invalidate(key: string): void {
    this.#entries.delete(key);
    this.#loads.delete(key);
  }

  #begin(key: string): MaybePromise<T> {
    const startedAt = this.now();
    const loaded = this.load(key);
    if (!(loaded instanceof Promise)) {
      this.#remember(key, { value: loaded, loadedAt: startedAt });
      return loaded;
    }
    const load: Load<T> = { startedAt, promise: loaded.then((value) => this.#end(key, load, value)) };
    this.#loads.set(key, load);
    // The waiters are told by their own promises; the load itself must only not stay in the table.
    load.promise.catch(() => {
      if (this.#loads.get(key) === load) this.#loads.delete(key);
    });
    return load.promise;
  }

  #end(key: string, load: Load<T>, value: T): MaybePromise<T> {
    const current = this.#loads.get(key);
    if (current === load) {
      this.#loads.delete(key);
      this.#remember(key, { value, loadedAt: load.startedAt });
      return value;
    }
    // A newer load took its place, or there was an invalidation: what this one read may be from before it.
    return current === undefined ? this.#fresher(key, load) : current.promise;
  }

  // Another load may have ended since, and stored what is newer.
  #fresher(key: string, load: Load<T>): MaybePromise<T> {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.loadedAt > load.startedAt ? entry.value : this.get(key, true);
  }

  #remember(key: string, entry: Entry<T>): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= this.maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
