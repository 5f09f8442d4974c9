/** A parsed address. An IPv4-mapped one (RFC 4291 §2.5.5.2) is the IPv4 address: sockets open to both families write it so. */
export type IpAddress = { readonly version: 4; readonly bits: number } | { readonly version: 6; readonly groups: readonly number[] };

/** A block of addresses, in CIDR notation. */
export interface IpBlock {
  /** Never true across versions: NAT64 or 6to4 forms of an IPv4 address are in no IPv4 block. */
  contains(address: IpAddress): boolean;
  /** The address it was written with, one of its own. */
  readonly address: IpAddress;
  /** Leading bits that are fixed; 0 is every address of the version. */
  readonly prefixLength: number;
}

const IPV4 = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/;
const HEX_GROUP = /^[0-9a-f]{1,4}$/i;

/**
 * Parses an address. `undefined` for anything that is not one: leading zeros (read as octal by some), ports, brackets and
 * host names included. A zone (`fe80::1%eth0`) is cut off: it names an interface here, not the peer.
 */
export function parseIp(text: string): IpAddress | undefined {
  // The longest address is 45 characters, a zone adds an interface name.
  if (text.length > 64) return undefined;
  if (!text.includes(":")) {
    const bits = parseIpv4(text);
    return bits === undefined ? undefined : { version: 4, bits };
  }
  const zone = text.indexOf("%");
  if (zone === text.length - 1) return undefined;
  const groups = parseIpv6(zone === -1 ? text : text.slice(0, zone));
  return groups === undefined ? undefined : unwrapMapped(groups);
}

/**
 * Parses an address that may carry a port and brackets, as proxies write them: `[2001:db8::1]:443`, `192.0.2.1:8080`, or with
 * the obfuscated port of RFC 7239 §6.3, `192.0.2.1:_gazonk`.
 */
export function parseIpWithPort(text: string): IpAddress | undefined {
  const bracketed = /^\[([^\]]*)\](?::(?:\d{1,5}|_[\w.-]+))?$/.exec(text);
  if (bracketed !== null) return parseIp(bracketed[1] as string); // the group is not optional
  const withPort = /^([\d.]+):(?:\d{1,5}|_[\w.-]+)$/.exec(text);
  return parseIp(withPort === null ? text : (withPort[1] as string)); // the group is not optional
}

/** Canonical text: dotted decimal, or RFC 5952. */
export function formatIp(address: IpAddress): string {
  if (address.version === 4) return formatIpv4(address.bits);
  return formatGroups(address.groups);
}

/**
 * `192.0.2.0/24`, `2001:db8::/32`, or one address. A block of IPv4-mapped addresses is the IPv4 block: `::ffff:10.0.0.0/104` is
 * `10.0.0.0/8`.
 *
 * @returns `undefined` when it is neither; when it has a zone, which no peer is compared by; and for a mapped address with less
 * than 96 bits: whoever writes `::ffff:10.0.0.0/8` means `10.0.0.0/8`, but says `::/8`.
 */
export function parseIpBlock(text: string): IpBlock | undefined {
  const [addressText = "", lengthText, ...rest] = text.split("/");
  const address = addressText.includes("%") ? undefined : parseIp(addressText);
  if (address === undefined || rest.length > 0) return undefined;
  if (lengthText !== undefined && !/^(?:0|[1-9]\d{0,2})$/.test(lengthText)) return undefined;
  const bits = address.version === 4 ? 32 : 128;
  const mappedBits = address.version === 4 && addressText.includes(":") ? 96 : 0;
  const prefixLength = lengthText === undefined ? bits : Number(lengthText) - mappedBits;
  if (prefixLength < 0 || prefixLength > bits) return undefined;
  return { address, prefixLength, contains: (other) => samePrefix(address, other, prefixLength) };
}

/**
 * What limits count an address by, so that one host has few keys and strangers have different ones.
 *
 * - IPv4 by the address, IPv6 by its prefix: a customer holds a whole block. Dots at the end (`2001:db8::1.2.3.4`) are notation only.
 * - NAT64 `64:ff9b::/96` (RFC 6052), 6to4 `2002::/16` (RFC 3056) and Teredo `2001::/32` (RFC 4380) by the IPv4 host they stand for,
 *   which is where the answers go. By prefix, all of IPv4 behind a translator would be one key; a 6to4 host, which owns a /48, would
 *   have 65,536; a Teredo client one for each server that it names, and shared with all other clients of that server.
 * - Local NAT64 `64:ff9b:1::/48` (RFC 8215) by the whole address. Only the translators of this network write it, and where in it
 *   the IPv4 address stands is their choice; each host has one address in all of the formats. A NAT64 prefix out of a network's own
 *   addresses (RFC 6052 §2.2) cannot be told from hosts of IPv6: it is counted as they are.
 * - `::1` by itself.
 * - IPv4-compatible `::1.2.3.4` (RFC 4291 §2.5.5.1) by the prefix, as one key: abolished and not routed, so no host is wronged.
 */
export function toLimitKey(address: IpAddress, ipv6PrefixLength: number): string {
  if (address.version === 4) return formatIpv4(address.bits);
  const { groups } = address;
  const carried = carriedIpv4(groups);
  if (carried !== undefined) return formatIpv4(carried);
  return isSingle(groups) ? formatGroups(groups) : formatIpv6Prefix(groups, ipv6PrefixLength);
}

function parseIpv4(text: string): number | undefined {
  const match = IPV4.exec(text);
  if (match === null) return undefined;
  let bits = 0;
  for (let index = 1; index <= 4; index += 1) {
    const octet = Number(match[index]);
    if (octet > 255) return undefined;
    bits = bits * 256 + octet;
  }
  return bits;
}

function parseIpv6(text: string): readonly number[] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? "", true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (HEX_GROUP.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      const bits = mayEndInIpv4 && index === parts.length - 1 ? parseIpv4(part) : undefined;
      if (bits === undefined) return undefined;
      groups.push(Math.floor(bits / 65_536), bits % 65_536);
    }
  }
  return groups;
}

function unwrapMapped(groups: readonly number[]): IpAddress {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, high = 0, low = 0] = groups;
  const isMapped = (a | b | c | d | e) === 0 && f === 0xffff;
  return isMapped ? { version: 4, bits: high * 65_536 + low } : { version: 6, groups };
}

function carriedIpv4(groups: readonly number[]): number | undefined {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, high = 0, low = 0] = groups;
  if (a === 0x64 && b === 0xff9b && (c | d | e | f) === 0) return high * 65_536 + low;
  if (a === 0x2002) return b * 65_536 + c;
  // RFC 4380 §4: the client's address is last, all bits inverted.
  if (a === 0x2001 && b === 0) return (high ^ 0xffff) * 65_536 + (low ^ 0xffff);
  return undefined;
}

// Whether it is a key by itself.
function isSingle(groups: readonly number[]): boolean {
  const [a, b, c] = groups;
  const isLocalNat64 = a === 0x64 && b === 0xff9b && c === 1;
  return isLocalNat64 || groups.every((group, index) => group === (index === 7 ? 1 : 0)); // ::1
}

// The block of `prefixLength` bits around an address.
function formatIpv6Prefix(groups: readonly number[], prefixLength: number): string {
  const masked = groups.map((group, index) => group & groupMask(prefixLength - index * 16));
  return `${formatGroups(masked)}/${prefixLength}`;
}

function samePrefix(one: IpAddress, other: IpAddress, prefixLength: number): boolean {
  if (one.version === 4) {
    if (other.version !== 4) return false;
    const size = 2 ** (32 - prefixLength);
    return Math.floor(one.bits / size) === Math.floor(other.bits / size);
  }
  if (other.version !== 6) return false;
  return one.groups.every((group, index) => {
    const mask = groupMask(prefixLength - index * 16);
    return (group & mask) === ((other.groups[index] ?? 0) & mask);
  });
}

// The leading `bits` ones of a 16-bit group, for any number of bits.
function groupMask(bits: number): number {
  if (bits >= 16) return 0xffff;
  return bits <= 0 ? 0 : (0xffff << (16 - bits)) & 0xffff;
}

function formatIpv4(bits: number): string {
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

function formatGroups(groups: readonly number[]): string {
  // RFC 5952 §4.2: the longest run of two or more zero groups, the first of equals, becomes "::".
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start += 1) {
    let length = 0;
    while (groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.start === -1) return hex.join(":");
  return `${hex.slice(0, best.start).join(":")}::${hex.slice(best.start + best.length).join(":")}`;
}
