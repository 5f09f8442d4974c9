import { problems, ProblemError } from "@portcullis/core";
import { z } from "zod";

/** What an endpoint can be told. */
export interface EndpointSettings {
  /** Public `https:` address, 2,048 characters at most, without user, password and fragment. */
  readonly url: string;
  /** 1 to 100 exact event types, or `*`. */
  readonly eventTypes: readonly string[];
  /** Up to 256 characters. */
  readonly description?: string;
  /** Up to 20 further request header fields. */
  readonly headers?: Readonly<Record<string, string>>;
}

const MAX_HEADERS = 20;
const MAX_HEADER_VALUE = 1024;
// RFC 9110 §5.6.2 token; values without control characters, so that no value starts a line of its own.
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;
const HEADER_VALUE = /^[\x20-\x7e]*$/;
// Those that frame the message, name its host, or are ours to say.
const RESERVED_HEADER =
  /^(?:host|content-length|content-type|content-encoding|connection|keep-alive|transfer-encoding|te|trailer|upgrade|expect|user-agent|accept-encoding|proxy-.*|(?:x-)?webhook-.*)$/i;

const eventType = z
  .string()
  .regex(/^(?:\*|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)$/, "must be * or words joined by dots")
  .max(128);
const settingsSchema = z.strictObject({
  url: z.string(),
  eventTypes: z.array(eventType).min(1).max(100),
  description: z.string().max(256).optional(),
  headers: z.custom<Readonly<Record<string, string>>>(isHeaders, "must be up to 20 header fields that are not ours to set").optional(),
});

/** @throws {ProblemError} 2002, naming every wrong field. */
export function readSettings<Settings extends Partial<EndpointSettings>>(settings: Settings): Settings {
  const { error } = settingsSchema.partial().safeParse(settings);
  if (error === undefined) return settings;
  const errors = error.issues.map(({ path, message }) => ({ pointer: path.map((step) => `/${String(step)}`).join(""), message }));
  throw new ProblemError(problems.validation({ extensions: { errors } }));
}

function isHeaders(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const fields: readonly (readonly [string, unknown])[] = Object.entries(value);
  return (
    fields.length <= MAX_HEADERS &&
    fields.every(
      ([name, text]) =>
        HEADER_NAME.test(name) &&
        !RESERVED_HEADER.test(name) &&
        typeof text === "string" &&
        text.length <= MAX_HEADER_VALUE &&
        HEADER_VALUE.test(text),
    )
  );
}
