import { createMemoryStore, StoreUnavailable } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { expect, test } from "vitest";
import { createLocalLimits } from "../src/local-limits.js";

const holderOf = (index: number) => ({ kind: "user", id: `user-${index}` }) as const;

test("a process that has no room for a block any more lets the store be told all the same", () => {
  const limits = createLocalLimits(createManualClock(), 1);
  for (let index = 0; index <= 200_000; index += 1) limits.block(holderOf(index), 60_000);
  const last = limits.consume({ ...holderOf(200_000), cells: [], dryRun: false });
  expect(last.blockedMs).toBe(0);
});

test("blocks that are over make room for others", () => {
  const clock = createManualClock();
  const { limits } = createMemoryStore({ clock, maxLimitCells: 2_000 });
  for (let index = 0; index < 2_000; index += 1) limits.block(holderOf(index), 1_000);
  expect(() => limits.block(holderOf(2_000), 1_000)).toThrow(StoreUnavailable);
  expect(() => limits.block(holderOf(7), 5_000)).not.toThrow();
  clock.advance(1_000);
  expect(() => limits.block(holderOf(2_000), 1_000)).not.toThrow();
  expect(limits.usage().blocks).toBe(2);
});
