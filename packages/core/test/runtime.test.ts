import { createDeadlines, createJob, createMemoryStore, noMetrics, systemClock } from "@portcullis/core";
import { prometheusMetrics } from "@portcullis/core/prometheus";
import { createManualClock } from "@portcullis/testkit";
import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";

const flush = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("deadlines that are the same time away", () => {
  it("run out in their order, done ones do not, and one that throws keeps none of the others", () => {
    const clock = createManualClock();
    const deadlines = createDeadlines(clock, 100);
    const told: string[] = [];
    deadlines.start(() => {
      told.push("first");
      throw new Error("broken");
    });
    deadlines.start(() => told.push("never")).done();
    const last = deadlines.start(() => told.push("last"));
    clock.advance(50);
    deadlines.start(() => told.push("later"));
    expect(() => clock.advance(50)).toThrow("broken");
    expect([told, last.isOver]).toEqual([["first", "last"], true]);
    clock.advance(50);
    expect(told).toEqual(["first", "last", "later"]);
  });
});

describe("a job", () => {
  it("runs after each interval, never overlapping, and stops", async () => {
    const clock = createManualClock();
    let running = 0;
    let most = 0;
    let release = (): void => {};
    const job = createJob({
      name: "sweep",
      intervalMs: 1000,
      clock,
      run: async () => {
        most = Math.max(most, (running += 1));
        await new Promise<void>((resolve) => (release = resolve));
        running -= 1;
      },
    });
    job.start();
    job.start();
    clock.advance(1000);
    await flush();
    clock.advance(10_000);
    const joined = job.runNow();
    release();
    await joined;
    await flush();
    expect([most, job.status().totalRuns]).toEqual([1, 1]);
    clock.advance(1000);
    await flush();
    release();
    await job.stop();
    clock.advance(10_000);
    await flush();
    expect(job.status()).toMatchObject({ totalRuns: 2, failures: 0, running: false, started: false });
  });

  it("that fails says so without the message, and runs again", async () => {
    const clock = createManualClock();
    const errors: unknown[] = [];
    const job = createJob({
      name: "fails",
      intervalMs: 1000,
      clock,
      run: async () => {
        throw new RangeError("hunter2");
      },
      onError: (error) => errors.push(error),
    });
    job.start();
    for (let run = 0; run < 3; run += 1) {
      clock.advance(1000);
      await flush();
    }
    expect(job.status()).toMatchObject({ totalRuns: 3, failures: 3, lastError: "RangeError" });
    expect(errors).toHaveLength(3);
    await expect(job.runNow()).rejects.toThrow(RangeError);
    await job.stop();
  });

  it("runs on one of two instances at a time", async () => {
    const clock = createManualClock();
    const { leases } = createMemoryStore({ clock });
    let release = (): void => {};
    const options = { name: "retention", intervalMs: 1000, clock, leases };
    const first = createJob({ ...options, run: () => new Promise<void>((resolve) => (release = resolve)) });
    const second = createJob({ ...options, run: async () => {} });
    const holding = first.runNow();
    await flush();
    expect(await second.runNow()).toBe(false);
    release();
    expect(await holding).toBe(true);
    expect(await second.runNow()).toBe(true);
    expect(second.status()).toMatchObject({ skipped: 1, totalRuns: 1 });
  });

  it("stop aborts the run in progress and waits for it", async () => {
    const job = createJob({
      name: "slow",
      intervalMs: 1000,
      run: (signal) => new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve())),
    });
    const run = job.runNow();
    await flush();
    await job.stop();
    expect(await run).toBe(true);
  });

  it.each([[{ name: "" }], [{ intervalMs: 0 }], [{ intervalMs: Number.NaN }], [{ leaseMs: -1 }]])("refuses %j at construction", (wrong) => {
    expect(() => createJob({ name: "x", intervalMs: 1, run: async () => {}, ...wrong })).toThrowError(
      expect.objectContaining({ code: "invalid_option" }),
    );
  });
});

describe("metrics", () => {
  it("reach prom-client under the prefix, asked for once or twice", async () => {
    const registry = new Registry();
    const metrics = prometheusMetrics({ registry });
    for (let times = 0; times < 2; times += 1)
      metrics.counter({ name: "checks_total", help: "h", labelNames: ["outcome"] }).add({ outcome: "allowed" });
    metrics.gauge({ name: "depth", help: "h" }).set(7);
    metrics.histogram({ name: "seconds", help: "h", buckets: [0.1, 1] }).observe(0.5);
    const text = await registry.metrics();
    expect(text).toContain('portcullis_checks_total{outcome="allowed"} 2');
    expect(text).toContain("portcullis_depth 7");
    expect(text).toContain('portcullis_seconds_bucket{le="1"} 1');
  });

  it("refuse a prefix that is no metric name, and may be silent", () => {
    expect(() => prometheusMetrics({ registry: new Registry(), prefix: "9-" })).toThrowError(
      expect.objectContaining({ code: "invalid_option" }),
    );
    noMetrics.counter({ name: "x", help: "h" }).add();
  });
});

describe("the system clock", () => {
  it("runs a timer once, and not when it was cancelled", async () => {
    const calls: string[] = [];
    systemClock.after(0, () => calls.push("cancelled"))();
    // The timer does not keep the process alive, so a second one that does is what we await.
    await new Promise<void>((resolve) => {
      const alive = setTimeout(() => {}, 60_000);
      systemClock.after(1, () => {
        calls.push("ran");
        clearTimeout(alive);
        resolve();
      });
    });
    expect(calls).toEqual(["ran"]);
    expect(systemClock.monotonic()).toBeLessThanOrEqual(systemClock.monotonic());
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
  });

  it("a delay longer than a timer holds does not fire at once", async () => {
    let fired = false;
    const cancel = systemClock.after(2 ** 40, () => (fired = true));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(fired).toBe(false);
    cancel();
  });
});
