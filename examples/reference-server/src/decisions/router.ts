import { z } from "zod";

/** An agent that tasks can be routed to. */
export interface Agent {
  readonly name: string;
  readonly version: string;
  readonly skills: readonly string[];
  /** Cents for a task. */
  readonly cost: number;
  /** 0 to 1. */
  readonly quality: number;
}

/** The agents of this service. */
export const AGENTS: readonly Agent[] = Object.freeze([
  { name: "scribe", version: "2.1", skills: ["write", "summarise"], cost: 1, quality: 0.7 },
  { name: "analyst", version: "1.4", skills: ["summarise", "calculate"], cost: 3, quality: 0.9 },
  { name: "auditor", version: "3.0", skills: ["calculate", "review", "summarise"], cost: 5, quality: 0.95 },
]);

export const policySchema = z.object({ strategy: z.enum(["cheapest", "best"]) });

/** How a workspace wants its tasks routed. */
export type Policy = z.infer<typeof policySchema>;

/** Where a task goes, and why. */
export interface Routing {
  readonly agent: string;
  readonly agentVersion: string;
  readonly strategy: Policy["strategy"];
  readonly reason: string;
}

/** The agent for a task that needs a skill, under a policy; `undefined` when nobody has it. */
export function routeTask(skill: string, policy: Policy, agents: readonly Agent[] = AGENTS): Routing | undefined {
  const able = agents.filter(({ skills }) => skills.includes(skill));
  const score = (agent: Agent): number => (policy.strategy === "cheapest" ? -agent.cost : agent.quality);
  const chosen = able.reduce<Agent | undefined>(
    (best, agent) => (best === undefined || score(agent) > score(best) ? agent : best),
    undefined,
  );
  if (chosen === undefined) return undefined;
  const reason =
    policy.strategy === "cheapest"
      ? `costs ${chosen.cost} cents, the least of ${able.length}`
      : `quality ${chosen.quality}, the best of ${able.length}`;
  return { agent: chosen.name, agentVersion: chosen.version, strategy: policy.strategy, reason };
}
