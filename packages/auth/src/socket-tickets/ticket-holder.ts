import { freezePrincipal, type SubjectState, type UserPrincipal } from "@portcullis/core";

/** Whom a ticket was made for, and what must still be so when it is used. */
export interface Holder extends Omit<SubjectState, "disabled"> {
  readonly principal: UserPrincipal;
  readonly sessionId: string;
  readonly origin: string | undefined;
  readonly path: string | undefined;
}

export function holderText(holder: Holder): string {
  return JSON.stringify(holder);
}

/** @param text Written by {@link holderText}. JSON drops members that are undefined: named here, so that every principal has them. */
export function holderFrom(text: string): Holder {
  const holder = JSON.parse(text) as Holder; // only this file writes the tickets
  const { email, orgId, workspaceId, scopes, mfaAt } = holder.principal;
  const principal = freezePrincipal({ ...holder.principal, email, orgId, workspaceId, scopes, mfaAt });
  return { ...holder, principal: principal as UserPrincipal, origin: holder.origin, path: holder.path }; // a copy of what went in
}
