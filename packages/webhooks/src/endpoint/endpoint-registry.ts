import { type Clock, type MaybePromise, problems, ProblemError, type Records, StoreUnavailable, type StoredRecord } from "@portcullis/core";
import type { EgressRules } from "../egress/egress-rules.js";
import { WebhookError } from "../errors.js";
import { createWebhookSecret, secretKey } from "../signature/secret.js";
import { type Endpoint, parseEndpoint, type StoredEndpoint } from "./endpoint.js";
import { readSettings } from "./endpoint-input.js";
import type { Endpoints, OpenSecret, SealSecret } from "./endpoints.js";

/** What sending needs beside it. */
export interface EndpointRegistry extends Endpoints {
  /** The enabled endpoints of a workspace that want this event. */
  subscribers(workspaceId: string, eventType: string): Promise<readonly string[]>;
  /** Makes or updates the endpoint that `deliver` addresses by hand. */
  ensureDirect(direct: { readonly id: string; readonly workspaceId: string; readonly url: string; readonly secret: string }): Promise<void>;
  /** Where to send and what to sign with, now; `undefined` when it was removed. */
  target(id: string): Promise<DeliveryTarget | undefined>;
  /** Switches it off while it still has this address: what an old address said is not about the new one. @returns whether it did. */
  disable(id: string, url: string, reason: string): Promise<boolean>;
}

/** Where a delivery goes. */
export interface DeliveryTarget {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly enabled: boolean;
  /** Opened, the newest first. */
  openSecrets(): Promise<readonly string[]>;
}

/** What the registry stands on. */
export interface EndpointRegistryOptions {
  readonly records: Records;
  readonly rules: EgressRules;
  readonly sealSecret: SealSecret;
  readonly openSecret: OpenSecret;
  readonly maxEndpoints: number;
  readonly clock: Clock;
  readonly createId: () => string;
  readonly random: (size: number) => Uint8Array;
}

const COLLECTION = "webhook-endpoints";
const PAGE_LIMIT = 200;
const DEFAULT_LIMIT = 50;
const DEFAULT_OVERLAP_MS = 86_400_000;
const MAX_OVERLAP_MS = 2_592_000_000;
// Each lost race means that someone else changed the endpoint meanwhile.
const MAX_RACES = 100;

/** Endpoints as records of the store; changes by compare-and-set. */
export function createEndpointRegistry(options: EndpointRegistryOptions): EndpointRegistry {
  const { records, rules, sealSecret, openSecret, maxEndpoints, clock, createId, random } = options;

  const find = async (id: string, workspaceId: string | undefined): Promise<StoredRecord | undefined> => {
    const record = await records.find(COLLECTION, { id });
    return record !== undefined && (workspaceId === undefined || record.scope === workspaceId) ? record : undefined;
  };

  const change = async (
    id: string,
    workspaceId: string | undefined,
    edit: (stored: StoredEndpoint) => MaybePromise<StoredEndpoint>,
  ): Promise<Endpoint | undefined> => {
    for (let race = 0; race < MAX_RACES; race += 1) {
      const record = await find(id, workspaceId);
      if (record === undefined) return undefined;
      const value = JSON.stringify(await edit(parseEndpoint(id, record.value)));
      const replaced = await records.replace(COLLECTION, id, record.revision, value);
      if (replaced !== undefined) return toEndpoint(replaced);
    }
    throw new StoreUnavailable("records.replace");
  };

  const seal = async (endpointId: string, secret: string): Promise<StoredEndpoint["secrets"][number]> => {
    secretKey(secret); // weak ones are refused before anything is stored
    return { sealed: await sealSecret(secret, { endpointId }) };
  };

  const pagesOf = async function* (workspaceId: string): AsyncGenerator<StoredRecord> {
    let after: string | undefined;
    do {
      const page = await records.list(COLLECTION, { scope: workspaceId, limit: PAGE_LIMIT, ...(after === undefined ? {} : { after }) });
      yield* page.records;
      after = page.records.length < PAGE_LIMIT ? undefined : page.records.at(-1)?.id;
    } while (after !== undefined);
  };

  return {
    async register({ workspaceId, secret = createWebhookSecret(random), ...settings }) {
      const { url, eventTypes, description, headers = {} } = readSettings(settings);
      const { total } = await records.list(COLLECTION, { scope: workspaceId, limit: 1 });
      if (total >= maxEndpoints)
        throw new ProblemError(problems.conflict({ detail: `A workspace has at most ${maxEndpoints} webhook endpoints.` }));
      const id = `ep_${createId()}`;
      const stored: StoredEndpoint = {
        ...{ v: 1, direct: false, url: requireUrl(rules, url), eventTypes: [...eventTypes], headers: { ...headers }, enabled: true },
        ...(description === undefined ? {} : { description }),
        secrets: [await seal(id, secret)],
      };
      const record = await records.insert(COLLECTION, { id, scope: workspaceId, value: JSON.stringify(stored) });
      if (record === undefined) throw new StoreUnavailable("records.insert"); // a random id that is taken
      return { endpoint: toEndpoint(record), secret };
    },

    async get(id, workspaceId) {
      const record = await find(id, workspaceId);
      return record && toEndpoint(record);
    },

    async list({ workspaceId, limit = DEFAULT_LIMIT, cursor }) {
      const bounded = Math.min(PAGE_LIMIT, Math.max(1, Math.trunc(limit) || 1)); // NaN too is a number
      const page = await records.list(COLLECTION, {
        scope: workspaceId,
        limit: bounded,
        ...(cursor === undefined ? {} : { after: cursor }),
      });
      const nextCursor = page.records.length < bounded ? undefined : page.records.at(-1)?.id;
      return { endpoints: page.records.map(toEndpoint), total: page.total, ...(nextCursor === undefined ? {} : { nextCursor }) };
    },

    async update(id, workspaceId, { enabled, ...settings }) {
      const { url, eventTypes, description, headers } = readSettings(settings);
      const checked = url === undefined ? {} : { url: requireUrl(rules, url) };
      const updated = await change(id, workspaceId, ({ disabledReason, ...stored }) => ({
        ...stored,
        ...checked,
        ...(eventTypes === undefined ? {} : { eventTypes: [...eventTypes] }),
        ...(description === undefined ? {} : { description }),
        ...(headers === undefined ? {} : { headers: { ...headers } }),
        ...(enabled === undefined ? {} : { enabled }),
        ...(disabledReason === undefined || enabled === true ? {} : { disabledReason }),
      }));
      return updated ?? missing();
    },

    async remove(id, workspaceId) {
      return (await find(id, workspaceId)) !== undefined && (await records.remove(COLLECTION, id));
    },

    async rotate(id, workspaceId, { overlapMs = DEFAULT_OVERLAP_MS } = {}) {
      if (!(overlapMs >= 0 && overlapMs <= MAX_OVERLAP_MS)) {
        throw new ProblemError(
          problems.validation({ extensions: { errors: [{ pointer: "/overlapMs", message: "must be 0 to 2592000000" }] } }),
        );
      }
      const secret = createWebhookSecret(random);
      const fresh = await seal(id, secret);
      const endpoint = await change(id, workspaceId, (stored) => {
        const notAfter = clock.now() + overlapMs;
        // A second rotation does not prolong what the first one ends; signing with a dozen secrets helps nobody.
        const older = stored.secrets.filter((known) => (known.notAfter ?? Infinity) > clock.now()).slice(0, 1);
        return {
          ...stored,
          secrets: [fresh, ...older.map((known) => ({ ...known, notAfter: Math.min(notAfter, known.notAfter ?? Infinity) }))],
        };
      });
      return { endpoint: endpoint ?? missing(), secret };
    },

    async subscribers(workspaceId, eventType) {
      const ids: string[] = [];
      for await (const { id, value } of pagesOf(workspaceId)) {
        const { enabled, eventTypes } = parseEndpoint(id, value);
        if (enabled && eventTypes.some((type) => type === "*" || type === eventType)) ids.push(id);
      }
      return ids;
    },

    async ensureDirect({ id, workspaceId, url, secret }) {
      const checked = requireUrl(rules, url);
      for (let race = 0; race < MAX_RACES; race += 1) {
        const record = await find(id, undefined);
        if (record === undefined) {
          const stored: StoredEndpoint = {
            v: 1,
            direct: true,
            url: checked,
            eventTypes: [],
            headers: {},
            enabled: true,
            secrets: [await seal(id, secret)],
          };
          if ((await records.insert(COLLECTION, { id, scope: workspaceId, value: JSON.stringify(stored) })) !== undefined) return;
          continue;
        }
        const stored = parseEndpoint(id, record.value);
        if (!stored.direct || record.scope !== workspaceId)
          throw new WebhookError(
            "webhook_id_taken",
            "This webhookId belongs to a registered endpoint. Leave out url and secret to send to it, or choose another id.",
          );
        const [known] = stored.secrets;
        const isSame =
          stored.enabled &&
          stored.url === checked &&
          known !== undefined &&
          (await openSecret(known.sealed, { endpointId: id })) === secret;
        if (isSame) return;
        const { disabledReason: _was, ...rest } = stored;
        const value = JSON.stringify({ ...rest, url: checked, enabled: true, secrets: [await seal(id, secret)] } satisfies StoredEndpoint);
        if ((await records.replace(COLLECTION, id, record.revision, value)) !== undefined) return;
      }
      throw new StoreUnavailable("records.replace");
    },

    async target(id) {
      const record = await find(id, undefined);
      if (record === undefined) return undefined;
      const { url, headers, enabled, secrets } = parseEndpoint(id, record.value);
      const valid = secrets.filter(({ notAfter }) => notAfter === undefined || clock.now() < notAfter);
      return {
        url,
        headers,
        enabled,
        openSecrets: () => Promise.all(valid.map(async ({ sealed }) => openSecret(sealed, { endpointId: id }))),
      };
    },

    async disable(id, url, reason) {
      const changed = await change(id, undefined, (stored) =>
        stored.url === url ? { ...stored, enabled: false, disabledReason: reason } : stored,
      );
      return changed?.url === url;
    },
  };
}

function toEndpoint({ id, scope, value, createdAt, updatedAt }: StoredRecord): Endpoint {
  const { url, eventTypes, description, headers, enabled, disabledReason } = parseEndpoint(id, value);
  const shown = { url, description, enabled, disabledReason, eventTypes: Object.freeze(eventTypes), headers: Object.freeze(headers) };
  return Object.freeze({ id, workspaceId: scope, ...shown, createdAt, updatedAt });
}

function requireUrl(rules: EgressRules, url: string): string {
  try {
    return rules.checkUrl(url).href;
  } catch (cause) {
    throw new ProblemError(problems.egressBlocked(), { cause });
  }
}

function missing(): never {
  throw new ProblemError(problems.notFound());
}
