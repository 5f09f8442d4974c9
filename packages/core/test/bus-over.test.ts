import { setImmediate } from "node:timers/promises";
import { type BusLink, type BusMessage, type BusTransport, createBusOver, StoreUnavailable } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";

/** A transport whose connections stand, break and answer as the test says. */
function fakeTransport() {
  const links: BusLink[] = [];
  const sent: (readonly BusMessage[])[] = [];
  const state = {
    ready: (): Promise<unknown> => Promise.resolve(),
    check: (): Promise<unknown> => Promise.resolve(),
    send: (): Promise<unknown> => Promise.resolve(),
  };
  let open = 0;
  const transport: BusTransport = {
    connectWithinMs: 1_000,
    send(messages) {
      sent.push(messages);
      return state.send();
    },
    connect(link) {
      links.push(link);
      open += 1;
      let isOpen = true;
      return {
        ready: state.ready(),
        check: () => state.check(),
        close() {
          if (isOpen) open -= 1;
          isOpen = false;
        },
      };
    },
  };
  return { transport, links, sent, state, open: () => open };
}

function setup() {
  const clock = createManualClock();
  const fake = fakeTransport();
  const { bus, close } = createBusOver(fake.transport, clock);
  const heard: string[] = [];
  const subscribe = (name = "s") =>
    bus.subscribe("a", { onMessage: (message) => void heard.push(`${name} ${message}`), onGap: () => void heard.push(`${name} gap`) });
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await setImmediate();
  };
  return { ...fake, bus, close, heard, subscribe, pass };
}

const down = (): Promise<unknown> => Promise.reject(new Error("down"));
const never = (): Promise<unknown> => new Promise(() => {});

describe("a bus over a transport", () => {
  it("is connected while somebody subscribes, once for all", async () => {
    const { subscribe, open, links, bus } = setup();
    await bus.publish("a", "to nobody");
    expect(links).toHaveLength(0);
    const ends = await Promise.all([subscribe(), subscribe()]);
    expect([links.length, open()]).toEqual([1, 1]);
    await ends[0]?.();
    expect(open()).toBe(1);
    await ends[1]?.();
    expect(open()).toBe(0);
    await subscribe();
    expect([links.length, open()]).toEqual([2, 1]);
  });

  it("hears nothing from a connection that it has closed", async () => {
    const { subscribe, links, heard } = setup();
    const end = await subscribe();
    await end();
    await subscribe("later");
    links[0]?.onMessage("a", "late");
    links[0]?.onGap();
    links[1]?.onMessage("a", "new");
    expect(heard).toEqual(["later new"]);
  });

  it("connects again when the connection breaks, ever more patiently, and then reports a gap to every subscriber", async () => {
    const { subscribe, links, heard, state, pass, open } = setup();
    await subscribe("one");
    await subscribe("other");
    state.ready = down;
    links[0]?.onLost();
    links[0]?.onLost();
    expect(open()).toBe(0);
    await pass(49);
    expect(links).toHaveLength(1);
    await pass(1);
    expect(links).toHaveLength(2);
    await pass(99);
    expect(links).toHaveLength(2);
    await pass(1);
    expect([links.length, heard]).toEqual([3, []]);
    for (let attempt = 0; attempt < 20; attempt += 1) await pass(5_000);
    expect(links.length).toBeGreaterThan(15);
    state.ready = () => Promise.resolve();
    await pass(5_000);
    expect([heard, open()]).toEqual([["one gap", "other gap"], 1]);
    links.at(-1)?.onMessage("a", "again");
    expect(heard.slice(2)).toEqual(["one again", "other again"]);
  });

  it("does not connect again for nobody", async () => {
    const { subscribe, links, pass } = setup();
    const end = await subscribe();
    links[0]?.onLost();
    await end();
    await pass(60_000);
    expect(links).toHaveLength(1);
  });

  it("a subscription that cannot be had is StoreUnavailable, and none was made; one that stands goes on trying", async () => {
    const { subscribe, links, state, heard, open, pass } = setup();
    state.ready = down;
    await expect(subscribe("refused")).rejects.toMatchObject({ code: "store_unavailable", cause: { message: "down" } });
    expect(open()).toBe(0);
    state.ready = () => Promise.resolve();
    await subscribe("stands");
    state.ready = down;
    links.at(-1)?.onLost();
    await expect(subscribe("refused")).rejects.toBeInstanceOf(StoreUnavailable);
    state.ready = () => Promise.resolve();
    await subscribe("comes");
    links.at(-1)?.onMessage("a", "hello");
    expect(heard).toEqual(["stands gap", "comes gap", "stands hello", "comes hello"]);
    await pass(60_000);
    expect(open()).toBe(1);
  });

  it("a connection that is not ready in time, or breaks before it is, is closed", async () => {
    const { subscribe, links, state, open, pass } = setup();
    state.ready = never;
    const late = subscribe();
    const failed = expect(late).rejects.toMatchObject({
      code: "store_unavailable",
      cause: { message: expect.stringContaining("1000 ms") },
    });
    await pass(999);
    expect(open()).toBe(1);
    await pass(1);
    await failed;
    state.ready = async () => links.at(-1)?.onLost();
    await expect(subscribe()).rejects.toBeInstanceOf(StoreUnavailable);
    expect(open()).toBe(0);
  });

  it("finds a connection out that brings nothing any more without having ended", async () => {
    const { subscribe, links, state, heard, pass } = setup();
    await subscribe();
    await pass(15_000);
    await pass(15_000);
    expect(links).toHaveLength(1);
    state.check = never;
    await pass(15_000);
    await pass(1_000);
    state.check = () => Promise.resolve();
    await pass(50);
    expect([links.length, heard]).toEqual([2, ["s gap"]]);
    state.check = down;
    await pass(15_000);
    await pass(50);
    expect(links).toHaveLength(3);
  });

  it("sends what came in meanwhile together and in order, and all of it fails with a sending that does", async () => {
    const { bus, sent, state } = setup();
    let fail = (_error: Error): void => {};
    state.send = () => new Promise((_resolve, reject) => (fail = reject));
    const results = Promise.allSettled(["1", "2", "3"].map(async (message) => bus.publish("a", message)));
    expect(sent).toEqual([[{ channel: "a", message: "1" }]]);
    fail(new StoreUnavailable("bus.publish"));
    expect((await results).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(sent).toHaveLength(1);
    let succeed = (): void => {};
    state.send = () => new Promise<void>((resolve) => (succeed = resolve));
    const first = bus.publish("a", "4");
    const rest = Array.from({ length: 300 }, async (_, index) => bus.publish("a", `${index}`));
    state.send = () => Promise.resolve();
    succeed();
    await Promise.all([first, ...rest]);
    expect(sent.slice(1).map(({ length }) => length)).toEqual([1, 256, 44]);
    expect(sent.slice(2).flatMap((batch) => batch.map(({ message }) => message))).toEqual(rest.map((_, index) => `${index}`));
  });

  it("closed, it is connected no more, and both calls are StoreUnavailable", async () => {
    const { bus, subscribe, close, open, links, heard, state, pass } = setup();
    const end = await subscribe();
    close();
    close();
    links[0]?.onMessage("a", "late");
    await end();
    expect([open(), heard]).toEqual([0, []]);
    await expect(bus.publish("a", "b")).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(subscribe()).rejects.toBeInstanceOf(StoreUnavailable);
    const other = setup();
    other.state.ready = never;
    const pending = other.subscribe();
    other.close();
    expect(other.open()).toBe(0);
    other.links[0]?.onMessage("a", "late");
    const failed = expect(pending).rejects.toBeInstanceOf(StoreUnavailable);
    await other.pass(1_000);
    await failed;
    expect([other.open(), other.heard]).toEqual([0, []]);
    state.ready = down;
    await pass(60_000);
    expect(links).toHaveLength(1);
  });
});
