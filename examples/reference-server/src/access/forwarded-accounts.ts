import { ALLOW, deny, type Guard, principalFact, problems, type Subjects } from "@portcullis/core";

const DISABLED = deny(problems.sessionRevoked());

/**
 * Refuses a request that a trusted caller makes for a disabled account: it can do nothing, whoever speaks for it. Of credentials
 * authentication sees to that.
 */
export function refuseDisabledAccounts(subjects: Pick<Subjects, "read">): Guard {
  return Object.freeze({
    name: "refuse-disabled-accounts",
    async check({ facts }) {
      const principal = facts.get(principalFact);
      if (principal?.via === undefined) return ALLOW;
      return (await subjects.read(principal.id)).disabled ? DISABLED : ALLOW;
    },
  } satisfies Guard);
}
