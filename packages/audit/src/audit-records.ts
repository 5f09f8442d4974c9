import type { AuditReceipt } from "./append-queue.js";
import type { AuditEventInput, AuditOutcome } from "./event/audit-event.js";

/** What a helper is told: the event but for what the helper knows. */
export type AuditRecord = Omit<AuditEventInput, "category" | "action" | "outcome"> & {
  /** Default: `success`; of a denied permission `denied`. */
  readonly outcome?: AuditOutcome;
};

/** One method for each kind of event, so that the same thing is called the same everywhere. */
export interface AuditRecords {
  /** `auth.login` */
  login(record: AuditRecord): Promise<AuditReceipt>;
  /** `auth.logout` */
  logout(record: AuditRecord): Promise<AuditReceipt>;
  /** `mfa.enable`, `mfa.disable`, `mfa.verify` */
  mfa(change: "enable" | "disable" | "verify", record: AuditRecord): Promise<AuditReceipt>;
  /** `api_key.generate`, `api_key.rotate`, `api_key.revoke` */
  apiKey(change: "generate" | "rotate" | "revoke", record: AuditRecord): Promise<AuditReceipt>;
  /** `permission.granted`, `permission.denied` */
  permission(decision: "granted" | "denied", record: AuditRecord): Promise<AuditReceipt>;
  /** `role.assign`, `role.remove` */
  roleChange(change: "assign" | "remove", record: AuditRecord): Promise<AuditReceipt>;
  /** `data.read`, `data.create`, `data.update`, `data.delete` */
  data(operation: "read" | "create" | "update" | "delete", record: AuditRecord): Promise<AuditReceipt>;
  /** A change of configuration or users, e.g. `user.disable`. */
  admin(action: string, record: AuditRecord): Promise<AuditReceipt>;
  /** An anomaly, a key rotation, a lockout, e.g. `account.locked`. */
  security(action: string, record: AuditRecord): Promise<AuditReceipt>;
  /** Someone looks at something secret: `api_key.read`. The target's type is the resource unless the record names one. */
  sensitiveAccess(resource: string, action: string, record: AuditRecord): Promise<AuditReceipt>;
}

/** The helpers over `append`. */
export function auditRecords(append: (input: AuditEventInput) => Promise<AuditReceipt>): AuditRecords {
  const recorder = (category: AuditEventInput["category"]) => (action: string, record: AuditRecord) =>
    append({ ...record, category, action, outcome: record.outcome ?? "success" });
  const [authentication, authorization, data, admin, security] = [
    recorder("authentication"),
    recorder("authorization"),
    recorder("data"),
    recorder("admin"),
    recorder("security"),
  ];
  return {
    login: (record) => authentication("auth.login", record),
    logout: (record) => authentication("auth.logout", record),
    mfa: (change, record) => authentication(`mfa.${change}`, record),
    apiKey: (change, record) => authentication(`api_key.${change}`, record),
    permission: (decision, record) =>
      authorization(`permission.${decision}`, { ...record, outcome: record.outcome ?? (decision === "granted" ? "success" : "denied") }),
    roleChange: (change, record) => authorization(`role.${change}`, record),
    data: (operation, record) => data(`data.${operation}`, record),
    admin,
    security,
    sensitiveAccess: (resource, action, record) =>
      data(`${resource}.${action}`, { ...record, target: record.target ?? { type: resource } }),
  };
}
