import type { MaybePromise } from "@portcullis/core";

interface Entry<T> {
  readonly value: T;
  /** Monotonic ms when its load began: what was read is at least as new as this. */
  readonly loadedAt: number;
  /** Of its load; a later load has a greater one, also within one millisecond. */
  readonly ordinal: number;
}

interface Load<T> {
  readonly startedAt: number;
  readonly ordinal: number;
  /** It began before an invalidation: what it reads may be from before. */
  isInvalid: boolean;
  readonly promise: Promise<T>;
}

/**
 * Remembers what was loaded, for at most `maxStalenessMs` after the load began, and never what a load brought that began before an
 * invalidation. One load serves all who ask meanwhile. What fails is not remembered.
 */
export class SubjectCache<T> {
  // In the order loaded, so that the first is the oldest.
  readonly #entries = new Map<string, Entry<T>>();
  /** Those that are not invalid, the latest last; no empty list. */
  readonly #loads = new Map<string, readonly Load<T>[]>();
  #begun = 0;

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
      const running = this.#loads.get(key)?.at(-1);
      if (running !== undefined && this.now() - running.startedAt < this.maxStalenessMs) return running.promise;
    }
    return this.#begin(key);
  }

  /** From now on nobody is given what was read before this call, neither from memory nor by a load that runs already. */
  invalidate(key: string): void {
    this.#entries.delete(key);
    for (const load of this.#loads.get(key) ?? []) load.isInvalid = true;
    this.#loads.delete(key);
  }

  #begin(key: string): MaybePromise<T> {
    const startedAt = this.now();
    const ordinal = (this.#begun += 1);
    const loaded = this.load(key);
    if (!(loaded instanceof Promise)) {
      this.#remember(key, { value: loaded, loadedAt: startedAt, ordinal });
      return loaded;
    }
    const promise = loaded.finally(() => this.#forget(key, load)).then((value) => this.#end(key, load, value));
    const load: Load<T> = { startedAt, ordinal, isInvalid: false, promise };
    this.#loads.set(key, [...(this.#loads.get(key) ?? []), load]);
    return promise;
  }

  // Whoever waits is given what its own load read, unless that is invalid, however many loads began since: to wait for the latest
  // would never end where fresh reads overlap all the time.
  #end(key: string, load: Load<T>, value: T): MaybePromise<T> {
    // What is here now was loaded after the invalidation, and so after whoever waits asked.
    if (load.isInvalid) return this.get(key, false);
    this.#remember(key, { value, loadedAt: load.startedAt, ordinal: load.ordinal });
    return value;
  }

  #forget(key: string, load: Load<T>): void {
    const others = (this.#loads.get(key) ?? []).filter((other) => other !== load);
    if (others.length > 0) this.#loads.set(key, others);
    else this.#loads.delete(key);
  }

  #remember(key: string, entry: Entry<T>): void {
    // A load that began earlier may end later.
    if ((this.#entries.get(key)?.ordinal ?? 0) > entry.ordinal) return;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= this.maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
