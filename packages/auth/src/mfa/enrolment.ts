import { type Clock, problems } from "@portcullis/core";
import { type AuthDenial, type AuthResult, denied, ok } from "../auth-result.js";
import type { Instruments } from "../instruments.js";
import type { AccessToken } from "../tokens/access-token.js";
import type { UserAccount, UserDirectory } from "../users/user-directory.js";
import type { BackupCodes } from "./backup-codes.js";
import { toBase32 } from "./base32.js";
import type { FactorRecords, FactorsRead } from "./factor-records.js";
import type { Enrolment, Mfa } from "./mfa.js";
import { needsMfa } from "./mfa-policy.js";
import type { MfaSettings } from "./mfa-settings.js";
import { otpauthUri } from "./otpauth-uri.js";
import type { PendingLogins } from "./pending-logins.js";
import type { RecentProof } from "./recent-proof.js";
import type { Sealer } from "./sealed-secret.js";
import { TOTP_SECRET_BYTES } from "./totp.js";

/** Making second factors and taking them away. */
export function createEnrolment(parts: {
  readonly mfa: MfaSettings;
  readonly clock: Clock;
  readonly random: (bytes: number) => Uint8Array;
  readonly users: UserDirectory;
  readonly factors: FactorRecords;
  readonly sealer: Sealer;
  readonly backupCodes: BackupCodes;
  readonly pending: PendingLogins;
  readonly recent: RecentProof;
  readonly instruments: Instruments;
  /** Ends all sessions of a user but one. */
  readonly endOthers: (token: AccessToken) => Promise<number>;
}): Pick<Mfa, "enroll" | "replaceBackupCodes" | "disable" | "status"> {
  const { mfa, clock, random, users, factors, sealer, backupCodes, pending, recent, instruments, endOthers } = parts;

  async function personOf(userId: string): Promise<UserAccount | undefined> {
    const account = await users.byId(userId);
    return account?.type === "user" ? account : undefined;
  }

  /** Whether a caller may make a factor, with those there are. */
  async function refusalOf(
    caller: AccessToken | undefined,
    account: UserAccount,
    known: FactorsRead,
    password: string | undefined,
  ): Promise<AuthDenial | undefined> {
    if (known.active === undefined) return caller === undefined ? undefined : recent.ofLoginOrPassword(caller, account, password);
    // The first factor alone must not be a way to replace the second.
    return caller === undefined ? denied(problems.stepUpRequired()) : recent.ofSecondFactor(caller);
  }

  async function store(account: UserAccount, known: FactorsRead): Promise<Enrolment | undefined> {
    const secret = random(TOTP_SECRET_BYTES);
    const { codes, stored } = backupCodes.create(account.id);
    const expiresAt = clock.now() + mfa.enrolmentTtlMs;
    const toConfirm = { secret: sealer.seal(account.id, secret), expiresAt, backupCodes: stored };
    if (!(await factors.write(account.id, known, { ...known, toConfirm }))) return undefined;
    const text = toBase32(secret);
    return Object.freeze({
      secret: text,
      uri: otpauthUri(mfa.issuerName, account.email, text),
      backupCodes: Object.freeze(codes),
      expiresAt,
    });
  }

  return {
    async enroll(caller, { password } = {}): Promise<AuthResult<Enrolment>> {
      const isPending = "pendingToken" in caller;
      const login = isPending ? await pending.open(caller.pendingToken) : undefined;
      if (login?.kind === "denied") return login;
      const account = await personOf(isPending ? (login?.value.userId ?? "") : caller.principal.id);
      if (account === undefined) return denied(problems.sessionRevoked());
      let known = await factors.read(account.id);
      const refusal = await refusalOf(isPending ? undefined : caller, account, known, password);
      if (refusal !== undefined) return refusal;
      const had = known.active?.enrolledAt;
      for (;;) {
        const enrolment = await store(account, known);
        if (enrolment !== undefined) {
          instruments.emit({ kind: "mfa_enrolment_started", userId: account.id });
          return ok(enrolment);
        }
        known = await factors.read(account.id);
        // A factor that came into force meanwhile would have to be proven first.
        if (known.active?.enrolledAt !== had) return denied(problems.versionConflict());
      }
    },
    async replaceBackupCodes(token: AccessToken): Promise<AuthResult<readonly string[]>> {
      const { id } = token.principal;
      for (;;) {
        const known = await factors.read(id);
        if (known.active === undefined) return denied(problems.mfaNotEnrolled());
        const refusal = recent.ofSecondFactor(token);
        if (refusal !== undefined) return refusal;
        const { codes, stored } = backupCodes.create(id);
        if (!(await factors.write(id, known, { ...known, active: { ...known.active, backupCodes: stored } }))) continue;
        instruments.emit({ kind: "mfa_backup_codes_replaced", userId: id });
        return ok(Object.freeze(codes));
      }
    },
    async disable(token: AccessToken, { password } = {}): Promise<AuthResult<{ readonly sessionsEnded: number }>> {
      const account = await personOf(token.principal.id);
      if (account === undefined) return denied(problems.sessionRevoked());
      if (needsMfa(mfa, account) || needsMfa(mfa, token.principal)) {
        return denied(problems.forbidden({ detail: "Your role needs a second factor. Enrol another one in its place instead." }));
      }
      const known = await factors.read(account.id);
      if (known.active === undefined) return denied(problems.mfaNotEnrolled());
      const refusal = await recent.ofFactorOrPassword(token, account, password);
      if (refusal !== undefined) return refusal;
      if (!(await factors.remove(account.id, known))) return denied(problems.versionConflict());
      const sessionsEnded = await endOthers(token);
      instruments.emit({ kind: "mfa_disabled", userId: account.id, by: "user" });
      return ok(Object.freeze({ sessionsEnded }));
    },
    async status(userId: string) {
      const account = await personOf(userId);
      if (account === undefined) return denied(problems.notFound());
      const { active } = await factors.read(userId);
      return ok(
        Object.freeze({
          enrolled: active !== undefined,
          required: needsMfa(mfa, account),
          enrolledAt: active?.enrolledAt,
          backupCodesLeft: active?.backupCodes.hashes.length ?? 0,
        }),
      );
    },
  };
}
