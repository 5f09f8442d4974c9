import type { ApprovalRecord, ApprovalStatus, JsonValue } from "@portcullis/core";
import { z } from "zod";
import { isDigest } from "./digest.js";
import { isRiskLevel, type RiskLevel } from "./risk.js";

// Everything of an approval that the store does not search by. Rows of another version are unreadable, and unreadable is refused.
const storedSchema = z.strictObject({
  v: z.literal(1),
  requester: z.strictObject({ type: z.string(), id: z.string() }),
  title: z.string().optional(),
  description: z.string(),
  metadata: z.record(z.string(), z.string()),
  taskId: z.string().optional(),
  request: z.custom<JsonValue>((value) => value !== undefined).optional(),
  decision: z
    .strictObject({ decision: z.enum(["approve", "reject"]), by: z.string(), at: z.number(), notes: z.string().optional() })
    .optional(),
  execution: z
    .strictObject({ attemptId: z.string(), startedAt: z.number(), endedAt: z.number().optional(), httpStatus: z.number().optional() })
    .optional(),
  closing: z.strictObject({ by: z.string(), at: z.number(), reason: z.string().optional() }).optional(),
});

/** The JSON kept in `ApprovalRecord.data`. */
export type StoredApproval = z.infer<typeof storedSchema>;

/** One approval, as it is now: deadlines that passed are applied. A fresh frozen snapshot. */
export interface Approval {
  /** Random, 144 bits. */
  readonly id: string;
  readonly workspaceId: string;
  readonly status: ApprovalStatus;
  readonly riskLevel: RiskLevel;
  /** `category:action`. */
  readonly operationType: string;
  readonly title: string | undefined;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly taskId: string | undefined;
  /** The human or program that answers for the request (`subjectOf`). */
  readonly requesterId: string;
  /** The principal that made the request: an API key differs from its owner. */
  readonly requester: { readonly type: string; readonly id: string };
  /** What the approver is shown of the request, redacted. */
  readonly request: JsonValue | undefined;
  /** SHA-256, hex, of the exact operation. */
  readonly digest: string;
  /** Epoch ms on the store's clock, as all instants here. */
  readonly createdAt: number;
  /** Approve-by: at this instant it is too late. */
  readonly expiresAt: number;
  /** Execute-by, from the approval on: at this instant it is too late. */
  readonly executeBy: number | undefined;
  readonly decision:
    | { readonly decision: "approve" | "reject"; readonly by: string; readonly at: number; readonly notes?: string | undefined }
    | undefined;
  readonly execution:
    | {
        readonly attemptId: string;
        readonly startedAt: number;
        readonly endedAt?: number | undefined;
        readonly httpStatus?: number | undefined;
      }
    | undefined;
  /** Who cancelled or reconciled it. */
  readonly closing: { readonly by: string; readonly at: number; readonly reason?: string | undefined } | undefined;
}

/** What is in a row; `undefined` when a part is missing or of another version, e.g. a row without a digest. */
export function readRecord(record: ApprovalRecord): { readonly approval: Approval; readonly stored: StoredApproval } | undefined {
  const { risk, digest } = record;
  const stored = parseStored(record.data);
  if (stored === undefined || !isRiskLevel(risk) || !isDigest(digest)) return undefined;
  const { id, workspaceId, status, requesterId, createdAt, expiresAt, executeBy } = record;
  const { requester, title, description, metadata, taskId, request, decision, execution, closing } = stored;
  const approval: Approval = Object.freeze({
    ...{ id, workspaceId, status, riskLevel: risk, operationType: record.operation, title, description, metadata: Object.freeze(metadata) },
    ...{ taskId, requesterId, requester: Object.freeze(requester), request, digest, createdAt, expiresAt, executeBy },
    ...{ decision: Object.freeze(decision), execution: Object.freeze(execution), closing: Object.freeze(closing) },
  });
  return { approval, stored };
}

function parseStored(data: string): StoredApproval | undefined {
  try {
    return storedSchema.safeParse(JSON.parse(data)).data;
  } catch {
    return undefined; // not JSON: as unreadable as another version
  }
}
