import type { MaybePromise } from "@portcullis/core";
import type { Endpoint } from "./endpoint.js";
import type { EndpointSettings } from "./endpoint-input.js";

/** Turns a secret into what the store may keep. */
export type SealSecret = (secret: string, context: { readonly endpointId: string }) => MaybePromise<string>;
/** The inverse of {@link SealSecret}; an exception puts the delivery off. */
export type OpenSecret = (sealed: string, context: { readonly endpointId: string }) => MaybePromise<string>;

/** The registered receivers. An endpoint of another workspace than the one given does not exist. */
export interface Endpoints {
  /**
   * Adds a receiver. The secret is shown here once and never again.
   *
   * @throws {ProblemError} 2002 a field is out of bounds, 7002 the address may not be called, 4001 the workspace has its most.
   * @throws {WebhookError} `invalid_secret`.
   */
  register(
    endpoint: EndpointSettings & { readonly workspaceId: string; readonly secret?: string },
  ): Promise<{ readonly endpoint: Endpoint; readonly secret: string }>;
  get(id: string, workspaceId: string): Promise<Endpoint | undefined>;
  /** By id. @param page `limit` 1 to 200, default 50; `cursor` is `nextCursor` of the page before. */
  list(page: {
    readonly workspaceId: string;
    readonly limit?: number;
    readonly cursor?: string | undefined;
  }): Promise<{ readonly endpoints: readonly Endpoint[]; readonly total: number; readonly nextCursor?: string }>;
  /**
   * Changes what is given. Enabling sends what is published from now on; what was dead-lettered stays until it is retried.
   *
   * @throws {ProblemError} 3001 no such endpoint, 2002, 7002.
   */
  update(id: string, workspaceId: string, change: Partial<EndpointSettings> & { readonly enabled?: boolean }): Promise<Endpoint>;
  /** @returns whether this call removed it. What waits for it is dead-lettered when it comes due. */
  remove(id: string, workspaceId: string): Promise<boolean>;
  /**
   * Makes a new secret. Deliveries carry a signature under each until the old one's time is over.
   *
   * @param options `overlapMs` 0 to 2,592,000,000 (30 days), default 24 h.
   * @throws {ProblemError} 3001 no such endpoint.
   */
  rotate(
    id: string,
    workspaceId: string,
    options?: { readonly overlapMs?: number },
  ): Promise<{ readonly endpoint: Endpoint; readonly secret: string }>;
}
