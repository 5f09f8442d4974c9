import type { Schema, SchemaResult } from "@portcullis/core";
import { WebhookError } from "./errors.js";

/** The events of an application: type to schema of its data. zod, valibot and arktype schemas all do. */
export type EventCatalogue = Readonly<Record<string, Schema>>;

/** The type names of a catalogue. */
export type EventType<Events extends EventCatalogue> = keyof Events & string;

/** What `publish` takes for an event: what its schema accepts. */
export type EventPayload<S> = S extends { readonly "~standard": { readonly types?: { readonly input: infer Input } | undefined } }
  ? Input
  : unknown;

// Standard Webhooks §"Event types": words joined by dots.
const EVENT_TYPE = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;
const MAX_TYPE_LENGTH = 128;

/** Whether a text can be an event type. */
export function isEventType(type: unknown): type is string {
  return typeof type === "string" && type.length <= MAX_TYPE_LENGTH && EVENT_TYPE.test(type);
}

/**
 * The payload as its schema gives it back; as it is where there is no catalogue.
 *
 * @throws {WebhookError} `unknown_event`, `invalid_payload`.
 */
export async function validateEvent(events: EventCatalogue | undefined, type: string, payload: unknown): Promise<unknown> {
  const schema = events === undefined || !Object.hasOwn(events, type) ? undefined : events[type];
  if (!isEventType(type) || (events !== undefined && schema === undefined)) {
    throw new WebhookError("unknown_event", "The event type is not in the catalogue. Add it to `events`, or correct its name.");
  }
  if (schema === undefined) return payload;
  const result: SchemaResult<unknown> = await schema["~standard"].validate(payload);
  if (result.issues === undefined) return result.value;
  const places = result.issues.map(
    ({ path = [] }) => path.map((step) => String(typeof step === "object" ? step.key : step)).join(".") || "(the whole)",
  );
  throw new WebhookError("invalid_payload", `The payload of "${type}" does not fit its schema at: ${places.join(", ")}.`);
}
