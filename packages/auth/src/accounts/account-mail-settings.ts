import { invalidOption, type MaybePromise, ownOptions } from "@portcullis/core";
import { DAY_MS, HOUR_MS, integer, MINUTE_MS } from "../settings/option-checks.js";
import type { AccountInfo } from "../users/user-directory.js";

/** A letter to the owner of an account. Put the token into a link to a page of yours; log it nowhere. */
export interface AccountLetter {
  readonly account: AccountInfo;
  readonly token: string;
  /** Epoch ms. */
  readonly expiresAt: number;
}

/** A letter to an address that has no account yet. */
export interface RegistrationLetter {
  readonly email: string;
  readonly token: string;
  /** Epoch ms. */
  readonly expiresAt: number;
}

/**
 * How letters are sent. Called after the request was answered; what these throw, and what takes longer than 30 s, becomes an event
 * `account_mail_failed` and is not tried again.
 */
export interface AccountMailDelivery {
  passwordReset(letter: AccountLetter): MaybePromise<void>;
  emailVerification(letter: AccountLetter): MaybePromise<void>;
  /** Without it nobody can register. */
  registration?(letter: RegistrationLetter): MaybePromise<void>;
  /** Somebody wants to register with the address of this account: tell its owner. Default: nobody is told. */
  alreadyRegistered?(notice: { readonly account: AccountInfo }): MaybePromise<void>;
}

/** How long links are good, and how many there may be. */
export interface AccountMailSettings {
  /** Ms; default 30 min; 1 min to 24 h. */
  readonly passwordResetTtlMs: number;
  /** Ms, also of the link that ends a registration; default 24 h; 1 min to 7 d. */
  readonly emailVerificationTtlMs: number;
  /** Letters of one kind that an address gets in an hour; more requests are answered alike and send nothing. Default 3; 1 to 1000. */
  readonly lettersPerHour: number;
  /**
   * Requests from one network (an IPv4 address, an IPv6 /64) in an hour; more are refused with 429. Default 30; 1 to 100,000. Counted
   * where the address is known: with core's `clientIp` guard in front.
   */
  readonly requestsPerHour: number;
}

const DEFAULTS: AccountMailSettings = Object.freeze({
  passwordResetTtlMs: 30 * MINUTE_MS,
  emailVerificationTtlMs: DAY_MS,
  lettersPerHour: 3,
  requestsPerHour: 30,
});

const NAMES = Object.freeze(["passwordResetTtlMs", "emailVerificationTtlMs", "lettersPerHour", "requestsPerHour"] as const);

export const LIMIT_WINDOW_MS = HOUR_MS;

/** @throws {ConfigurationError} `invalid_option` */
export function readAccountMail(options: Partial<AccountMailSettings>): AccountMailSettings {
  const { passwordResetTtlMs, emailVerificationTtlMs, lettersPerHour, requestsPerHour } = {
    ...DEFAULTS,
    ...ownOptions("createAccountMail", options, NAMES),
  };
  return Object.freeze({
    passwordResetTtlMs: integer("passwordResetTtlMs", passwordResetTtlMs, MINUTE_MS, DAY_MS),
    emailVerificationTtlMs: integer("emailVerificationTtlMs", emailVerificationTtlMs, MINUTE_MS, 7 * DAY_MS),
    lettersPerHour: integer("lettersPerHour", lettersPerHour, 1, 1000),
    requestsPerHour: integer("requestsPerHour", requestsPerHour, 1, 100_000),
  });
}

/** @throws {ConfigurationError} `invalid_option`: one of the callbacks is missing or no function. */
export function readDelivery(deliver: AccountMailDelivery): AccountMailDelivery {
  for (const name of ["passwordReset", "emailVerification", "registration", "alreadyRegistered"] as const) {
    const isOptional = name === "registration" || name === "alreadyRegistered";
    const callback: unknown = deliver?.[name];
    if (typeof callback === "function" || (isOptional && deliver !== undefined && callback === undefined)) continue;
    throw invalidOption(`deliver.${name}`, callback, "a function that sends a letter");
  }
  return deliver;
}
