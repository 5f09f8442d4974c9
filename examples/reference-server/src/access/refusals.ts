import { ConfigurationError, ProblemError, problems } from "@portcullis/core";
import { type AssignmentResult, RbacError } from "@portcullis/rbac";

/** Answers a change of assignments or roles that was refused. @throws {ProblemError} 403, 409 or 422, with the reason. */
export function requireAllowed({ allowed, reason, missing, constraint }: AssignmentResult): void {
  if (allowed) return;
  const extensions = {
    reason,
    ...(missing.length === 0 ? {} : { missing }),
    ...(constraint === undefined ? {} : { constraint }),
  };
  switch (reason) {
    case "changed_meanwhile":
      throw new ProblemError(problems.versionConflict({ extensions }));
    case "last_holder":
    case "separation_of_duty":
    case "departments_differ":
    case "not_held":
    case "not_activatable":
      throw new ProblemError(problems.conflict({ extensions }));
    case "unknown_role":
      throw new ProblemError(problems.validation({ detail: "There is no such role.", extensions }));
    default:
      // Whatever is about the actor: it would give away, or take away, what it does not have.
      throw new ProblemError(problems.forbidden({ extensions }));
  }
}

/** What the caller asked for and cannot be meant is a mistake of the request, not of the program: 422 with the message. */
export async function callersMistakes<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const isTheirs = error instanceof RbacError || (error instanceof ConfigurationError && error.code === "invalid_option");
    if (isTheirs) throw new ProblemError(problems.validation({ detail: error.message }), { cause: error });
    throw error;
  }
}
