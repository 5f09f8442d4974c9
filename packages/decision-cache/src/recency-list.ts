/** A member of a {@link RecencyList}: the links are its own, so moving it allocates and looks up nothing. */
export interface Listed<Item> {
  older: Item | undefined;
  newer: Item | undefined;
}

/** Items in order of use. */
export class RecencyList<Item extends Listed<Item>> {
  #oldest: Item | undefined;
  #newest: Item | undefined;

  /** The one not used for longest. */
  get oldest(): Item | undefined {
    return this.#oldest;
  }

  /** @param item Not in the list. */
  add(item: Item): void {
    item.older = this.#newest;
    item.newer = undefined;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
  }

  /** @param item In the list. */
  touch(item: Item): void {
    if (item === this.#newest) return;
    this.remove(item);
    this.add(item);
  }

  /** @param item In the list. */
  remove(item: Item): void {
    const { older, newer } = item;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    item.older = undefined;
    item.newer = undefined;
  }
}
