import type { JsonValue } from "@portcullis/core";
import { AuditError } from "../errors.js";
import { type AuditActor, type AuditEvent, type AuditEventInput, auditEventSchema, type AuditTarget } from "./audit-event.js";
import { BoundedJson, type EventBounds } from "./bounded-json.js";
import { createEventId } from "./event-id.js";
import type { IsSecretName } from "./secret-names.js";

/** Every event fits into some 100 kB, whatever is thrown at it. */
export const EVENT_BOUNDS: EventBounds = Object.freeze({ maxTextLength: 4096, maxTotalLength: 65_536, maxMembers: 1000, maxDepth: 12 });

/** What an event needs beside its input. */
export interface EventSurroundings {
  readonly now: () => number;
  readonly isSecretName: IsSecretName;
}

/**
 * The event as it will be stored: complete, bounded, without secrets.
 *
 * @throws {AuditError} `invalid_event`: a member that must be exact is missing or wrong. Too much text or strange details never throw.
 */
export function prepareEvent(input: AuditEventInput, { now, isSecretName }: EventSurroundings): AuditEvent {
  if (typeof input !== "object" || input === null) throw invalidEvent("it is not an object");
  const json = new BoundedJson(EVENT_BOUNDS, isSecretName);
  const text = (value: unknown, pointer: string): unknown => (typeof value === "string" ? json.text(value, pointer) : value);
  const { at = now() } = input;
  const candidate = compact({
    v: 1,
    id: input.id ?? createEventId(at),
    at,
    category: input.category,
    action: input.action,
    outcome: input.outcome,
    actor: party(input.actor, "/actor", text),
    onBehalfOf: party(input.onBehalfOf, "/onBehalfOf", text),
    target: party(input.target, "/target", text),
    reason: text(input.reason, "/reason"),
    ip: text(input.ip, "/ip"),
    userAgent: text(input.userAgent, "/userAgent"),
    correlationId: text(input.correlationId, "/correlationId"),
    workspaceId: input.workspaceId,
    details: input.details === undefined ? undefined : json.value(input.details, "/details"),
    redacted: json.redacted.length === 0 ? undefined : json.redacted,
    truncated: json.truncated.length === 0 ? undefined : json.truncated,
  });
  const { success, data, error } = auditEventSchema.safeParse(candidate);
  if (success) return data;
  throw invalidEvent(error.issues.map(({ path, message }) => `/${path.join("/")}: ${message}`).join(" "));
}

/**
 * JSON of an event on one line. Line and paragraph separators, C1 controls and characters that turn the direction of text are
 * escaped, so that no viewer shows a forged line (CWE-117, CVE-2021-42574).
 */
export function serialiseEvent(event: AuditEvent): string {
  return JSON.stringify(event).replaceAll(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

// Escapes on purpose: these characters do not show in an editor either.
const UNSAFE = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function party(value: AuditActor | AuditTarget | undefined, pointer: string, text: (value: unknown, pointer: string) => unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { type, id, name, ...rest } = value;
  // Whatever else it carries is refused by the schema, by name.
  return compact({ ...rest, type, id: text(id, `${pointer}/id`), name: text(name, `${pointer}/name`) });
}

function compact(members: { readonly [name: string]: unknown }): { [name: string]: unknown } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function invalidEvent(what: string): AuditError {
  return new AuditError("invalid_event", `The event cannot be recorded: ${what}`);
}

/** The event of stored JSON; `undefined` when it is not one. */
export function readEvent(json: unknown): AuditEvent | undefined {
  if (typeof json !== "object" || json === null) return undefined;
  const { log: _log, index: _index, previous: _previous, ...event } = json as { readonly [name: string]: JsonValue }; // parsed from JSON
  const { success, data } = auditEventSchema.safeParse(event);
  return success ? data : undefined;
}
