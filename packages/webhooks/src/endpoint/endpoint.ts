import { z } from "zod";
import { WebhookError } from "../errors.js";

/** Where events are sent. A fresh frozen snapshot; never a secret. */
export interface Endpoint {
  readonly id: string;
  readonly workspaceId: string;
  readonly url: string;
  /** Exact event types, or `*` for all. Empty for endpoints that only `deliver` addresses. */
  readonly eventTypes: readonly string[];
  readonly description: string | undefined;
  /** Sent with every delivery. */
  readonly headers: Readonly<Record<string, string>>;
  readonly enabled: boolean;
  /** Why the receiver or we switched it off. */
  readonly disabledReason: string | undefined;
  /** Epoch ms, store time, as all instants here. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

const storedSchema = z.strictObject({
  v: z.literal(1),
  /** `deliver` made it; its address and secret follow each call. */
  direct: z.boolean(),
  url: z.string(),
  eventTypes: z.array(z.string()),
  description: z.string().optional(),
  headers: z.record(z.string(), z.string()),
  enabled: z.boolean(),
  disabledReason: z.string().optional(),
  /** Sealed, the newest first; `notAfter` is when an older one stops signing. */
  secrets: z.array(z.strictObject({ sealed: z.string(), notAfter: z.number().optional() })).min(1),
});

/** The JSON of an endpoint's record. */
export type StoredEndpoint = z.infer<typeof storedSchema>;

/** @throws {WebhookError} `unreadable_endpoint`: the record was written by another version. */
export function parseEndpoint(id: string, value: string): StoredEndpoint {
  try {
    return storedSchema.parse(JSON.parse(value));
  } catch (cause) {
    throw new WebhookError("unreadable_endpoint", `Endpoint ${id} was written by another version. Register it again.`, { cause });
  }
}
