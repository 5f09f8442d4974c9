import type { Delivery } from "../ports/outbox.js";

/** A delivery as the memory store holds it. `dueAt` of one in progress is the end of its lease. */
export type OutboxItem = { -readonly [Key in keyof Delivery]: Delivery[Key] } & {
  leaseToken: string | undefined;
  readonly sequence: number;
};

interface Place {
  readonly item: OutboxItem;
  readonly dueAt: number;
}

/** The deliveries of one endpoint that wait or are in progress, by when they are due. */
export class OutboxEndpoint {
  // Sorted by (dueAt, sequence). A place whose delivery moved on since is skipped when it surfaces.
  #places: Place[] = [];
  readonly #leased = new Set<OutboxItem>();

  /** Takes its place again after its status or due time changed. */
  wait(item: OutboxItem): void {
    if (item.status === "IN_PROGRESS") this.#leased.add(item);
    else this.#leased.delete(item);
    if (item.status !== "PENDING" && item.status !== "RETRYING" && item.status !== "IN_PROGRESS") return;
    const place = { item, dueAt: item.dueAt };
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#places[middle];
      if (other !== undefined && (other.dueAt < place.dueAt || (other.dueAt === place.dueAt && other.item.sequence < item.sequence)))
        low = middle + 1;
      else high = middle;
    }
    this.#places.splice(low, 0, place);
  }

  /** Removes and returns up to `most` due ones. */
  take(now: number, most: number): OutboxItem[] {
    const taken: OutboxItem[] = [];
    let seen = 0;
    for (; seen < this.#places.length && taken.length < most; seen += 1) {
      const place = this.#places[seen];
      if (place === undefined || now < place.dueAt) break;
      if (isCurrent(place)) taken.push(place.item);
    }
    this.#places.splice(0, seen);
    for (const item of taken) this.#leased.delete(item);
    return taken;
  }

  inProgress(now: number): number {
    let count = 0;
    for (const item of this.#leased) if (now < item.dueAt) count += 1;
    return count;
  }

  /** When something can be claimed next: a delivery comes due, or a lease runs out. */
  firstDue(): number | undefined {
    return this.#places.find(isCurrent)?.dueAt;
  }

  firstLeaseEnd(now: number): number | undefined {
    let first: number | undefined;
    for (const item of this.#leased) if (now < item.dueAt && (first === undefined || item.dueAt < first)) first = item.dueAt;
    return first;
  }
}

function isCurrent({ item, dueAt }: Place): boolean {
  return item.dueAt === dueAt && (item.status === "PENDING" || item.status === "RETRYING" || item.status === "IN_PROGRESS");
}
