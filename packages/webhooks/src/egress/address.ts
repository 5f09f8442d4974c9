import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** An IPv4 or IPv6 address, an IPv4-mapped one as the IPv4 address that it reaches. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

// Public by its range, but the host's control channel on one large cloud.
const PLATFORM_ADDRESS = "168.63.129.16";
const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse("2000::"), 3];

/** The address of a text as the resolver or the socket gives it; `undefined` for anything else, which is then refused. */
export function parseAddress(text: string): Address | undefined {
  // isIP first: the parser below also takes 0x7f.1 and 127.1, which no resolver says.
  if (isIP(text) === 0) return undefined;
  try {
    return ipaddr.process(text);
  } catch {
    return undefined;
  }
}

/**
 * Whether an address is one of the public Internet.
 *
 * IPv6 must lie inside 2000::/3 too: by its range alone, `::7f00:1` (IPv4-compatible loopback, RFC 4291 §2.5.5.1) and
 * `100:0:0:1::1` (dummy prefix, RFC 9780) would pass.
 */
export function isPublicAddress(address: Address): boolean {
  if (address.range() !== "unicast") return false;
  return address instanceof ipaddr.IPv6 ? address.match(GLOBAL_UNICAST) : address.toString() !== PLATFORM_ADDRESS;
}
