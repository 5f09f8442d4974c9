import { auditFactsOf, type AuthEvent } from "@portcullis/auth";
import { describe, expect, it } from "vitest";

const userId = "ada";
const sessionId = "s1";

describe("what an audit log is told of an event", () => {
  it.each<[AuthEvent, string, string]>([
    [{ kind: "login_succeeded", userId, sessionId }, "authentication", "success"],
    [{ kind: "login_failed", reason: "wrong_password", identifierHash: "h", userId }, "authentication", "denied"],
    [{ kind: "account_locked", identifierHash: "h", purpose: "login", durationMs: 1 }, "security", "denied"],
    [{ kind: "refresh_reused", userId, sessionId }, "security", "denied"],
    [{ kind: "token_version_ahead", userId, tokenVersion: 2, currentVersion: 1 }, "security", "denied"],
    [{ kind: "csrf_refused", reason: "token", userId, sessionId }, "security", "denied"],
    [{ kind: "mfa_failed", userId, reason: "wrong_code" }, "authentication", "denied"],
    [{ kind: "mfa_disabled", userId, by: "user" }, "security", "success"],
    [{ kind: "mfa_disabled", userId, by: "administrator" }, "admin", "success"],
    [{ kind: "account_disabled", userId }, "admin", "success"],
    [{ kind: "breach_check_failed" }, "security", "failure"],
  ])("of %o says %s, %s", (event, category, outcome) => {
    expect(auditFactsOf(event)).toEqual({ category, outcome });
  });

  it("AUTH-M5 of a bypass says that somebody granted or ended it, or that it stood for a second factor", () => {
    const bypass = { control: "CC5-01", bypassId: "b1", serviceId: "nightly" } as const;
    const terms = { ...bypass, reason: "cannot type", approvedBy: userId, expiresAt: 1 };
    expect(auditFactsOf({ kind: "mfa_bypass_granted", ...terms })).toEqual({ category: "admin", outcome: "success" });
    expect(auditFactsOf({ kind: "mfa_bypass_revoked", ...terms })).toEqual({ category: "admin", outcome: "success" });
    expect(auditFactsOf({ kind: "mfa_bypass_expired", ...terms })).toEqual({ category: "security", outcome: "success" });
    expect(auditFactsOf({ kind: "mfa_bypass_used", ...bypass, keyId: "k1" })).toEqual({ category: "security", outcome: "success" });
  });

  it("gives nobody anything to change", () => {
    expect(Object.isFrozen(auditFactsOf({ kind: "logout", userId, sessionId }))).toBe(true);
  });
});
