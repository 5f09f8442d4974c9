import { invalidOption } from "@portcullis/core";
import ipaddr from "ipaddr.js";
import { egressBlocked } from "../errors.js";
import { type Address, isPublicAddress, parseAddress } from "./address.js";

/** What may be called. For the whole process, from its configuration: never a tenant's choice. */
export interface EgressOptions {
  /**
   * Addresses beyond the public Internet: blocks (`10.0.0.0/8`), and exact names or addresses with a port (`hooks.internal:8443`,
   * `127.0.0.1:3000`, `[::1]:3000`). A block must lie inside one special range, so that none opens loopback by accident.
   */
  readonly allow?: readonly string[];
  /** Also `http:`. Default `false`: what is sent could be read and changed on its way. */
  readonly allowHttp?: boolean;
  /** Ports that may be called at addresses not allowed with a port of their own. Default 80, 443, 8080, 8443. */
  readonly ports?: readonly number[];
  /** All addresses of a host name. Default: the operating system's resolver. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
  /** Default 10 s. */
  readonly connectTimeoutMs?: number;
}

/** The rules, prepared. */
export interface EgressRules {
  /** Whether this scheme and port may be called at all. */
  allowsEndpoint(protocol: string, hostname: string, port: number): boolean;
  /** Whether this address, reached under this name and port, may be called. Anything unparseable may not. */
  allowsAddress(address: string | undefined, hostname: string, port: number): boolean;
  /**
   * The address to call, written the one way.
   *
   * @throws {WebhookError} `egress_blocked`, for every reason alike.
   */
  checkUrl(text: string): URL;
}

const DEFAULT_PORTS = [80, 443, 8080, 8443];
const DEFAULT_PORT_OF: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };
const MAX_URL_LENGTH = 2048;

/** @throws {ConfigurationError} `invalid_option`: an entry of the allow list is no block and no host with a port, or too wide. */
export function createEgressRules(options: EgressOptions): EgressRules {
  const { allow = [], allowHttp = false, ports = DEFAULT_PORTS } = options;
  const blocks = allow.filter((entry) => entry.includes("/")).map(parseBlock);
  const exact = new Set(allow.filter((entry) => !entry.includes("/")).map(parseHostPort));
  const allowedPorts = new Set(ports);
  for (const port of ports) if (!isPort(port)) throw invalidOption("egress.ports", port, "ports, 1 to 65535");

  const isExact = (hostname: string, port: number): boolean => exact.has(`${hostname.toLowerCase()}:${port}`);
  const isInBlock = (address: Address): boolean => blocks.some((block) => contains(block, address));

  const allowsEndpoint: EgressRules["allowsEndpoint"] = (protocol, hostname, port) =>
    (protocol === "https:" || (allowHttp && protocol === "http:")) && (allowedPorts.has(port) || isExact(hostname, port));

  const allowsAddress: EgressRules["allowsAddress"] = (text, hostname, port) => {
    const address = text === undefined ? undefined : parseAddress(text);
    if (address === undefined) return false;
    return isExact(hostname, port) || (allowedPorts.has(port) && (isPublicAddress(address) || isInBlock(address)));
  };

  return {
    allowsEndpoint,
    allowsAddress,
    checkUrl(text) {
      // The parser drops tabs and line breaks and reads a backslash as a slash: what people saw is not what is called.
      if (typeof text !== "string" || text.length > MAX_URL_LENGTH || /[\s\p{C}\\]/u.test(text) || !URL.canParse(text))
        throw egressBlocked();
      const url = new URL(text);
      const port = url.port === "" ? DEFAULT_PORT_OF[url.protocol] : Number(url.port);
      const hostname = bareHost(url.hostname);
      const isPlain = url.username === "" && url.password === "" && !text.includes("#") && hostname !== "" && !hostname.endsWith(".");
      if (!isPlain || port === undefined || !allowsEndpoint(url.protocol, hostname, port)) throw egressBlocked();
      // The URL parser has written 2130706433, 0x7f.1 and the like as addresses by now.
      if (parseAddress(hostname) !== undefined && !allowsAddress(hostname, hostname, port)) throw egressBlocked();
      return url;
    },
  };
}

/** A URL's host without the brackets of an IPv6 literal. */
export function bareHost(hostname: string): string {
  return hostname.startsWith("[") && hostname.endsWith("]") ? hostname.slice(1, -1) : hostname;
}

function parseBlock(entry: string): readonly [Address, number] {
  const accepted = "blocks inside one special range, e.g. 10.0.0.0/8, and hosts with a port, e.g. 127.0.0.1:3000";
  if (!ipaddr.isValidCIDR(entry)) throw invalidOption("egress.allow", entry, accepted);
  const [address, bits] = ipaddr.parseCIDR(entry);
  const isV6 = address instanceof ipaddr.IPv6;
  if (bits === (isV6 ? 128 : 32)) return [ipaddr.process(address.toString()), isV6 && address.isIPv4MappedAddress() ? 32 : bits];
  const first = isV6 ? ipaddr.IPv6.networkAddressFromCIDR(entry) : ipaddr.IPv4.networkAddressFromCIDR(entry);
  const last = isV6 ? ipaddr.IPv6.broadcastAddressFromCIDR(entry) : ipaddr.IPv4.broadcastAddressFromCIDR(entry);
  // "unicast" is public anyway, and a block between two public ends could hide a private one.
  if (first.range() === "unicast" || first.range() !== last.range() || first.range() === "ipv4Mapped")
    throw invalidOption("egress.allow", entry, accepted);
  return [address, bits];
}

function contains([network, bits]: readonly [Address, number], address: Address): boolean {
  if (network instanceof ipaddr.IPv4) return address instanceof ipaddr.IPv4 && address.match(network, bits);
  return address instanceof ipaddr.IPv6 && address.match(network, bits);
}

function parseHostPort(entry: string): string {
  const accepted = "hosts with a port, e.g. hooks.internal:8443 or 127.0.0.1:3000, and blocks, e.g. 10.0.0.0/8";
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(entry) ?? [];
  const url = `http://${host}/`;
  if (!isPort(Number(port)) || !URL.canParse(url)) throw invalidOption("egress.allow", entry, accepted);
  const { hostname, pathname, username, search, hash } = new URL(url);
  if (pathname !== "/" || username !== "" || search !== "" || hash !== "" || host.includes(":") !== host.startsWith("[")) {
    throw invalidOption("egress.allow", entry, accepted);
  }
  return `${bareHost(hostname)}:${Number(port)}`;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}
