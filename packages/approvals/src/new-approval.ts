import { type JsonValue, type Principal, problems, ProblemError, subjectOf } from "@portcullis/core";
import { z } from "zod";
import { RISK_LEVELS, type RiskLevel } from "./risk.js";

/** Bounds of what is asked. Lengths are UTF-16 code units, the unit of `String.length`. */
export const BOUNDS = Object.freeze({
  title: 256,
  description: 4096,
  operationType: 128,
  metadataKeys: 20,
  metadataText: 256,
  metadataTotal: 8192,
  taskId: 256,
  reason: 4096,
  ttlMinSeconds: 60,
  ttlMaxSeconds: 604_800,
});

/** What an approver is asked to agree to. */
export interface ApprovalSubject {
  readonly riskLevel: RiskLevel;
  /** `category:action`: two segments of `a-z 0-9 _ . -`, together 128 characters at most. */
  readonly operationType: string;
  /** 1 to 256. */
  readonly title?: string;
  /** 1 to 4096 after trimming. */
  readonly description: string;
  /** At most 20 strings of at most 256 under keys of 1 to 256; together 8,192 at most. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The agent's or job's task; 1 to 256. */
  readonly taskId?: string;
}

const operationType = z
  .string()
  .max(BOUNDS.operationType)
  .regex(/^[a-z0-9_.-]+:[a-z0-9_.-]+$/, "must be category:action, each of a-z 0-9 _ . -");
const title = z.string().trim().min(1).max(BOUNDS.title);
const description = z.string().trim().min(1).max(BOUNDS.description);
// Not z.record: it would drop a __proto__ key silently where it must be refused.
const metadata = z.custom<Readonly<Record<string, string>>>(
  isMetadata,
  `must be an object of at most ${BOUNDS.metadataKeys} strings, keys 1 to ${BOUNDS.metadataText} and values up to ${BOUNDS.metadataText} characters, ${BOUNDS.metadataTotal} in all`,
);

const subjectMembers = {
  riskLevel: z.enum(RISK_LEVELS),
  operationType,
  title: title.optional(),
  description,
  metadata: metadata.optional(),
  taskId: z.string().min(1).max(BOUNDS.taskId).optional(),
};
const subjectSchema = z.object(subjectMembers);

/** The body of `POST /approvals`. `input` is the data of the operation; it joins the digest and is shown redacted. */
export const approvalBodySchema = z.strictObject({
  ...subjectMembers,
  input: z.custom<JsonValue>((value) => value !== undefined).optional(),
  ttlSeconds: z.int().min(BOUNDS.ttlMinSeconds).max(BOUNDS.ttlMaxSeconds).optional(),
});

/** Optional text of a decision; what it needs to say is checked where the decision is known. */
export const notesSchema = z.string().max(BOUNDS.reason).optional();

/** @throws {ProblemError} 2002, naming every wrong field. */
export function readSubject(subject: ApprovalSubject): ApprovalSubject {
  const { success, data, error } = subjectSchema.safeParse(subject);
  if (!success) throw invalidFields(error.issues);
  // zod's optional members may be present and undefined; ours are absent.
  const { title: titleText, metadata: pairs, taskId, ...rest } = data;
  return {
    ...rest,
    ...(titleText === undefined ? {} : { title: titleText }),
    ...(pairs === undefined ? {} : { metadata: { ...pairs } }),
    ...(taskId === undefined ? {} : { taskId }),
  };
}

/** Whether a time to live is a whole number of seconds within the bounds. */
export function isTtlMs(value: unknown): value is number {
  const seconds = typeof value === "number" ? value / 1000 : Number.NaN;
  return Number.isInteger(seconds) && seconds >= BOUNDS.ttlMinSeconds && seconds <= BOUNDS.ttlMaxSeconds;
}

/** A reason people can read, trimmed. @throws {ProblemError} 2008 when nothing in it is visible, 2002 when it is too long. */
export function readReason(text: string | undefined): string {
  const notes = readNotes(text);
  // Blank, zero-width and filler characters look like no reason at all (U+2800 is a blank that Unicode calls a symbol).
  if (notes === undefined || notes.replaceAll(/[\s\p{C}\p{Default_Ignorable_Code_Point}\u2800]/gu, "") === "")
    throw new ProblemError(problems.reasonRequired());
  return notes;
}

/** Optional notes, trimmed. @throws {ProblemError} 2002 when they are too long or no text. */
export function readNotes(text: string | undefined): string | undefined {
  const { success, data, error } = notesSchema.safeParse(text);
  if (!success) throw invalidFields(error.issues.map((issue) => ({ ...issue, path: ["notes"] })));
  return data?.trim();
}

/** The one answering for a request, as it is stored and as the digest covers it. */
export function requesterOf(principal: Principal): {
  readonly type: string;
  readonly id: string;
  readonly subject: string;
  readonly organisation: string | null;
} {
  return { type: principal.type, id: principal.id, subject: subjectOf(principal), organisation: principal.orgId ?? null };
}

/** The workspace of a principal; without workspaces its organisation, so that two organisations never share a list. */
export function homeWorkspaceOf(principal: Principal): string {
  return principal.workspaceId ?? (principal.orgId === undefined ? "" : `organisation:${principal.orgId}`);
}

function isMetadata(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  const pairs = Object.entries(value) as [string, unknown][]; // of an object of any kind
  const isBounded = pairs.every(([key, text]) => isMetadataKey(key) && typeof text === "string" && text.length <= BOUNDS.metadataText);
  return (
    isBounded &&
    pairs.length <= BOUNDS.metadataKeys &&
    pairs.reduce((total, [key, text]) => total + key.length + String(text).length, 0) <= BOUNDS.metadataTotal
  );
}

function isMetadataKey(key: string): boolean {
  // CWE-1321: a later merge of these would change every object of the process.
  return key.length >= 1 && key.length <= BOUNDS.metadataText && key !== "__proto__" && key !== "constructor" && key !== "prototype";
}

function invalidFields(issues: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[]): ProblemError {
  const errors = issues.map(({ path, message }) => ({ pointer: path.map((step) => `/${String(step)}`).join(""), message }));
  return new ProblemError(problems.validation({ extensions: { errors } }));
}
