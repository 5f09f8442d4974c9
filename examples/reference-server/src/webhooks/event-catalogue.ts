import { z } from "zod";

const approval = z.object({ approvalId: z.string(), operation: z.string(), risk: z.string(), status: z.string() });

/** Every event that this service sends, and what it carries. */
export const EVENTS = {
  "workflow.executed": z.object({
    executionId: z.string(),
    workflowId: z.string(),
    workflowRevision: z.number(),
    approvalId: z.string().optional(),
    startedBy: z.string(),
    results: z.array(z.object({ tool: z.string(), output: z.string() })),
  }),
  "approval.requested": approval,
  "approval.approved": approval,
  "approval.denied": approval,
  "approval.executed": approval,
};
