import type { UserAccount } from "../users/user-directory.js";
import type { TokenSubject } from "./token-pair.js";

/** The account as tokens describe it. */
export function toTokenSubject(account: UserAccount): TokenSubject {
  const { id, email, orgId, workspaceId, roles, orgRoles, scopedDepartments, personas, mustChangePassword } = account;
  return {
    userId: id,
    email,
    orgId,
    workspaceId,
    role: roles.length === 1 ? (roles[0] as string) : roles, // length 1
    orgRoles,
    scopedDepartments,
    personas,
    mustChangePassword,
  };
}
