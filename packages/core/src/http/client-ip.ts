import { createFactKey, type FactKey } from "../guard/facts.js";
import { ALLOW, type Guard, type GuardRequest } from "../guard/guard.js";
import { ConfigurationError, invalidOption } from "../problem/errors.js";
import { formatIp, formatIpv6Prefix, type IpAddress, type IpBlock, parseIpBlock, parseIpWithPort } from "./ip-address.js";

/** Where a request came from. */
export interface ClientIp {
  /** Canonical text; `undefined` when the peer has no address (a Unix socket) or the adapter knows none. */
  readonly address: string | undefined;
  /** What limits go by: the IPv4 address, the IPv6 prefix (`2001:db8:1:2::/64`), or `unknown`, one bucket for all without an address. */
  readonly key: string;
  /** Whether the socket's peer is one of the trusted proxies. */
  readonly trusted: boolean;
}

/** The caller's address; set by the {@link clientIp} guard. */
export const clientIpFact: FactKey<ClientIp> = createFactKey<ClientIp>("client-ip");

/** How to find the caller behind proxies. */
export interface ClientIpOptions {
  /** Addresses and CIDR blocks of your own proxies. Default: none, and forwarding headers are ignored. */
  readonly trustedProxies?: readonly string[];
  /** The one header your proxies write. A second one would be the attacker's. Default `x-forwarded-for`. */
  readonly header?: "x-forwarded-for" | "forwarded";
  /** IPv6 callers share a key by this prefix, since one customer holds a whole block. 32 to 128, default 64. */
  readonly ipv6PrefixLength?: number;
}

const DEFAULTS = { header: "x-forwarded-for", ipv6PrefixLength: 64 } as const;
const UNKNOWN: ClientIp = Object.freeze({ address: undefined, key: "unknown", trusted: false });
// Longer chains are forged or broken; only the part nearest to us is read.
const MAX_HOPS = 100;
const MAX_FORWARDED_CHARS = 8192;
const MAX_REMEMBERED_PEERS = 4096;

/**
 * Finds the caller of a request: the socket's peer, or, behind trusted proxies, the right-most hop that is not one of them.
 * Entries left of that hop are whatever the caller wrote and never change the answer.
 *
 * @throws {ConfigurationError} `invalid_option`: an entry is no address or block, or it trusts every address.
 * @see RFC 7239 §8.1
 */
export function createClientIpResolver(options: ClientIpOptions = {}): (request: Pick<GuardRequest, "ip" | "header">) => ClientIp {
  const { header = DEFAULTS.header, ipv6PrefixLength = DEFAULTS.ipv6PrefixLength, trustedProxies = [] } = options;
  if (!Number.isInteger(ipv6PrefixLength) || ipv6PrefixLength < 32 || ipv6PrefixLength > 128) {
    throw invalidOption("ipv6PrefixLength", ipv6PrefixLength, "an integer from 32 to 128");
  }
  const proxies = trustedProxies.map(parseProxy);
  const isProxy = (address: IpAddress): boolean => proxies.some((block) => block.contains(address));
  const describe = (address: IpAddress, trusted: boolean): ClientIp => {
    const text = formatIp(address);
    const shared = address.version === 6 && text !== "::1";
    return Object.freeze({
      address: text,
      key: shared ? formatIpv6Prefix(address.groups, ipv6PrefixLength) : text,
      trusted,
    });
  };

  // Peers come back on every request of a connection; emptied when full, so that rotating addresses costs time, not memory.
  const direct = new Map<string, ClientIp>();
  return (request) => {
    if (request.ip === undefined) return UNKNOWN;
    const known = direct.get(request.ip);
    if (known !== undefined) return known;
    const peer = parseIpWithPort(request.ip);
    if (peer === undefined) return UNKNOWN;
    if (!isProxy(peer)) {
      const described = describe(peer, false);
      if (direct.size >= MAX_REMEMBERED_PEERS) direct.clear();
      direct.set(request.ip, described);
      return described;
    }
    let client = peer;
    for (const hop of hopsFromNearest(request.header(header), header)) {
      const address = parseIpWithPort(hop);
      // A hop that is no address (an obfuscated node name, garbage) hides all that is left of it.
      if (address === undefined) break;
      client = address;
      if (!isProxy(address)) break;
    }
    return describe(client, true);
  };
}

/**
 * Publishes the caller's address under {@link clientIpFact}. Mount it before limits and audit.
 *
 * @example
 * ```ts
 * import { clientIp } from "@portcullis/core";
 *
 * const guard = clientIp({ trustedProxies: ["10.0.0.0/8"] });
 * console.log(guard.name); // client-ip
 * ```
 */
export function clientIp(options: ClientIpOptions = {}): Guard {
  const resolve = createClientIpResolver(options);
  return {
    name: "client-ip",
    check(request) {
      request.facts.set(clientIpFact, resolve(request));
      return ALLOW;
    },
  };
}

/** {@link clientIpFact} where it is set, else the socket's peer with no proxy trusted. */
export function clientIpOf(request: GuardRequest): ClientIp {
  return request.facts.get(clientIpFact) ?? resolvePeer(request);
}

const resolvePeer = createClientIpResolver();

function parseProxy(text: string): IpBlock {
  const block = parseIpBlock(text.trim());
  if (block === undefined) throw invalidOption("trustedProxies", text, "a list of IP addresses and CIDR blocks");
  if (block.prefixLength === 0) {
    throw new ConfigurationError(
      "invalid_option",
      `Option "trustedProxies" has ${text}, which trusts everyone: any caller could then choose its own address. Name your proxies.`,
    );
  }
  return block;
}

function hopsFromNearest(value: string | undefined, header: "x-forwarded-for" | "forwarded"): readonly string[] {
  if (value === undefined) return [];
  const nearest = value.length > MAX_FORWARDED_CHARS ? value.slice(-MAX_FORWARDED_CHARS) : value;
  // No quoted string of an address holds a comma; a forged one that does is cut into hops that are no addresses.
  const hops = nearest.split(",").slice(-MAX_HOPS).reverse();
  return header === "forwarded" ? hops.map(forwardedFor) : hops.map((hop) => hop.trim());
}

// RFC 7239 §4: for=192.0.2.60;proto=http, for="[2001:db8::1]:4711"
function forwardedFor(element: string): string {
  for (const pair of element.split(";")) {
    const match = /^\s*for\s*=\s*(?:"([^"]*)"|([^\s"]+))\s*$/i.exec(pair);
    if (match !== null) return match[1] ?? match[2] ?? "";
  }
  return "";
}
