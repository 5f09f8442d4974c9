import type { PolicyVersion } from "./workspace.js";

/** What happened; feed it into audit and logs. `count` is how many stored decisions it made stale. */
export type DecisionCacheEvent =
  | { readonly kind: "invalidated"; readonly type: "key"; readonly workspaceId: string; readonly count: number }
  | { readonly kind: "invalidated"; readonly type: "workspace"; readonly workspaceId: string; readonly count: number }
  | {
      readonly kind: "invalidated";
      readonly type: "policy";
      /** `undefined`: every workspace without a version of its own. */
      readonly workspaceId: string | undefined;
      readonly policyVersion: PolicyVersion;
      readonly count: number;
    }
  | {
      readonly kind: "invalidated";
      readonly type: "agent";
      readonly agent: string;
      readonly version: string | undefined;
      readonly count: number;
    }
  | { readonly kind: "invalidated"; readonly type: "tag"; readonly tag: string; readonly count: number }
  | { readonly kind: "invalidated"; readonly type: "clear"; readonly count: number }
  | {
      /** Something that a computation depends on was invalidated while it ran; its result was not stored. */
      readonly kind: "compute_overtaken";
      readonly workspaceId: string;
    };
