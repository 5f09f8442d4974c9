import { expect, test } from "vitest";
import { createManualClock } from "../src/index.js";

test("stands still until it is moved, and then both axes go on together", () => {
  const clock = createManualClock(5_000);
  const origin = clock.monotonic();
  expect([clock.now(), clock.now()]).toEqual([5_000, 5_000]);
  clock.advance(250);
  expect([clock.now(), clock.monotonic() - origin]).toEqual([5_250, 250]);
});

test("runs timers in the order they are due, each at its own instant, also those set on the way", () => {
  const clock = createManualClock(0);
  const seen: string[] = [];
  const note = (name: string) => () => void seen.push(`${name} at ${clock.now()}`);
  clock.after(300, note("c"));
  clock.after(100, () => {
    note("a")();
    clock.after(100, note("b"));
    clock.after(0, note("at once"));
  });
  clock.after(300, note("d"));
  clock.after(301, note("not yet"));
  clock.advance(300);
  expect(seen).toEqual(["a at 100", "at once at 100", "b at 200", "c at 300", "d at 300"]);
});

test("a timer runs once, and not at all once it is cancelled", () => {
  const clock = createManualClock();
  const seen: string[] = [];
  const cancel = clock.after(10, () => void seen.push("cancelled"));
  const spent = clock.after(10, () => void seen.push("ran"));
  cancel();
  clock.advance(10);
  clock.advance(10);
  spent();
  expect(seen).toEqual(["ran"]);
});

test("a set wall clock is a jump: no time passes and no timer runs", () => {
  const clock = createManualClock(1_000);
  const origin = clock.monotonic();
  let ran = 0;
  clock.after(10, () => (ran += 1));
  clock.set(1_000_000);
  expect([clock.now(), clock.monotonic() - origin, ran]).toEqual([1_000_000, 0, 0]);
  clock.advance(10);
  expect([clock.now(), ran]).toEqual([1_000_010, 1]);
  clock.set(0);
  clock.advance(5);
  expect(clock.now()).toBe(5);
});

test.each([-1, Number.NaN])("cannot be advanced by %s", (ms) => {
  expect(() => createManualClock().advance(ms)).toThrow(RangeError);
});
