import { invalidOption } from "@portcullis/core";

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** @throws {ConfigurationError} `invalid_option` */
export function integer(option: string, value: unknown, least: number, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
    throw invalidOption(option, value, `an integer of ${least} to ${most}`);
  }
  return value;
}

/** @throws {ConfigurationError} `invalid_option` */
export function text(option: string, value: unknown): string | undefined {
  if (value !== undefined && (typeof value !== "string" || value === "")) throw invalidOption(option, value, "a string that is not empty");
  return value;
}

/** @throws {ConfigurationError} `invalid_option` */
export function oneOf<Choice extends string>(option: string, value: unknown, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalidOption(option, value, choices.map((choice) => `"${choice}"`).join(" or "));
  return found;
}

/** @throws {ConfigurationError} `invalid_option` */
export function functionOr<Given, Default>(option: string, value: Given | undefined, otherwise: Default): Given | Default {
  if (value === undefined) return otherwise;
  if (typeof value !== "function") throw invalidOption(option, value, "a function");
  return value;
}
