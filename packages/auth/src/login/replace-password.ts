import type { SubjectState } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import type { Revocations } from "../revocation/revocations.js";
import type { UserAccount } from "../users/user-directory.js";

/**
 * Stores a new password and ends every token and session that the old one opened.
 *
 * @param account As it was read when the right to do so was proven.
 * @returns The state for what is opened next; `undefined` when the password was changed by somebody else meanwhile, which ends
 *   the sessions too.
 * @throws {StoreUnavailable} The password may be either one; what was open is ended.
 */
export type PasswordReplacer = (account: UserAccount, passwordHash: string) => Promise<SubjectState | undefined>;

export function createPasswordReplacer({ store, users }: AuthSettings, revocations: Revocations): PasswordReplacer {
  return ({ id, passwordHash: expectedHash }, passwordHash) =>
    revocations.ending({ subjectId: id, kind: "password" }, async () => {
      // Once before and once after: if the process dies between storing the hash and ending what the old one opened, the
      // sessions of a thief are over already; what a login with the old password opens meanwhile ends with the second.
      await store.subjects.bump(id, "passwordVersion");
      // The password and the demand for a new one go in one step.
      const updated = await users.updatePassword(id, { expectedHash, passwordHash, mustChangePassword: false });
      const state = await store.subjects.bump(id, "passwordVersion");
      await store.sessions.revoke(id);
      return updated ? state : undefined;
    });
}
