import { z } from "zod";

/** What a step may do, and how much can go wrong. Risky tools make the execution of their workflow need an approval. */
export const TOOLS = Object.freeze({
  "text.join": "LOW",
  "math.sum": "LOW",
  "email.send": "HIGH",
  "records.purge": "CRITICAL",
} as const);

export const stepSchema = z.object({
  tool: z.enum(["text.join", "math.sum", "email.send", "records.purge"]),
  input: z
    .record(
      z.string().max(64),
      z.union([z.string().max(4096), z.number(), z.boolean(), z.array(z.union([z.string().max(1024), z.number()])).max(100)]),
    )
    .default({}),
});

export const workflowSchema = z.object({
  name: z.string().trim().min(1).max(200),
  description: z.string().max(4000).default(""),
  steps: z.array(stepSchema).min(1).max(50),
});

/** A workflow as its author wrote it. */
export type Workflow = z.infer<typeof workflowSchema>;
/** One step of a workflow. */
export type Step = z.infer<typeof stepSchema>;

export const storedWorkflowSchema = workflowSchema.extend({ createdBy: z.string() });

export const executionSchema = z.object({
  workflowId: z.string(),
  workflowRevision: z.number(),
  approvalId: z.string().optional(),
  startedBy: z.string(),
  results: z.array(z.object({ tool: z.string(), output: z.string() })),
});

/** What one execution did. */
export type Execution = z.infer<typeof executionSchema>;

/** The highest risk among the steps; `undefined` when none is risky. */
export function riskOf(workflow: Pick<Workflow, "steps">): "HIGH" | "CRITICAL" | undefined {
  const risks = workflow.steps.map(({ tool }) => TOOLS[tool]);
  return risks.includes("CRITICAL") ? "CRITICAL" : risks.includes("HIGH") ? "HIGH" : undefined;
}

/** Runs one step. The tools are small but real: what they return follows from their input. */
export function runStep({ tool, input }: Step): string {
  switch (tool) {
    case "text.join":
      return Object.values(input).flat().join(" ");
    case "math.sum":
      return String(
        Object.values(input)
          .flat()
          .reduce<number>((sum, value) => (typeof value === "number" ? sum + value : sum), 0),
      );
    case "email.send":
      return `queued for ${String(input["to"] ?? "nobody")}`;
    case "records.purge":
      return `purged ${String(input["collection"] ?? "nothing")}`;
  }
}
