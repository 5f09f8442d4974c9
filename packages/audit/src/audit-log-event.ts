import type { AuditCategory } from "./event/audit-event.js";
import type { AuditVerdict } from "./tree/verify-log.js";

/** What happened to the log itself; feed it into logs and alarms. */
export type AuditLogEvent =
  | {
      /** An event could not be recorded; its caller was told as well. */
      readonly kind: "append_failed";
      readonly category: AuditCategory;
      readonly action: string;
      /** The error's code or name. */
      readonly error: string;
    }
  | {
      /** An event with this id had been recorded before. */
      readonly kind: "duplicate_event";
      readonly id: string;
    }
  | {
      readonly kind: "checkpoint_signed";
      readonly size: number;
      /** Base64. */
      readonly root: string;
    }
  | {
      /** A verification ended otherwise than intact. */
      readonly kind: "verification_failed";
      readonly verdict: AuditVerdict;
    };
