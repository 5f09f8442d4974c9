import { Buffer } from "node:buffer";
import { problems, type Problem } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { PasswordSettings } from "./password-settings.js";

const BREACH_CHECK_MS = 5000;
const HALF_A_PAIR = /\p{Surrogate}/u;

/** Whether a text cannot be a password at all, so that it is not hashed; true of no password that was ever accepted. */
export function isUnhashable(password: string, { maxBytes }: PasswordSettings): boolean {
  // Half a surrogate pair has no UTF-8 (Unicode §3.9): all of them would be hashed as U+FFFD, as one and the same character.
  return Buffer.byteLength(password, "utf8") > maxBytes || HALF_A_PAIR.test(password);
}

/**
 * Why a new password is refused; `undefined` when it is fine. It is taken as it is: no truncation, no normalisation, no rule
 * about its characters (OWASP ASVS 6.2).
 *
 * @param pointer Which field of the request held it.
 */
export type PasswordPolicy = (password: string, pointer: string) => Promise<Problem | undefined>;

export function createPasswordPolicy(
  { passwords, clock }: Pick<AuthSettings, "passwords" | "clock">,
  instruments: Instruments,
): PasswordPolicy {
  const { isBreached, minLength, maxBytes } = passwords;

  // The service that knows may be down, or slow on purpose: nobody is kept from a new password by it.
  async function isKnownFromLeak(password: string): Promise<boolean> {
    if (isBreached === undefined) return false;
    let cancel: (() => void) | undefined;
    try {
      const late = new Promise<"late">((resolve) => {
        cancel = clock.after(BREACH_CHECK_MS, () => resolve("late"));
      });
      const answer: unknown = await Promise.race([isBreached(password), late]);
      if (typeof answer === "boolean") return answer;
    } catch {
      // Its message may hold the password.
    } finally {
      cancel?.();
    }
    instruments.emit({ kind: "breach_check_failed" });
    return false;
  }

  return async (password, pointer) => {
    // Code points: a character outside the basic plane counts once, not twice.
    if (Array.from(password.slice(0, 2 * minLength)).length < minLength) return refused(pointer, `Use at least ${minLength} characters.`);
    if (isUnhashable(password, passwords)) return refused(pointer, `Use at most ${maxBytes} bytes of well-formed Unicode text.`);
    if (await isKnownFromLeak(password)) return refused(pointer, "This password is known from a data leak. Use another one.");
    return undefined;
  };
}

function refused(pointer: string, message: string): Problem {
  return problems.validation({ extensions: { errors: [{ in: "body", pointer, message }] } });
}
