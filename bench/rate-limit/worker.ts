// The process of one question: built, so that what runs is what ships; alone, so that no other question has shaped its code.
import { Redis } from "ioredis";
import { answerParent } from "../harness/ask-process.js";
import { denialVariants } from "./denial-speed.js";
import { measureAdmission } from "./admitted.js";
import { processFootprint, redisFootprints } from "./footprint.js";
import { measureGuards } from "./guards.js";
import { type Extent, measure, type Variant } from "../harness/measure.js";
import { oneLimitVariants, threeHolderVariants, threeLimitVariants } from "./memory-speed.js";
import { measureRedis } from "./redis-speed.js";

/** What the process is asked. @property only For a profile: measures nobody whose name lacks it. */
export type Question = { readonly only?: string } & (
  | { readonly ask: "one limit" | "three holders" | "three limits"; readonly subjects: number; readonly extent: Extent }
  | { readonly ask: "redis"; readonly url: string; readonly rounds: number; readonly decisions: number }
  | { readonly ask: "denials"; readonly url: string; readonly extent: Extent }
  | { readonly ask: "footprint"; readonly name: string }
  | { readonly ask: "redis footprint"; readonly url: string; readonly subjects: number }
  | { readonly ask: "admitted"; readonly url: string }
  | { readonly ask: "guards"; readonly rounds: number; readonly calls: number }
);

async function answer(question: Question): Promise<unknown> {
  if ("url" in question) await empty(question.url);
  const { only = "" } = question;
  const ofInterest = (variants: readonly Variant[]): readonly Variant[] => variants.filter(({ name }) => name.includes(only));
  switch (question.ask) {
    case "one limit":
      return measure(ofInterest(oneLimitVariants(question.subjects)), question.extent);
    case "three holders":
      return measure(ofInterest(threeHolderVariants(question.subjects)), question.extent);
    case "three limits":
      return measure(ofInterest(threeLimitVariants(question.subjects)), question.extent);
    case "redis":
      return measureRedis(question.url, { ...question, only });
    case "denials": {
      const { variants, close } = await denialVariants(question.url);
      const series = await measure(ofInterest(variants), question.extent);
      close();
      return series;
    }
    case "footprint":
      return processFootprint(question.name);
    case "redis footprint":
      return redisFootprints(question.url, question.subjects);
    case "admitted":
      return measureAdmission(question.url);
    case "guards":
      return measureGuards(question);
  }
}

// What another question has left would be in the way.
async function empty(url: string): Promise<void> {
  const client = new Redis(url);
  await client.flushall();
  client.disconnect();
}

await answerParent(answer);
