/** A parsed address. IPv4-mapped (RFC 4291 §2.5.5.2) and NAT64 (RFC 6052 §2.1) addresses are the IPv4 address they carry. */
export type IpAddress = { readonly version: 4; readonly bits: number } | { readonly version: 6; readonly groups: readonly number[] };

/** A block of addresses, in CIDR notation. */
export interface IpBlock {
  contains(address: IpAddress): boolean;
  /** Leading bits that are fixed; 0 is every address. */
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
  const groups = parseIpv6(zone === -1 ? text : text.slice(0, zone));
  return groups === undefined ? undefined : unwrapIpv4(groups);
}

/** Parses an address that may carry a port and brackets, as proxies write them: `[2001:db8::1]:443`, `192.0.2.1:8080`. */
export function parseIpWithPort(text: string): IpAddress | undefined {
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text);
  if (bracketed !== null) return parseIp(bracketed[1] as string); // the group is not optional
  const withPort = /^([\d.]+):\d{1,5}$/.exec(text);
  return parseIp(withPort === null ? text : (withPort[1] as string)); // the group is not optional
}

/** Canonical text: dotted decimal, or RFC 5952. */
export function formatIp(address: IpAddress): string {
  if (address.version === 4) return formatIpv4(address.bits);
  return formatGroups(address.groups);
}

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. `undefined` when it is neither. */
export function parseIpBlock(text: string): IpBlock | undefined {
  const [addressText = "", lengthText, ...rest] = text.split("/");
  const address = parseIp(addressText);
  if (address === undefined || rest.length > 0) return undefined;
  const bits = address.version === 4 ? 32 : 128;
  if (lengthText !== undefined && !/^\d{1,3}$/.test(lengthText)) return undefined;
  const prefixLength = lengthText === undefined ? bits : Number(lengthText);
  if (prefixLength > bits) return undefined;
  return { prefixLength, contains: (other) => samePrefix(address, other, prefixLength) };
}

/** The block of `prefixLength` bits around an IPv6 address, as text: `2001:db8:1:2::/64`. */
export function formatIpv6Prefix(groups: readonly number[], prefixLength: number): string {
  const masked = groups.map((group, index) => group & groupMask(prefixLength - index * 16));
  return `${formatGroups(masked)}/${prefixLength}`;
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

function unwrapIpv4(groups: readonly number[]): IpAddress {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, high = 0, low = 0] = groups;
  const mapped = a === 0 && b === 0 && c === 0 && d === 0 && e === 0 && f === 0xffff;
  // One NAT64 gateway fronts many: keyed as IPv6 they would all be one /64.
  const nat64 = a === 0x64 && b === 0xff9b && c === 0 && d === 0 && e === 0 && f === 0;
  return mapped || nat64 ? { version: 4, bits: high * 65_536 + low } : { version: 6, groups };
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
