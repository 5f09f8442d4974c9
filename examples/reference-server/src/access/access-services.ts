import type { StoredUserDirectory } from "@portcullis/auth";
import type { Facts } from "@portcullis/core";
import type { AnyRbac, ManifestEntry } from "@portcullis/rbac";
import type { Collection } from "../collection.js";
import type { Change } from "../operations/audit-recorder.js";
import type { Permit, ServiceAssignments } from "../permissions.js";
import type { Department } from "./department.js";

/** What the routes about access work with. */
export interface AccessServices {
  readonly policy: AnyRbac;
  readonly permit: Permit;
  readonly assignments: ServiceAssignments;
  readonly users: Pick<StoredUserDirectory, "byId" | "update">;
  readonly departments: Collection<Department>;
  /** Whether an account may do nothing whatever it holds. */
  readonly isDisabled: (userId: string) => Promise<boolean>;
  /** Every route of the service with what guards it. */
  readonly manifest: () => readonly ManifestEntry[];
  /** Resolves once the attempt is in the audit trail; how it ended is told by the events of what did it. */
  readonly record: (facts: Facts, change: Change) => Promise<unknown>;
  /** Under which address other services find the decision point. */
  readonly policyDecisionPoint: string;
}
