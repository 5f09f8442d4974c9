import { createFactKey, type FactKey } from "../guard/facts.js";
import { ALLOW, type Guard, type GuardRequest } from "../guard/guard.js";
import { ConfigurationError, invalidOption } from "../problem/errors.js";
import { formatIp, type IpAddress, type IpBlock, parseIpBlock, parseIpWithPort, toLimitKey } from "./ip-address.js";

/** Where a request came from. */
export interface ClientIp {
  /** Canonical text; `undefined` when the peer has no address (a Unix socket, a connection closed meanwhile) or none that can be read. */
  readonly address: string | undefined;
  /**
   * What limits count by: the IPv4 address, also for the NAT64, 6to4 or Teredo address of its host; the IPv6 prefix
   * (`2001:db8:1:2::/64`); or `unknown`, one bucket for all without an address. For counting only: a key proves nothing.
   */
  readonly key: string;
  /** Whether the socket's peer is one of the trusted proxies. */
  readonly trusted: boolean;
}

/** The caller's address; set by the {@link clientIp} guard. */
export const clientIpFact: FactKey<ClientIp> = createFactKey<ClientIp>("client-ip");

/** How to find the caller behind proxies. */
export interface ClientIpOptions {
  /**
   * Addresses and CIDR blocks of your own proxies. Default: none, and forwarding headers are ignored.
   *
   * A block so wide that strangers are in it is refused: IPv4 wider than /8, routed IPv6 wider than /16, other IPv6 wider than /7,
   * and what holds as much of IPv4 by NAT64, 6to4 or Teredo. The NAT64 or 6to4 address of an IPv4 proxy is not trusted with it.
   */
  readonly trustedProxies?: readonly string[];
  /**
   * The one header your proxies write. A second one would be the attacker's. Default `x-forwarded-for`.
   *
   * `x-real-ip` and `cf-connecting-ip` hold one address, which the nearest proxy must set itself; sent twice, they are ignored.
   */
  readonly header?: "x-forwarded-for" | "forwarded" | "x-real-ip" | "cf-connecting-ip";
  /** IPv6 callers share a key by this prefix, since one customer holds a whole block. 32 to 128, default 64. */
  readonly ipv6PrefixLength?: number;
}

type HeaderName = NonNullable<ClientIpOptions["header"]>;

const DEFAULTS = { header: "x-forwarded-for", ipv6PrefixLength: 64 } as const;
const UNKNOWN: ClientIp = Object.freeze({ address: undefined, key: "unknown", trusted: false });
// Longer chains are forged or broken; only the part nearest to us is read.
const MAX_HOPS = 100;
const MAX_FORWARDED_CHARS = 8192;
const MAX_REMEMBERED_PEERS = 4096;

// How each header names its hops, the last of them nearest to us; one that holds one address only has no list.
const HEADERS: Readonly<Record<HeaderName, { readonly isList: boolean; readonly nodeOf: (hop: string) => string }>> = Object.freeze({
  "x-forwarded-for": { isList: true, nodeOf: trimmed },
  forwarded: { isList: true, nodeOf: forwardedFor },
  "x-real-ip": { isList: false, nodeOf: trimmed },
  "cf-connecting-ip": { isList: false, nodeOf: trimmed },
});

// Networks of strangers, with the widest block in each that can be one operator's own: a wider one has callers among its proxies,
// and these could then choose their address. Halves of a network (0.0.0.0/1, 128.0.0.0/1) are as wrong as the whole.
const NETWORKS: readonly { readonly network: string; readonly widest: number }[] = Object.freeze([
  { network: "0.0.0.0/0", widest: 8 }, // 10.0.0.0/8 is one network; ::ffff:0:0/96 is another spelling of all
  { network: "::/0", widest: 7 }, // fc00::/7 likewise
  { network: "2000::/3", widest: 16 }, // all of IPv6 that is routed
  { network: "64:ff9b::/96", widest: 104 }, // all of IPv4 by NAT64
  { network: "64:ff9b:1::/48", widest: 104 },
  { network: "2002::/16", widest: 24 }, // by 6to4
  { network: "2001::/32", widest: 128 }, // by Teredo, where the client comes last
]);

/**
 * Finds the caller of a request: the socket's peer, or, behind trusted proxies, the right-most hop that is not one of them.
 * Entries left of that hop are whatever the caller wrote and never change the answer; nor does anything left of a hop that is
 * no address. A peer without an address is never a proxy: a connection that its client has closed has none either.
 *
 * @throws {ConfigurationError} `invalid_option`: an entry is no address or block, or it trusts callers; an unknown header.
 * @see RFC 7239 §8.1
 */
export function createClientIpResolver(
  options: ClientIpOptions = {},
): (request: Pick<GuardRequest, "ip" | "header" | "headerCount">) => ClientIp {
  const { header = DEFAULTS.header, ipv6PrefixLength = DEFAULTS.ipv6PrefixLength, trustedProxies = [] } = options;
  if (!Object.hasOwn(HEADERS, header)) throw invalidOption("header", header, `one of ${Object.keys(HEADERS).join(", ")}`);
  if (!Number.isInteger(ipv6PrefixLength) || ipv6PrefixLength < 32 || ipv6PrefixLength > 128) {
    throw invalidOption("ipv6PrefixLength", ipv6PrefixLength, "an integer from 32 to 128");
  }
  if (!Array.isArray(trustedProxies)) throw invalidOption("trustedProxies", trustedProxies, "a list of IP addresses and CIDR blocks");
  const proxies = trustedProxies.map(parseProxy);
  const isProxy = (address: IpAddress): boolean => proxies.some((block) => block.contains(address));
  const describe = (address: IpAddress, trusted: boolean): ClientIp =>
    Object.freeze({ address: formatIp(address), key: toLimitKey(address, ipv6PrefixLength), trusted });

  // Peers come back on every request of a connection; emptied when full, so that rotating addresses costs time, not memory.
  const peers = new Map<string, ClientIp>();
  const meet = (text: string): ClientIp => {
    const address = parseIpWithPort(text);
    if (address === undefined) return UNKNOWN;
    const peer = describe(address, isProxy(address));
    if (peers.size >= MAX_REMEMBERED_PEERS) peers.clear();
    peers.set(text, peer);
    return peer;
  };

  const { isList, nodeOf } = HEADERS[header];
  const behind = (proxy: ClientIp, value: string): ClientIp => {
    const nearest = value.slice(-MAX_FORWARDED_CHARS);
    let client: IpAddress | undefined;
    let end = nearest.length;
    for (let hops = 0; hops < MAX_HOPS && end >= 0; hops += 1) {
      const start = isList ? hopStart(nearest, end) : 0;
      // The rest of a hop that was cut might read as another address.
      if (start === 0 && nearest.length < value.length) break;
      const address = parseIpWithPort(nodeOf(nearest.slice(start, end)));
      // A hop that is no address (an obfuscated node name, garbage) hides all that is left of it.
      if (address === undefined) break;
      client = address;
      if (!isProxy(address)) break;
      end = start - 1;
    }
    return client === undefined ? proxy : describe(client, true);
  };

  return (request) => {
    const { ip } = request;
    if (ip === undefined) return UNKNOWN;
    const peer = peers.get(ip) ?? meet(ip);
    if (!peer.trusted) return peer;
    // Of two lines with one address each, one is the caller's own.
    const value = isList || request.headerCount(header) === 1 ? request.header(header) : undefined;
    return value === undefined ? peer : behind(peer, value);
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

function parseProxy(text: string, index: number): IpBlock {
  const option = `trustedProxies[${index}]`;
  const block = typeof text === "string" ? parseIpBlock(text.trim()) : undefined;
  if (block === undefined) {
    throw invalidOption(option, text, "an IP address or a CIDR block, without a zone, and with 96 bits or more if it is IPv4-mapped");
  }
  for (const { network, widest } of NETWORKS) {
    if (block.prefixLength >= widest || !overlap(block, parseIpBlock(network) as IpBlock)) continue; // the table has blocks only
    throw new ConfigurationError(
      "invalid_option",
      `Option "${option}" is a block of /${block.prefixLength}, which trusts strangers in ${network}: a caller there could choose its ` +
        `own address. Name your proxies, in blocks no wider than /${widest}.`,
    );
  }
  return block;
}

// Of two blocks, one holds the other, or they have nothing in common.
function overlap(one: IpBlock, other: IpBlock): boolean {
  return one.contains(other.address) || other.contains(one.address);
}

function trimmed(hop: string): string {
  return hop.trim();
}

// Where the hop begins that ends before `end`: behind the nearest comma outside of quotes. Read backwards, since that end is our
// proxies' own: from the left, a quote that the caller never closed would swallow what they wrote.
function hopStart(list: string, end: number): number {
  let isQuoted = false;
  for (let index = end - 1; index >= 0; index -= 1) {
    const char = list.charCodeAt(index);
    if (char === QUOTE) isQuoted = !isQuoted || isEscaped(list, index);
    else if (char === COMMA && !isQuoted) return index + 1;
  }
  return 0;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;

// Behind an odd number of backslashes.
function isEscaped(text: string, index: number): boolean {
  let start = index;
  while (text.charCodeAt(start - 1) === BACKSLASH) start -= 1;
  return (index - start) % 2 === 1;
}

// RFC 7239 §4: for=192.0.2.60;proto=http, for="[2001:db8::1]:4711". Quoted strings are read as such: proxies repeat the caller's
// Host in host="...", and `x,for=192.0.2.1;y=` is a valid one.
const FORWARDED_PAIR = /[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*))[ \t]*(?:$|;[ \t;]*)/gy;

function forwardedFor(element: string): string {
  let node: string | undefined;
  let length = 0;
  for (const [pair, name = "", quoted, token = ""] of element.matchAll(FORWARDED_PAIR)) {
    length += pair.length;
    if (name.toLowerCase() !== "for") continue;
    // RFC 7239 §4: each parameter once.
    if (node !== undefined) return "";
    node = quoted ?? token;
  }
  return length === element.length ? (node ?? "") : "";
}
