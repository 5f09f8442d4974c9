import { accessFact, type ClientIp, clientIpFact, correlationIdFact, type Facts, type Principal, principalFact } from "@portcullis/core";
import type { AuditActor, AuditEventInput } from "../event/audit-event.js";

const MAX_ID_LENGTH = 256;
const ANONYMOUS: AuditActor = Object.freeze({ type: "anonymous", id: "anonymous" });

/** What the facts of a request say of who, from where and by what right. */
export type RequestParties = Pick<AuditEventInput, "actor" | "onBehalfOf" | "ip" | "correlationId" | "workspaceId">;

/** Reads them now: guards after this one may set more. @param peer Address of the socket's peer, where no guard resolved the caller's. */
export function requestParties(facts: Facts, peer?: string): RequestParties {
  const principal = facts.get(principalFact);
  const clientIp: ClientIp | undefined = facts.get(clientIpFact);
  return {
    ...whoActs(principal),
    ip: clientIp?.address ?? peer,
    correlationId: facts.get(correlationIdFact),
    workspaceId: workspaceOf(principal),
  };
}

/** By what right the request went on, for the event's details; `undefined` where no permission was checked. */
export function requestAccess(facts: Facts): { readonly [name: string]: unknown } | undefined {
  const access = facts.get(accessFact);
  return access === undefined ? undefined : { ...access };
}

// Who proved to be somebody is who acts: an API key acts for its owner, a trusted caller for whom it vouches.
function whoActs(principal: Principal | undefined): Pick<RequestParties, "actor" | "onBehalfOf"> {
  if (principal === undefined) return { actor: ANONYMOUS };
  const named = { type: principal.type, id: bounded(principal.id) };
  if (principal.via !== undefined) return { actor: { type: "service", id: bounded(principal.via) }, onBehalfOf: named };
  return { actor: named, onBehalfOf: principal.type === "apiKey" ? { type: "user", id: bounded(principal.ownerId) } : undefined };
}

function workspaceOf(principal: Principal | undefined): string | undefined {
  return principal?.workspaceId === undefined ? undefined : bounded(principal.workspaceId);
}

// An id that is too long must not cost the event.
function bounded(id: string): string {
  return id.slice(0, MAX_ID_LENGTH);
}
