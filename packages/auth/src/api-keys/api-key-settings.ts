import { invalidOption, ownOptions } from "@portcullis/core";

/** How API keys look: `prefix_environment_id_secret_checksum`. */
export interface ApiKeySettings {
  /** Lower-case letters and digits, 1 to 12; default `pcs`. */
  readonly prefix: string;
  /** Keys of another environment are refused; lower-case letters and digits, 1 to 12; default `live`. */
  readonly environment: string;
}

const DEFAULTS: ApiKeySettings = Object.freeze({ prefix: "pcs", environment: "live" });
const KEY_PART = /^[a-z0-9]{1,12}$/;

/** @throws {ConfigurationError} `invalid_option` */
export function readApiKeys(options: Partial<ApiKeySettings> = {}): ApiKeySettings {
  const { prefix, environment } = { ...DEFAULTS, ...ownOptions("apiKeys", options, ["prefix", "environment"]) };
  if (!KEY_PART.test(prefix)) throw invalidOption("apiKeys.prefix", prefix, "1 to 12 lower-case letters or digits");
  if (!KEY_PART.test(environment)) throw invalidOption("apiKeys.environment", environment, "1 to 12 lower-case letters or digits");
  return Object.freeze({ prefix, environment });
}
