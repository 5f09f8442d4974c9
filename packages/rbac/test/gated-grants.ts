// A memory store that answers when the test lets it: what it says is true of the moment it was asked, and arrives later.
import { createMemoryStore, type Grants, type StoreWith, StoreUnavailable } from "@portcullis/core";

type Operation = keyof Grants;

/** A call that waits. */
export interface Gate {
  /** The call has been made: read, or written, but not answered yet. */
  readonly reached: Promise<void>;
  release(): void;
  /** It was carried out, but nobody is told. */
  fail(): void;
}

export interface GatedGrants extends StoreWith<"grants"> {
  /** How often each operation was asked for. */
  readonly calls: Readonly<Record<Operation, number>>;
  /** Holds the answer to the next call of this operation. */
  hold(operation: Operation): Gate;
  /** Every call fails, until it is called again with `false`. */
  fail(isFailing: boolean): void;
}

/** @param throws Whether a failing store throws at once, as one without I/O does, instead of rejecting. */
export function gatedGrants({ throws = false }: { readonly throws?: boolean } = {}): GatedGrants {
  const { grants } = createMemoryStore();
  const calls = { readPolicy: 0, writePolicy: 0, readSubject: 0, writeSubject: 0, listHolders: 0 };
  const waiting = new Map<Operation, { readonly onReached: () => void; readonly answer: Promise<void> }[]>();
  let isFailing = false;

  function guard<Arguments extends readonly unknown[], Answer>(operation: Operation, run: (...given: Arguments) => Answer) {
    return (...given: Arguments): Answer | Promise<Awaited<Answer>> => {
      calls[operation] += 1;
      if (isFailing && throws) throw new StoreUnavailable(operation);
      return answer(operation, () => run(...given));
    };
  }

  async function answer<Answer>(operation: Operation, run: () => Answer): Promise<Awaited<Answer>> {
    if (isFailing) throw new StoreUnavailable(operation);
    const value = await run();
    const gate = waiting.get(operation)?.shift();
    gate?.onReached();
    await gate?.answer;
    return value;
  }

  return {
    calls,
    grants: {
      readPolicy: guard("readPolicy", grants.readPolicy),
      writePolicy: guard("writePolicy", grants.writePolicy),
      readSubject: guard("readSubject", grants.readSubject),
      writeSubject: guard("writeSubject", grants.writeSubject),
      listHolders: guard("listHolders", grants.listHolders),
    },
    hold(operation) {
      const reached = later();
      const answer = later();
      const queue = waiting.get(operation) ?? [];
      waiting.set(operation, [...queue, { onReached: reached.resolve, answer: answer.promise }]);
      return {
        reached: reached.promise,
        release: () => answer.resolve(),
        fail: () => answer.reject(new StoreUnavailable(operation)),
      };
    },
    fail(wanted) {
      isFailing = wanted;
    },
  };
}

interface Later {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

function later(): Later {
  const settle: { resolve?: () => void; reject?: (error: Error) => void } = {};
  const promise = new Promise<void>((resolve, reject) => Object.assign(settle, { resolve, reject }));
  return { promise, resolve: () => settle.resolve?.(), reject: (error) => settle.reject?.(error) };
}
