import type { AnyRbac } from "./rbac.js";

/** What one role says of one permission. `inherited`: granted by a role that it inherits. A denial wins over both. */
export type MatrixCell = "granted" | "inherited" | "denied" | "none";

/** A policy as a table: one row for each role, one column for each permission. */
export interface PolicyMatrix {
  readonly policyVersion: number;
  readonly permissions: readonly string[];
  readonly rows: readonly {
    readonly role: string;
    /** In the order of `permissions`. */
    readonly cells: readonly MatrixCell[];
    /** How many of them the role has. */
    readonly granted: number;
  }[];
}

/**
 * The policy as data for a page that shows who may do what, for people who administer it.
 *
 * @example
 * ```ts
 * import { defineRbac, policyMatrix } from "@portcullis/rbac";
 *
 * const rbac = defineRbac({
 *   permissions: { notes: ["read", "write"] },
 *   roles: { reader: { grants: ["*.read"] }, writer: { inherits: ["reader"], grants: ["notes.write"] } },
 * });
 * console.log(policyMatrix(rbac).rows[1]?.cells.join()); // inherited,granted
 * ```
 */
export function policyMatrix(rbac: AnyRbac): PolicyMatrix {
  const { permissions, roles, policyVersion } = rbac;
  const rows = roles.map((role) => {
    const cells = permissions.map((permission) => cellOf(rbac, role, permission));
    const granted = cells.filter((cell) => cell === "granted" || cell === "inherited").length;
    return Object.freeze({ role, cells: Object.freeze(cells), granted });
  });
  return Object.freeze({ policyVersion, permissions, rows: Object.freeze(rows) });
}

function cellOf(rbac: AnyRbac, role: string, permission: string): MatrixCell {
  const [said] = rbac.explain({ roles: [role] }, permission).roles;
  if (said?.denied !== undefined) return "denied";
  if (said?.granted === undefined) return "none";
  return said.granted.path.length === 1 ? "granted" : "inherited";
}
