import { problems, type SubjectState } from "@portcullis/core";
import type { LoginFailure } from "../auth-event.js";
import { denied, ok, type AuthDenial, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { Place } from "../passwords/hash-queue.js";
import type { PasswordHasher } from "../passwords/password-hasher.js";
import { isUnhashable } from "../passwords/password-policy.js";
import type { LoginProof } from "../sessions/session-data.js";
import { normaliseEmail } from "../users/normalise-email.js";
import type { UserAccount } from "../users/user-directory.js";
import type { LoginClient, PasswordLockout } from "./password-lockout.js";
import type { LoginResult, SignInDesk } from "./sign-in.js";

/** Who logs in, and how they prove it. */
export interface LoginRequest {
  readonly email: string;
  readonly password: string;
}

/** An account whose password was just proven, with the state its tokens must be made of. */
export interface ProvenAccount {
  readonly account: UserAccount;
  readonly state: SubjectState;
}

/** Logins, and the proof of a password that they stand on. */
export interface PasswordLogin {
  login(request: LoginRequest, client?: LoginClient): Promise<LoginResult>;
  /** @param place Taken before, so that whoever is turned away for load has not used up an attempt. */
  prove(place: Place, request: LoginRequest, client?: LoginClient): Promise<AuthResult<ProvenAccount>>;
}

const SHED_RETRY_MS = 1000;
const BY_PASSWORD: LoginProof = Object.freeze({ amr: Object.freeze(["pwd"]), mfaAt: undefined });
// Each further round needs a password change of the same account in the same instant.
const MOST_ROUNDS = 3;

/** What is answered when the hash queue is full. */
export function overloaded(): AuthDenial {
  return denied(problems.serviceUnavailable({ retryAfterMs: SHED_RETRY_MS }));
}

export function createPasswordLogin(
  settings: AuthSettings,
  hasher: PasswordHasher,
  lockout: PasswordLockout,
  signIn: SignInDesk,
  instruments: Instruments,
): PasswordLogin {
  const { store, users, passwords } = settings;

  const fail = (reason: LoginFailure, identifierHash: string, userId: string | undefined, denial: AuthDenial): AuthDenial => {
    instruments.failed("password", reason);
    instruments.emit({ kind: "login_failed", reason, identifierHash, userId });
    return denial;
  };

  async function prove(place: Place, request: LoginRequest, client: LoginClient = {}): Promise<AuthResult<ProvenAccount>> {
    const email = normaliseEmail(request.email);
    // What is no address or cannot be hashed belongs to no account: refused for everybody alike.
    const identifierHash = lockout.hashOf(email ?? request.email);
    const wrong = denied(problems.invalidCredentials());
    if (email === undefined || isUnhashable(request.password, passwords)) return fail("wrong_password", identifierHash, undefined, wrong);

    // Before an attempt is reserved, so that a directory that does not answer uses up none.
    const account = await users.byEmail(email);
    const checked = await lockout.run({ email, subjectId: account?.id, client }, async () => {
      const value = await checkPassword(place, account, request.password);
      return { isRight: typeof value !== "string", value };
    });
    if (checked.kind === "locked") {
      return fail("locked", identifierHash, undefined, denied(problems.accountLocked({ retryAfterMs: checked.remainingMs })));
    }
    return typeof checked.value === "string" ? fail(checked.value, identifierHash, account?.id, wrong) : ok(checked.value);
  }

  async function checkPassword(place: Place, found: UserAccount | undefined, password: string): Promise<ProvenAccount | LoginFailure> {
    let account = found;
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      // A service logs in with keys only: its hash, if it has one, is not even looked at.
      const storedHash = account?.type === "user" ? account.passwordHash : undefined;
      // An unknown account costs the same work, so that the answer's time does not tell.
      const match = await hasher.verify(place, password, storedHash);
      if (account === undefined) return "unknown_account";
      if (storedHash === undefined) return "not_a_password_account";
      if (match !== "match") return match === "unusable" ? "unusable_hash" : "wrong_password";
      // The state before the account: a password change stores the hash first and ends tokens after, so that a login with
      // the old password either sees the new hash here or gets tokens that the change ends.
      const state = await store.subjects.read(account.id);
      if (state.disabled) return "disabled";
      const current = await users.byId(account.id);
      if (current?.passwordHash === storedHash) return { account: current, state };
      account = current;
    }
    return "wrong_password";
  }

  async function strengthen(place: Place, account: UserAccount, password: string): Promise<void> {
    const { id, passwordHash: expectedHash, mustChangePassword } = account;
    if (expectedHash === undefined || !hasher.needsRehash(expectedHash)) return;
    const passwordHash = await hasher.hash(place, password);
    // The password version stays: the password is the same, and nobody is to be logged out by an upgrade.
    if (await users.updatePassword(id, { expectedHash, passwordHash, mustChangePassword })) {
      instruments.emit({ kind: "password_rehashed", userId: id });
    }
  }

  return Object.freeze({
    prove,
    async login(request: LoginRequest, client: LoginClient = {}): Promise<LoginResult> {
      const place = hasher.enter();
      if (place === undefined)
        return fail("overloaded", lockout.hashOf(normaliseEmail(request.email) ?? request.email), undefined, overloaded());
      try {
        const proven = await prove(place, request, client);
        if (proven.kind === "denied") return proven;
        const { account, state } = proven.value;
        await strengthen(place, account, request.password);
        instruments.succeeded("password");
        return await signIn.complete(account, state, BY_PASSWORD, client);
      } finally {
        place.leave();
      }
    },
  });
}
