import { ConfigurationError, type JsonValue, type Principal } from "@portcullis/core";
import type { Approval } from "./approval.js";
import type { Approvals } from "./create-approvals.js";
import type { Executions } from "./execution.js";
import type { ApprovalSubject } from "./new-approval.js";
import type { Redact } from "./redact.js";

/** A request for approval whose digest is known. */
export interface ApprovalTicket {
  readonly subject: ApprovalSubject;
  readonly by: Principal;
  readonly workspaceId: string;
  readonly digest: string;
  /** Redacted. */
  readonly shown: JsonValue | undefined;
  readonly ttlMs: number | undefined;
}

/** What the guard and the routes need of approvals beside their public face. */
export interface Desk extends Executions {
  readonly prefix: string;
  readonly pollAfterMs: number;
  readonly redact: Redact;
  /** Adds the requester and the policy to what a digest covers. */
  digest(content: { readonly [name: string]: JsonValue }, by: Principal, workspaceId: string): string;
  open(ticket: ApprovalTicket): Promise<{ readonly approval: Approval; readonly created: boolean }>;
}

const desks = new WeakMap<Approvals, Desk>();

/** Keeps the desk of these approvals out of their public face. */
export function setDesk(approvals: Approvals, desk: Desk): void {
  desks.set(approvals, desk);
}

/** @throws {ConfigurationError} These approvals were not made by `createApprovals`. */
export function deskOf(approvals: Approvals): Desk {
  const desk = desks.get(approvals);
  if (desk === undefined)
    throw new ConfigurationError("invalid_option", "Pass the object that createApprovals returned, not a copy or a wrapper of it.");
  return desk;
}
