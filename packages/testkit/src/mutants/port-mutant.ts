import type { Clock, MaybePromise, Ports } from "@portcullis/core";
import type { PortName } from "../port-laws/port-law.js";

/** A port with one mistake. */
export interface PortMutant<Name extends PortName> {
  /** What it does wrong. */
  readonly mistake: string;
  /** At least these laws fail. */
  readonly breaks: readonly string[];
  /** Spoils a port that is right. */
  spoil(port: Ports[Name], clock: Clock): Ports[Name];
}

/** A turn of the microtask queue: the gap between reading and writing that makes a race. */
export const gap = (): Promise<void> => Promise.resolve();

/** A key as many a store has cut or joined it. */
export type KeyOf = (key: string) => string;

/** Passes everything on, with the first argument changed. */
export function withKeys<Port extends object>(port: Port, keyOf: KeyOf): Port {
  const changed = Object.entries(port).map(([name, method]) => {
    // A fact of the ports this is used for: each method takes its key first.
    const call = method as (key: string, ...rest: readonly unknown[]) => MaybePromise<unknown>;
    return [name, (key: string, ...rest: readonly unknown[]) => call(keyOf(key), ...rest)];
  });
  // The same methods with the same types.
  return Object.fromEntries(changed) as Port;
}

/** Answers each question with the object that it gave the first time, free to be changed: the store's own. */
export function sharing<Args extends readonly unknown[], T>(read: (...args: Args) => MaybePromise<T>): (...args: Args) => Promise<T> {
  const shared = new Map<string, T>();
  return async (...args) => {
    const key = JSON.stringify(args);
    const known = shared.get(key) ?? structuredClone(await read(...args));
    shared.set(key, known);
    return known;
  };
}
