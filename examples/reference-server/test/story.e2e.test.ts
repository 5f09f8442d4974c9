import { describe, expect, it } from "vitest";
import { describeWith } from "../../../tools/test-services/connect.js";
import { playStory } from "../src/story/story.js";
import { FRAMEWORKS } from "./serve.js";
import { startService, type StoreKind } from "./start-service.js";

function tellOn(kind: StoreKind): void {
  it.each(Object.keys(FRAMEWORKS) as (keyof typeof FRAMEWORKS)[])("the story holds on %s", async (framework) => {
    const world = await startService(framework, kind);
    try {
      const told = await playStory(world).then(
        () => "to the end",
        (error: unknown) => error,
      );
      // What went wrong inside says more than what the client saw of it.
      expect(world.lines.filter((line) => line.includes('"msg":"fault"') || line.includes("audit event lost"))).toEqual([]);
      expect(told).toBe("to the end");
    } finally {
      await world.close();
    }
  });
}

describe("the reference server in memory", () => tellOn("memory"));
describe("the reference server on SQLite", () => tellOn("sqlite"));
describeWith("postgres", "the reference server on PostgreSQL and Redis", () => tellOn("postgres and redis"));
