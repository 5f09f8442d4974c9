import { clientIp, clientIpFact, createClientIpResolver, formatIp, parseIp, parseIpBlock } from "@portcullis/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { requestOf } from "./fake-request.js";

const keyOf = (ip: string): string => createClientIpResolver()(requestOf({ ip })).key;

describe("RL-20 addresses", () => {
  it.each([
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["::ffff:102:304", "1.2.3.4"],
    ["::FFFF:102:304", "1.2.3.4"],
    ["1.2.3.4", "1.2.3.4"],
    ["64:ff9b::102:304", "1.2.3.4"],
    ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
    ["2001:DB8:1:2:ffff::", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::1", "2001:db8:1:3::/64"],
    ["2001:db8::1.2.3.4", "2001:db8::/64"],
    ["fe80::1%eth0", "fe80::/64"],
    ["2002:102:304::1", "2002:102:304::/64"],
    ["::1", "::1"],
    ["[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"],
    ["1.2.3.4:5678", "1.2.3.4"],
  ])("%s is limited as %s", (ip, key) => expect(keyOf(ip)).toBe(key));

  it.each([
    [""],
    ["garbage"],
    ["01.2.3.4"],
    ["1.2.3"],
    ["1.2.3.256"],
    ["1::2::3"],
    ["1:2:3:4:5:6:7:8:9"],
    [":1"],
    ["1:2:3:4:5:6:7:"],
    ["1.2.3.4::"],
    ["::g"],
    ["1:".repeat(200)],
  ])("RL-21 %j is no address: one shared bucket", (ip) => expect(keyOf(ip)).toBe("unknown"));

  it("RL-24 a peer without an address shares one bucket", () => {
    expect(createClientIpResolver()(requestOf())).toEqual({ address: undefined, key: "unknown", trusted: false });
  });

  it("RL-22 a hundred thousand addresses of one /64 are one key", () => {
    const keys = new Set<string>();
    for (let index = 0; index < 100_000; index += 1)
      keys.add(keyOf(`2001:db8:1:2::${(index >> 16).toString(16)}:${(index & 0xffff).toString(16)}`));
    expect(keys.size).toBe(1);
  });

  it("format to a text that parses to the same address", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = parseIp(text);
        if (address === undefined) throw new Error(`not parsed: ${text}`);
        expect(parseIp(formatIp(address))).toEqual(address);
      }),
    );
  });

  it("a block contains its own addresses and no others", () => {
    const block = parseIpBlock("10.1.0.0/16");
    const inside = (text: string): boolean | undefined => block?.contains(parseIp(text) ?? { version: 4, bits: 0 });
    expect([inside("10.1.255.255"), inside("10.2.0.0"), inside("::ffff:10.1.0.9"), inside("2001:db8::")]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    for (const wrong of ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::/129", "host"]) expect(parseIpBlock(wrong)).toBeUndefined();
  });
});

describe("RL-23 behind proxies", () => {
  const resolve = createClientIpResolver({ trustedProxies: ["10.0.0.0/8", "2001:db8:ffff::/48"] });
  const via = (ip: string, forwarded?: string): string | undefined =>
    resolve(requestOf({ ip, ...(forwarded === undefined ? {} : { headers: { "x-forwarded-for": forwarded } }) })).address;

  it.each([
    ["203.0.113.9", "1.1.1.1", "203.0.113.9", "an untrusted peer's header is ignored"],
    ["10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9", "the right-most untrusted hop"],
    ["10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9", "trusted hops are skipped"],
    ["10.0.0.1", "203.0.113.9, nonsense, 10.0.0.2", "10.0.0.2", "a hop that is no address hides the rest"],
    ["10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", "all trusted: the farthest"],
    ["10.0.0.1", undefined, "10.0.0.1", "no header: the peer"],
    ["10.0.0.1", "", "10.0.0.1", "empty"],
    ["10.0.0.1", "203.0.113.9,", "10.0.0.1", "an empty hop is no address"],
    ["10.0.0.1", "[2001:db8::7]:443", "2001:db8::7", "brackets and port"],
    ["10.0.0.1", "203.0.113.9:1234", "203.0.113.9", "port"],
    ["2001:db8:ffff::1", "203.0.113.9", "203.0.113.9", "an IPv6 proxy"],
  ])("%s with %j is %s (%s)", (ip, forwarded, expected, _why) => expect(via(ip, forwarded)).toBe(expected));

  it("entries left of the client never change the answer", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (forged) => {
        expect(via("10.0.0.1", [...forged, "203.0.113.9"].join(", "))).toBe("203.0.113.9");
      }),
    );
  });

  it("reads only the nearest 100 hops of a forged chain", () => {
    expect(via("10.0.0.1", "10.0.0.2, ".repeat(5000) + "10.0.0.2")).toBe("10.0.0.2");
  });

  it("reads Forwarded only when it is the configured header", () => {
    const forwarded = createClientIpResolver({ trustedProxies: ["10.0.0.1"], header: "forwarded" });
    const headers = { forwarded: 'for=1.1.1.1, For="[2001:db8::9]:4711";proto=https', "x-forwarded-for": "6.6.6.6" };
    expect(forwarded(requestOf({ ip: "10.0.0.1", headers })).address).toBe("2001:db8::9");
    expect(forwarded(requestOf({ ip: "10.0.0.1", headers: { forwarded: "for=_hidden" } })).address).toBe("10.0.0.1");
  });

  it.each([[["0.0.0.0/0"]], [["::/0"]], [["proxy.internal"]]])("refuses %j as trusted proxies", (trustedProxies) => {
    expect(() => createClientIpResolver({ trustedProxies })).toThrowError(expect.objectContaining({ code: "invalid_option" }));
  });

  it("refuses an IPv6 prefix outside 32 to 128", () => {
    expect(() => createClientIpResolver({ ipv6PrefixLength: 16 })).toThrowError(expect.objectContaining({ code: "invalid_option" }));
  });

  it("publishes the fact", () => {
    const request = requestOf({ ip: "203.0.113.9" });
    void clientIp().check(request);
    expect(request.facts.get(clientIpFact)?.key).toBe("203.0.113.9");
  });
});
