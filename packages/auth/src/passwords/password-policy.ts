import { Buffer } from "node:buffer";
import { problems, type Problem } from "@portcullis/core";
import type { PasswordSettings } from "./password-settings.js";

/** Whether a password is too long to be hashed at all; true of no password that was ever accepted. */
export function isTooLong(password: string, { maxBytes }: PasswordSettings): boolean {
  return Buffer.byteLength(password, "utf8") > maxBytes;
}

/**
 * Why a new password is refused; `undefined` when it is fine. It is taken as it is: no truncation, no normalisation, no rule
 * about its characters (OWASP ASVS 6.2).
 *
 * @param pointer Which field of the request held it.
 */
export function newPasswordProblem(password: string, settings: PasswordSettings, pointer: string): Problem | undefined {
  // Code points: a character outside the basic plane counts once, not twice.
  if (Array.from(password).length < settings.minLength) return refused(pointer, `Use at least ${settings.minLength} characters.`);
  if (isTooLong(password, settings)) return refused(pointer, `Use at most ${settings.maxBytes} bytes of UTF-8.`);
  return undefined;
}

function refused(pointer: string, message: string): Problem {
  return problems.validation({ extensions: { errors: [{ in: "body", pointer, message }] } });
}
