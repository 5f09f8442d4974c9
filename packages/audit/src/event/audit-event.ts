import type { JsonValue } from "@portcullis/core";
import { z } from "zod";

/** What kind of thing happened. */
export const AUDIT_CATEGORIES = Object.freeze(["authentication", "authorization", "data", "admin", "security"] as const);
/** How it ended. `denied`: refused by a rule; `failure`: the caller's mistake; `error`: ours; `aborted`: the caller left; `attempted`: recorded before it was done. */
export const AUDIT_OUTCOMES = Object.freeze(["success", "denied", "failure", "error", "aborted", "attempted"] as const);
/** Who acts. */
export const AUDIT_ACTOR_TYPES = Object.freeze(["user", "service", "apiKey", "system", "anonymous"] as const);

export type AuditCategory = (typeof AUDIT_CATEGORIES)[number];
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** Who did it. */
export interface AuditActor {
  readonly type: (typeof AUDIT_ACTOR_TYPES)[number];
  /** 1 to 256 characters; `anonymous` for a caller without credentials. */
  readonly id: string;
  readonly name?: string | undefined;
}

/** What it was done to. */
export interface AuditTarget {
  /** E.g. `workflow`, `api_key`. */
  readonly type: string;
  readonly id?: string | undefined;
  readonly name?: string | undefined;
}

/** What is told to the audit log. Secrets in any text or detail are redacted before anything is hashed or stored. */
export interface AuditEventInput {
  /** Unique in the log: the same id appended again is one entry. A UUIDv7 unless given. */
  readonly id?: string | undefined;
  /** Epoch ms; now unless given. Data of the event: order in the log is order of appending. */
  readonly at?: number | undefined;
  readonly category: AuditCategory;
  /** What was done, as `noun.verb`: letters, digits, `.`, `_`, `-`, `:`; up to 128. */
  readonly action: string;
  readonly outcome: AuditOutcome;
  readonly actor: AuditActor;
  /** Whom the actor acts for: the owner of an API key, the user whom a trusted caller vouches for or whom support impersonates. */
  readonly onBehalfOf?: AuditActor | undefined;
  readonly target?: AuditTarget | undefined;
  readonly reason?: string | undefined;
  readonly ip?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly workspaceId?: string | undefined;
  /** Anything; made into bounded JSON. */
  readonly details?: unknown;
}

/** An event as it is stored. */
export interface AuditEvent extends AuditEventInput {
  /** Version of this schema. */
  readonly v: 1;
  readonly id: string;
  readonly at: number;
  readonly details?: JsonValue | undefined;
  /** JSON pointers of what was redacted. */
  readonly redacted?: readonly string[] | undefined;
  /** JSON pointers of what was cut short or left out because it was too large or unreadable. */
  readonly truncated?: readonly string[] | undefined;
}

const id = z.string().min(1).max(256);
const text = z.string().max(8192);
// Made by bounded-json.ts, or read from JSON: it is JSON. A schema that rebuilds it would drop a member called "__proto__".
const json = z.unknown() as z.ZodType<JsonValue>;
const actor = z.strictObject({ type: z.enum(AUDIT_ACTOR_TYPES), id, name: text.optional() });
const target = z.strictObject({ type: id, id: text.optional(), name: text.optional() });

/** The schema of a stored event. */
export const auditEventSchema: z.ZodType<AuditEvent> = z.strictObject({
  v: z.literal(1),
  id,
  at: z.int().min(-8_640_000_000_000_000).max(8_640_000_000_000_000),
  category: z.enum(AUDIT_CATEGORIES),
  action: z.string().regex(/^[A-Za-z0-9._:-]{1,128}$/, "Write 1 to 128 letters, digits, dots, colons, dashes or underscores."),
  outcome: z.enum(AUDIT_OUTCOMES),
  actor,
  onBehalfOf: actor.optional(),
  target: target.optional(),
  reason: text.optional(),
  ip: text.optional(),
  userAgent: text.optional(),
  correlationId: text.optional(),
  workspaceId: z.string().max(256).optional(),
  details: json.optional(),
  redacted: z.array(z.string()).optional(),
  truncated: z.array(z.string()).optional(),
});
