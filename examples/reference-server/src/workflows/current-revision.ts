import { ALLOW, deny, type Guard, type GuardRequest, JsonRefused, parseStrictJson, problems } from "@portcullis/core";
import { z } from "zod";

/** What an execution is asked with. The revision is part of the approved request: what the approver saw is what runs. */
export const executionRequestSchema = z.object({ expectedRevision: z.int().min(1) });

const MAX_BODY_BYTES = 65_536;

/**
 * Refuses to ask for an execution of any revision but the current one: an approval of a revision that is yet to be written
 * would cover whatever its author writes after the approver looked.
 */
export function currentRevisionOnly(revisionOf: (request: GuardRequest) => Promise<number | undefined>): Guard {
  return {
    name: "current-revision-only",
    async check(request) {
      // Approved already: the digest says which revision, and the handler compares it with the one that it runs.
      if (request.headerCount("approval-id") > 0) return ALLOW;
      const [current, expected] = [await revisionOf(request), expectedRevision(await request.rawBody(MAX_BODY_BYTES))];
      // A workflow that does not exist, or a body that is malformed: the handler and the schema of its input answer.
      if (current === undefined || expected === undefined || current === expected) return ALLOW;
      return deny(problems.versionConflict({ extensions: { currentRevision: current } }));
    },
  };
}

function expectedRevision(body: Uint8Array): number | undefined {
  try {
    return executionRequestSchema.safeParse(parseStrictJson(body)).data?.expectedRevision;
  } catch (error) {
    if (error instanceof JsonRefused) return undefined;
    throw error;
  }
}
