import assert from "node:assert/strict";
import type { MaybePromise, Ports } from "@portcullis/core";
import type { ManualClock } from "../manual-clock.js";

/** The name of a port, as a store offers it. */
export type PortName = keyof Ports;

/** The store to be held to the laws. */
export interface StoreHost {
  /** A store that holds nothing. Asked anew by each law. */
  open(): MaybePromise<Partial<Ports>>;
  /** Ends what `open` began; called after each law. */
  close?(store: Partial<Ports>): MaybePromise<void>;
  /** The clock the store goes by. Without it the laws about deadlines cannot be asked, and `portLawsFor` leaves them out. */
  readonly clock?: ManualClock;
  /** What the store offers; every port unless given. */
  readonly ports?: readonly PortName[];
}

/** One thing that is true of every store. Independent of a test runner: `run` throws where it is not. */
export interface PortLaw {
  /** Stable, e.g. `TICKETS-01`. */
  readonly id: string;
  /** A sentence that is true of the store. */
  readonly title: string;
  readonly port: PortName;
  /** Whether the law moves the clock. */
  readonly needsClock: boolean;
  run(host: StoreHost): Promise<void>;
}

/** A law about one port, with or without a clock to move. */
export type LawBody<Name extends PortName> =
  | { readonly id: string; readonly title: string; run(port: Ports[Name]): Promise<void> }
  | { readonly id: string; readonly title: string; timed(port: Ports[Name], clock: ManualClock): Promise<void> };

/** Makes laws of bodies: opens a fresh store for each and closes it, whatever happens. */
export function lawsOf<Name extends PortName>(name: Name, bodies: readonly LawBody<Name>[]): readonly PortLaw[] {
  return bodies.map((body) =>
    Object.freeze({
      id: body.id,
      title: `${name}: ${body.title}`,
      port: name,
      needsClock: "timed" in body,
      async run(host: StoreHost): Promise<void> {
        const store = await host.open();
        try {
          const port = store[name];
          if (port === undefined) throw new Error(`The store has no port "${name}"; name the ports it has in "ports".`);
          if ("run" in body) await body.run(port);
          else if (host.clock === undefined) throw new Error(`${body.id} needs the manual clock that the store goes by.`);
          else await body.timed(port, host.clock);
        } finally {
          await host.close?.(store);
        }
      },
    }),
  );
}

/** As many calls as possible before any has finished: the race that a law is about. */
export function atOnce<T>(count: number, ask: (index: number) => MaybePromise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, async (_, index) => ask(index)));
}

/** How many of the answers are so. */
export function count<T>(answers: readonly T[], isSo: (answer: T) => boolean): number {
  return answers.filter(isSo).length;
}

/**
 * Asserts that two answers say the same: members that are `undefined` may be missing, and bytes may be of any typed array class.
 */
export function same(actual: unknown, expected: unknown, message?: string): void {
  assert.deepEqual(plain(actual), plain(expected), message);
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify({ value }, (_key, member: unknown) => (member instanceof Uint8Array ? { bytes: [...member] } : member)));
}

/** Asserts that what `read` returned is the caller's own: spoiling it changes nothing that the store knows. */
export async function isSnapshot<T>(read: () => MaybePromise<T>): Promise<void> {
  const first = await read();
  const before = plain(first);
  spoil(first);
  assert.deepEqual(plain(await read()), before, "a result that is changed by its caller must not change the store");
}

/** Changes all that can be changed. */
function spoil(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  if (value instanceof Uint8Array) return void value.fill(0xee);
  for (const [key, member] of Object.entries(value)) {
    spoil(member);
    Reflect.set(value, key, "spoilt");
  }
  if (Array.isArray(value) && !Object.isFrozen(value)) value.length = 0;
}

/** Strings that a store may take for something else: wildcards, separators, hash tags, ends of strings, names of objects. */
export const AWKWARD_KEYS: readonly string[] = Object.freeze([
  ...["", " ", "a", "A", " a", "a ", "a:b", "a:", ":a", "a%", "%", "_", "a_", "a*", "[a]", "?", "{a}", "{}", "}a{", "{a}:b"],
  ...[
    "a\nb",
    "a\r\nb",
    "a\tb",
    "\0",
    "a\0",
    "a\0b",
    "\u0001",
    "\u0001\u0001",
    "\\0",
    "a'b",
    'a"b',
    "a\\",
    "--",
    "; DROP TABLE a; --",
    "$1",
  ],
  ...["é", "e\u0301", "🙂", "🙂🙂", "\uE000", "\uFEFF", "\uFFFF", "\u{10FFFF}", "\u202E", "ß", "SS", "İ", "ı"],
  ...["__proto__", "constructor", "toString", "null", "undefined", "0", "00", "1e3", "NaN"],
  ...["x".repeat(512), `${"x".repeat(511)}y`, "🙂".repeat(128)],
]);
