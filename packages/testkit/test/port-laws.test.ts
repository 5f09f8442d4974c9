import { createMemoryStore } from "@portcullis/core";
import { describe, expect, test } from "vitest";
import { createManualClock, portLaws, portLawsFor, storeMutants } from "../src/index.js";

const all = Object.values(portLaws).flat();

describe("the port laws", () => {
  test("have unique ids and titles", () => {
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect(new Set(all.map(({ title }) => title)).size).toBe(all.length);
  });

  test("ask nothing about deadlines without a clock, and nothing of ports that a store has not", () => {
    const open = () => createMemoryStore();
    expect(portLawsFor({ open }).filter(({ needsClock }) => needsClock)).toEqual([]);
    expect(new Set(portLawsFor({ open, ports: ["leases"] }).map(({ port }) => port))).toEqual(new Set(["leases"]));
  });

  test("say which port is missing, and that a clock is", async () => {
    const law = portLaws.tickets.find(({ needsClock }) => needsClock);
    await expect(law?.run({ open: () => ({}) })).rejects.toThrow('no port "tickets"');
    await expect(law?.run({ open: () => createMemoryStore() })).rejects.toThrow("manual clock");
  });

  test("close the store after each law, even one that fails", async () => {
    const closed: unknown[] = [];
    const store = {};
    const host = { open: () => store, close: (opened: unknown) => void closed.push(opened) };
    await expect(portLaws.tickets[0]?.run(host)).rejects.toThrow();
    expect(closed).toEqual([store]);
  });

  const clock = createManualClock();
  const host = { clock, open: () => createMemoryStore({ clock }) };
  for (const law of portLawsFor(host)) {
    test(`hold for the memory store: ${law.id} ${law.title}`, async () => {
      await expect(law.run(host)).resolves.toBeUndefined();
    });
  }
});

// At once: what loses a message is found out by waiting for it.
describe("the port laws reject a store whose", { concurrent: true }, () => {
  for (const { mistake, breaks, port, host } of storeMutants) {
    test(`${mistake} (${breaks.join(", ")})`, async () => {
      const laws = portLaws[port].filter(({ id }) => breaks.includes(id));
      expect(laws).toHaveLength(breaks.length);
      for (const law of laws) await expect(law.run(host(createManualClock()))).rejects.toBeInstanceOf(Error);
    });
  }

  test("mistake is made in each port", () => {
    expect(new Set(storeMutants.map(({ port }) => port))).toEqual(new Set(Object.keys(portLaws)));
  });
});

test("every port law notices a mistake of its own, or is named here with the reason", () => {
  const noticed = new Set(storeMutants.flatMap(({ breaks }) => breaks));
  const idle = all.map(({ id }) => id).filter((id) => !noticed.has(id));
  expect(idle).toEqual([]);
});
