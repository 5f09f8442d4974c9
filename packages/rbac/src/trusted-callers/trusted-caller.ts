import { type IpBlock, invalidOption, parseIpBlock } from "@portcullis/core";
import { ownOptions } from "../own-options.js";

/** A service that may say on whose behalf it calls, and how it proves to be that service. Exactly one proof. */
export interface TrustedCaller<RoleName extends string = string> {
  /** Stands in decisions and in audit as `via`; for signatures it is the `keyid`. 1 to 64 of `a-z`, `0-9`, `-` and `_`. */
  readonly id: string;
  /** Roles that it may give the identity it names; others that it names are left out. Name `owner` only if it may act as one. */
  readonly maxRoles: readonly RoleName[];
  /** Addresses and CIDR blocks of the socket's peer. Never a load balancer's: everybody behind it would be this caller. */
  readonly addresses?: readonly string[];
  /** Client certificates that TLS verified, by subject (`CN=billing,O=Acme`) or alternative name (`URI:spiffe://acme/billing`). */
  readonly certificates?: readonly string[];
  /** Secrets of at least 32 bytes it signs requests with; several while one takes the place of another. @see signIdentity */
  readonly secrets?: readonly string[];
}

/** A trusted caller, checked and copied. */
export interface KnownCaller {
  readonly id: string;
  readonly maxRoles: ReadonlySet<string>;
  readonly blocks: readonly IpBlock[];
  readonly certificates: ReadonlySet<string>;
  readonly secrets: readonly string[];
}

const ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;
// Visible ASCII without what would have to be escaped in a quoted string (RFC 9651 §4.1.6).
const AUDIENCE = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/;
const LEAST_SECRET_BYTES = 32;
/** A wider block has strangers in it, who could then be anybody. */
const WIDEST = { 4: 8, 6: 16 } as const;

/** @throws {ConfigurationError} `invalid_option` */
export function requireCallerId(option: string, id: unknown): asserts id is string {
  if (typeof id !== "string" || !ID.test(id)) throw invalidOption(option, id, "1 to 64 of a-z, 0-9, - and _");
}

/** @throws {ConfigurationError} `invalid_option` */
export function requireAudience(option: string, audience: unknown): asserts audience is string {
  if (typeof audience !== "string" || !AUDIENCE.test(audience))
    throw invalidOption(
      option,
      audience,
      'the name of the service that the signature is for: 1 to 128 visible ASCII characters without " and \\',
    );
}

/** @throws {ConfigurationError} `invalid_option` */
export function requireSecret(option: string, secret: unknown): asserts secret is string {
  if (typeof secret !== "string" || Buffer.byteLength(secret) < LEAST_SECRET_BYTES)
    throw invalidOption(option, secret, `a secret of at least ${LEAST_SECRET_BYTES} bytes`);
}

/** @throws {ConfigurationError} `invalid_option` */
export function parseCallers(callers: readonly TrustedCaller[] | undefined): readonly KnownCaller[] {
  if (!Array.isArray(callers)) throw invalidOption("trustIdentityHeaders.callers", callers, "a list of callers, empty for nobody");
  const known = callers.map((caller: TrustedCaller, index) => parseCaller(caller, `callers[${index}]`));
  const ids = new Set(known.map(({ id }) => id));
  if (ids.size < known.length) throw invalidOption("trustIdentityHeaders.callers", callers, "a list in which every id occurs once");
  return Object.freeze(known);
}

function parseCaller(caller: TrustedCaller, where: string): KnownCaller {
  const { id, maxRoles, ...proofs } = ownOptions(where, caller, ["id", "maxRoles", "addresses", "certificates", "secrets"]);
  requireCallerId(`${where}.id`, id);
  const roles = strings(`${where}.maxRoles`, maxRoles);
  const given = Object.values(proofs).filter((proof) => proof !== undefined);
  if (given.length !== 1) throw invalidOption(where, caller, "a caller with exactly one of addresses, certificates and secrets");
  const [addresses = [], certificates = [], secrets = []] = [proofs.addresses, proofs.certificates, proofs.secrets].map((list, index) =>
    list === undefined ? undefined : someStrings(`${where}.${["addresses", "certificates", "secrets"][index]}`, list),
  );
  for (const [index, secret] of secrets.entries()) requireSecret(`${where}.secrets[${index}]`, secret);
  return Object.freeze({
    id,
    maxRoles: new Set(roles),
    blocks: addresses.map((address, index) => parseBlock(`${where}.addresses[${index}]`, address)),
    certificates: new Set(certificates),
    secrets: Object.freeze([...secrets]),
  });
}

function parseBlock(option: string, text: string): IpBlock {
  const block = parseIpBlock(text.trim());
  if (block === undefined) throw invalidOption(option, text, "an IP address or a CIDR block");
  const widest = WIDEST[block.address.version];
  if (block.prefixLength < widest) throw invalidOption(option, text, `no wider than /${widest}: strangers in it could say to be anybody`);
  return block;
}

function someStrings(option: string, value: unknown): readonly string[] {
  const list = strings(option, value);
  if (list.length === 0 || list.includes("")) throw invalidOption(option, value, "a list of at least one non-empty string");
  return list;
}

function strings(option: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) throw invalidOption(option, value, "a list of strings");
  return value;
}
