import {
  type ApprovalStatus,
  createApp,
  createMemoryStore,
  defineRoute,
  type Guard,
  type Principal,
  principalFact,
  type ServicePrincipal,
  type StoreWith,
  toFetchHandler,
  type UserPrincipal,
  ALLOW,
} from "@portcullis/core";
import { createManualClock, type ManualClock } from "@portcullis/testkit";
import {
  type ApprovalEvent,
  type ApprovalPolicy,
  type Approvals,
  type ApprovalsOptions,
  createApprovals,
  requireApproval,
  type RequireApprovalOptions,
} from "@portcullis/approvals";

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

export function user(id: string, extra: Partial<UserPrincipal> = {}): UserPrincipal {
  return {
    ...{ type: "user", id, orgId: "org-1", workspaceId: "ws-1", roles: [], orgRoles: [], scopes: undefined, authMethod: "session" },
    ...{ email: `${id}@example.com`, sessionId: undefined, tokenVersion: 1, mfaAt: undefined, mustChangePassword: false },
    ...extra,
  };
}
export function keyOf(ownerId: string): Principal {
  return {
    ...{ type: "apiKey", id: `key-of-${ownerId}`, ownerId, keyId: "k1", orgId: "org-1", workspaceId: "ws-1" },
    ...{ roles: ["approver"], orgRoles: [], scopes: undefined, authMethod: "apiKey" },
  };
}
export const job: ServicePrincipal = {
  ...{ type: "service", id: "job", name: "job", orgId: "org-1", workspaceId: "ws-1" },
  ...{ roles: [], orgRoles: [], scopes: undefined, authMethod: "token" },
};
export const ada = user("ada");
export const bob = user("bob", { roles: ["approver"] });
export const eve = user("eve");
const people: Readonly<Record<string, Principal>> = {
  ada,
  bob,
  eve,
  "ada-key": keyOf("ada"),
  "bob-elsewhere": user("bob", { workspaceId: "ws-2", roles: ["approver"] }),
  "ada-elsewhere": user("ada", { workspaceId: "ws-2" }),
};

const byApprovers = { canApprove: (principal: Principal) => principal.roles.includes("approver") };
export const policy: ApprovalPolicy = { LOW: byApprovers, MEDIUM: byApprovers, HIGH: byApprovers, CRITICAL: byApprovers };

export const operation = { riskLevel: "HIGH", operationType: "database:drop", description: "Drop staging", by: ada } as const;

export interface Fixture {
  readonly approvals: Approvals;
  readonly store: StoreWith<"approvals">;
  readonly clock: ManualClock;
  readonly events: ApprovalEvent[];
}
export function fixture(options: Partial<ApprovalsOptions> = {}): Fixture {
  const clock = createManualClock();
  const store = options.store ?? createMemoryStore({ clock });
  const events: ApprovalEvent[] = [];
  const approvals = createApprovals({ policy, onEvent: (event) => events.push(event), ...options, store });
  return { approvals, store, clock, events };
}

/** Sets the principal that `x-user` names; the tests' stand-in for authentication. */
export const identify: Guard = {
  name: "identify",
  check(request) {
    const principal = people[request.header("x-user") ?? ""];
    if (principal !== undefined) request.facts.set(principalFact, principal);
    return ALLOW;
  },
};

export interface SendInit {
  readonly user?: string;
  readonly id?: string;
  readonly path?: string;
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}
export interface Gated extends Fixture {
  readonly send: (init?: SendInit) => Promise<Response>;
  /** What the handler was given, once for each run. */
  readonly runs: { readonly body: string }[];
}
/** `POST` and `PUT /workflows/:id` behind the guard, over Fetch. */
export function gated(
  options: {
    readonly gate?: Partial<RequireApprovalOptions>;
    readonly approvals?: Partial<ApprovalsOptions>;
    readonly before?: readonly Guard[];
    readonly respond?: () => Response | Promise<Response>;
  } = {},
): Gated {
  const made = fixture(options.approvals);
  const runs: { readonly body: string }[] = [];
  const guard = requireApproval(made.approvals, {
    riskLevel: "HIGH",
    operationType: "workflow:change",
    description: (request) => `Change workflow ${request.param("id")}`,
    ...options.gate,
  });
  const routes = (["POST", "PUT"] as const).map((method) =>
    defineRoute({
      method,
      path: "/workflows/:id",
      operationId: method,
      summary: "Changes a workflow",
      guards: [...(options.before ?? []), guard],
      handle: async (request) => {
        runs.push({ body: await request.text() });
        return (await options.respond?.()) ?? Response.json({ done: true });
      },
    }),
  );
  const handler = toFetchHandler(createApp({ guards: [identify], routes }));
  return {
    ...made,
    runs,
    async send({
      user: name = "ada",
      id,
      path = "/workflows/7?dry=0",
      method = "POST",
      body = '{"name":"a","size":5}',
      headers = {},
    } = {}) {
      const approval = id === undefined ? {} : { "approval-id": id };
      return handler(
        new Request(`http://localhost${path}`, {
          method,
          body,
          headers: { "content-type": "application/json", "x-user": name, ...approval, ...headers },
        }),
      );
    },
  };
}

/** What the tests read of a response: empty texts where it has no such member. */
export interface WireBody {
  readonly id: string;
  readonly approvalId: string;
  readonly status: unknown;
  readonly [name: string]: unknown;
}

/** Sends, reads the body to its end and lets the after-response hooks run. */
export async function outcomeOf(
  response: Promise<Response>,
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: WireBody }> {
  const { status, headers, ...rest } = await response.then(async (given) => ({
    status: given.status,
    headers: given.headers,
    text: await given.text(),
  }));
  await settled();
  return { status, headers, body: JSON.parse(rest.text) as WireBody };
}

/** Lets everything that is already due run: promise jobs, then one turn of the event loop. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Asks, has bob approve, and returns the id. */
export async function approvedId({ send, approvals }: Gated, init: SendInit = {}): Promise<string> {
  const { body } = await outcomeOf(send(init));
  const id = body.approvalId;
  await approvals.resolve(id, { decision: "approve", by: bob });
  return id;
}

export async function statusOf(approvals: Approvals, id: string): Promise<ApprovalStatus | undefined> {
  return (await approvals.get(id))?.status;
}
