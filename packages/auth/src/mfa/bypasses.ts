// Programs have no second factor. Where their roles need one, somebody has to say so, for how long, and why (SOC 2 CC5-01).

import { problems, type StoredRecord } from "@portcullis/core";
import { type AuthDenial, type AuthResult, denied, ok } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import { DAY_MS } from "../settings/option-checks.js";
import { MFA_CONTROL } from "./mfa-event.js";

/** A bypass to be granted. */
export interface NewBypass {
  /** The id of an account of type `service`, or `system:` and the name of a service that calls with system tokens. */
  readonly serviceId: string;
  /** Why; 10 to 500 characters, for whoever audits it. */
  readonly reason: string;
  /** Who decided it; 1 to 128 characters, not the service itself. */
  readonly approvedBy: string;
  /** Epoch ms, at most 365 d ahead; default: 90 d from now. At this instant it is over. */
  readonly expiresAt?: number;
}

/** A bypass that was granted. */
export interface Bypass extends Required<NewBypass> {
  readonly id: string;
  /** Epoch ms. */
  readonly grantedAt: number;
}

/** Leave for services to act without a second factor in roles that need one. Never for people, their passwords, sessions or keys. */
export interface Bypasses {
  /**
   * Denied: `validation`, `notFound` (no such account, or one of a person), `conflict` (there is one in force: revoke it first).
   * Whoever calls it decides who may.
   */
  grant(bypass: NewBypass): Promise<AuthResult<Bypass>>;
  /** By id, ascending; `after` is the last id of the page before. Over ones are left out. @param page At most 1,000 at once. */
  list(page?: { readonly limit?: number; readonly after?: string }): Promise<readonly Bypass[]>;
  /** Ends one at once. Denied: `notFound`. */
  revoke(bypassId: string): Promise<AuthResult<Bypass>>;
}

/** {@link Bypasses}, and how they are found. */
export interface BypassRegister extends Bypasses {
  /** The bypass of a service that is in force now. Notes and removes one that is over. */
  inForceFor(serviceId: string): Promise<Bypass | undefined>;
}

const COLLECTION = "auth-mfa-bypasses";
const SCOPE = "bypasses";
const ID_BYTES = 15;
const DEFAULT_LIFE_MS = 90 * DAY_MS;
const LONGEST_LIFE_MS = 365 * DAY_MS;
const REASON = /^(?=.*\S)\P{Cc}{10,500}$/u;
const APPROVER = /^\P{Cc}{1,128}$/u;
/** Names services that call with system tokens and have no account. */
export const SYSTEM_SERVICE = /^system:[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$/; // as createSystemToken takes them

export function createBypasses(settings: AuthSettings, instruments: Instruments): BypassRegister {
  const { clock, random, store, users } = settings;
  const { records } = store;

  const tell = (kind: "mfa_bypass_granted" | "mfa_bypass_revoked" | "mfa_bypass_expired", bypass: Bypass): void => {
    const { id: bypassId, serviceId, reason, approvedBy, expiresAt } = bypass;
    instruments.emit({ kind, control: MFA_CONTROL, bypassId, serviceId, reason, approvedBy, expiresAt });
  };

  async function inForceFor(serviceId: string): Promise<Bypass | undefined> {
    const record = await records.find(COLLECTION, { uniqueKey: serviceId });
    if (record === undefined) return undefined;
    const bypass = toBypass(record);
    return (await isOver(record, bypass)) ? undefined : bypass;
  }

  async function isOver(record: StoredRecord, bypass: Bypass): Promise<boolean> {
    if (clock.now() < bypass.expiresAt) return false;
    // Of all that notice, one removes it and tells.
    if (await records.remove(COLLECTION, record.id, record.revision)) tell("mfa_bypass_expired", bypass);
    return true;
  }

  return Object.freeze({
    inForceFor,
    async grant(asked: NewBypass): Promise<AuthResult<Bypass>> {
      const grantedAt = clock.now();
      const { serviceId, reason, approvedBy, expiresAt = grantedAt + DEFAULT_LIFE_MS } = asked;
      const problem = refusalOf({ serviceId, reason, approvedBy, expiresAt }, grantedAt);
      if (problem !== undefined) return problem;
      if (!SYSTEM_SERVICE.test(serviceId) && (await users.byId(serviceId))?.type !== "service") return denied(problems.notFound());
      // Removes one that is over, which would be in the way.
      if ((await inForceFor(serviceId)) !== undefined) return alreadyGranted();
      const id = Buffer.from(random(ID_BYTES)).toString("base64url");
      const bypass: Bypass = Object.freeze({ id, serviceId, reason, approvedBy, expiresAt, grantedAt });
      const stored = await records.insert(COLLECTION, { id, scope: SCOPE, uniqueKey: serviceId, value: JSON.stringify(bypass) });
      if (stored === undefined) return alreadyGranted();
      tell("mfa_bypass_granted", bypass);
      return ok(bypass);
    },
    async list(page: { readonly limit?: number; readonly after?: string } = {}): Promise<readonly Bypass[]> {
      const { limit = 1000, after } = page;
      const found = await records.list(COLLECTION, { scope: SCOPE, limit, ...(after === undefined ? {} : { after }) });
      const inForce: Bypass[] = [];
      for (const record of found.records) {
        const bypass = toBypass(record);
        if (!(await isOver(record, bypass))) inForce.push(bypass);
      }
      return Object.freeze(inForce);
    },
    async revoke(bypassId: string): Promise<AuthResult<Bypass>> {
      const record = await records.find(COLLECTION, { id: bypassId });
      if (record === undefined || !(await records.remove(COLLECTION, bypassId, record.revision))) return denied(problems.notFound());
      const bypass = toBypass(record);
      tell("mfa_bypass_revoked", bypass);
      return ok(bypass);
    },
  });
}

function refusalOf({ serviceId, reason, approvedBy, expiresAt }: Required<NewBypass>, now: number): AuthDenial | undefined {
  const errors: { in: string; pointer: string; message: string }[] = [];
  const refuse = (pointer: string, message: string): void => void errors.push({ in: "body", pointer, message });
  if (typeof serviceId !== "string" || serviceId === "" || serviceId.length > 128) refuse("/service_id", "Name a service account.");
  if (typeof reason !== "string" || !REASON.test(reason) || reason.trim().length < 10)
    refuse("/reason", "Say why, in 10 to 500 characters.");
  if (typeof approvedBy !== "string" || !APPROVER.test(approvedBy)) refuse("/approved_by", "Name who decided it.");
  else if (approvedBy === serviceId) refuse("/approved_by", "Somebody else than the service must decide it.");
  if (!Number.isSafeInteger(expiresAt) || expiresAt <= now || expiresAt > now + LONGEST_LIFE_MS) {
    refuse("/expires_at", "Choose an instant (epoch ms) ahead, at most 365 days from now.");
  }
  return errors.length === 0 ? undefined : denied(problems.validation({ extensions: { errors } }));
}

function alreadyGranted(): AuthDenial {
  return denied(problems.conflict({ detail: "This service has a bypass in force. Revoke it first." }));
}

function toBypass(record: StoredRecord): Bypass {
  return Object.freeze(JSON.parse(record.value) as Bypass); // only this file writes the collection
}
