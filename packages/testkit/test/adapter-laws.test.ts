import { describe, expect, test } from "vitest";
import { adapterLaws, adapterLawsFor, adapterMutants, NodeAdapter } from "../src/index.js";

describe("the adapter laws", () => {
  test("have unique ids and titles", () => {
    expect(new Set(adapterLaws.map(({ id }) => id)).size).toBe(adapterLaws.length);
    expect(new Set(adapterLaws.map(({ title }) => title)).size).toBe(adapterLaws.length);
  });

  test("ask nothing of a host that it cannot do", () => {
    const host = Object.assign(new NodeAdapter(), { capabilities: [] });
    expect(adapterLawsFor(host).filter(({ needs = [] }) => needs.length > 0)).toEqual([]);
    expect(adapterLawsFor(host).length).toBeGreaterThan(30);
  });

  const host = new NodeAdapter();
  for (const law of adapterLawsFor(host)) {
    test(`hold for node:http: ${law.id} ${law.title}`, async () => {
      await expect(law.run(host)).resolves.toBeUndefined();
    });
  }
});

describe("the adapter laws reject an adapter that", () => {
  for (const { mistake, breaks, host } of adapterMutants) {
    test(`${mistake} (${breaks.join(", ")})`, async () => {
      const laws = adapterLaws.filter(({ id }) => breaks.includes(id));
      expect(laws).toHaveLength(breaks.length);
      for (const law of laws) await expect(law.run(host)).rejects.toBeInstanceOf(Error);
    });
  }
});
