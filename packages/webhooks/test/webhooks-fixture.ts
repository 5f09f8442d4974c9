import { createMemoryStore, type MaybePromise, type StoreWith } from "@portcullis/core";
import { createManualClock, type ManualClock } from "@portcullis/testkit";
import { createWebhooks, type Webhooks, type WebhookEvent, type WebhooksOptions } from "@portcullis/webhooks";
import { afterEach } from "vitest";
import { createReceiver, type Receiver } from "./receiver.js";

export interface Fixture {
  readonly webhooks: Webhooks;
  readonly store: StoreWith<"outbox" | "records">;
  readonly clock: ManualClock;
  readonly receiver: Receiver;
  readonly events: WebhookEvent[];
  /** Another instance of the service, on the same store. */
  another(options?: Partial<WebhooksOptions>): Webhooks;
}

const closing: (() => MaybePromise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Half of the jitter's range is fixed; with all bits set the random half is whole, so delays are the nominal ones. */
const noJitter = (size: number): Uint8Array => (size === 4 ? new Uint8Array(4).fill(0xff) : crypto.getRandomValues(new Uint8Array(size)));

export async function fixture(options: Partial<WebhooksOptions> = {}): Promise<Fixture> {
  const receiver = await createReceiver();
  const clock = createManualClock();
  const store = options.store ?? createMemoryStore({ clock });
  const events: WebhookEvent[] = [];
  const another = (more: Partial<WebhooksOptions> = {}): Webhooks => {
    const webhooks = createWebhooks({
      ...{ store, clock, random: noJitter, sealSecret: (secret) => `sealed:${secret}`, openSecret: (sealed) => sealed.slice(7) },
      ...{ egress: { allow: [`127.0.0.1:${receiver.port}`], allowHttp: true }, onEvent: (event) => void events.push(event) },
      ...options,
      ...more,
    });
    closing.push(() => webhooks.stop({ graceMs: 0 }));
    return webhooks;
  };
  const webhooks = another();
  closing.push(() => receiver.close());
  return { webhooks, store, clock, receiver, events, another };
}

/** Registers the fixture's receiver for everything. */
export async function register({ webhooks, receiver }: Fixture, path = ""): Promise<{ readonly id: string; readonly secret: string }> {
  const { endpoint, secret } = await webhooks.endpoints.register({ workspaceId: "w1", url: receiver.url + path, eventTypes: ["*"] });
  return { id: endpoint.id, secret };
}

export const inW1 = { workspaceId: "w1" };
