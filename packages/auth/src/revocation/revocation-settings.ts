import { ownOptions } from "@portcullis/core";
import { integer, MINUTE_MS, oneOf, SECOND_MS } from "../settings/option-checks.js";

/** How soon an ended credential is refused by every process, and what happens when nobody can say whether it ended. */
export interface RevocationSettings {
  /**
   * Ms for which a process may go on with what it read of a token's session and subject; counted from when the read began. Default
   * 1,000; 0 reads on each request; up to 60,000. Where the store has a bus, what ended is told over it and forgotten sooner. Stores
   * that answer without a promise (memory) are asked on each request in any case.
   */
  readonly maxStalenessMs: number;
  /** Most tokens of which that is remembered; default 10,000; 1 to 10,000,000. */
  readonly maxRemembered: number;
  /**
   * What becomes of an access token when the store does not answer. `deny` (default): nobody is let in, 503. `use-remembered`: a token
   * that this process found good within the last minute is accepted on that word, and counted in
   * `auth_outage_acceptances_total`; any other is 503. During an outage what ended elsewhere may then go on for up to a minute, unless
   * the bus told of it: whoever can bring the store down can buy that minute.
   */
  readonly whenUnavailable: "deny" | "use-remembered";
}

const DEFAULTS: RevocationSettings = Object.freeze({ maxStalenessMs: SECOND_MS, maxRemembered: 10_000, whenUnavailable: "deny" });

/** @throws {ConfigurationError} `invalid_option` */
export function readRevocation(options: Partial<RevocationSettings> = {}): RevocationSettings {
  const { maxStalenessMs, maxRemembered, whenUnavailable } = {
    ...DEFAULTS,
    ...ownOptions("revocation", options, ["maxStalenessMs", "maxRemembered", "whenUnavailable"]),
  };
  return Object.freeze({
    maxStalenessMs: integer("revocation.maxStalenessMs", maxStalenessMs, 0, MINUTE_MS),
    maxRemembered: integer("revocation.maxRemembered", maxRemembered, 1, 10_000_000),
    whenUnavailable: oneOf("revocation.whenUnavailable", whenUnavailable, ["deny", "use-remembered"]),
  });
}
