import { clientIp, clientIpFact, type ClientIpOptions, clientIpOf, createClientIpResolver, FetchGuardRequest } from "@portcullis/core";
import { nodeRequest, type NodeIncoming } from "@portcullis/core/node";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { requestOf } from "./fake-request.js";

const PROXY = "10.0.0.1";
const CALLER = "203.0.113.9";

const behind = createClientIpResolver({ trustedProxies: ["10.0.0.0/8", "2001:db8:ffff::/48"] });
const via = (ip: string, forwarded?: string): string | undefined =>
  behind(requestOf({ ip, ...(forwarded === undefined ? {} : { headers: { "x-forwarded-for": forwarded } }) })).address;

/** A request of Node that carries these field lines. */
function nodeRequestOf(ip: string, rawHeaders: string[]) {
  const nothing = (): undefined => undefined;
  const stream = { read: nothing, resume: nothing, unshift: nothing, on: nothing, off: nothing, destroyed: false, readableDidRead: false };
  const body = {
    readableFlowing: null,
    readableLength: 0,
    [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
  };
  const incoming: NodeIncoming = { ...stream, ...body, rawHeaders, socket: { remoteAddress: ip, once: nothing } };
  return nodeRequest(incoming, { route: nothing, param: nothing }, undefined);
}

describe("X-Forwarded-For", () => {
  it.each([
    [CALLER, "1.1.1.1", CALLER, "an untrusted peer's header is ignored"],
    [`[2001:db8::5]:443`, "1.1.1.1", "2001:db8::5", "an untrusted peer's header is ignored"],
    [PROXY, "1.1.1.1, 203.0.113.9", CALLER, "the right-most untrusted hop"],
    [PROXY, "1.1.1.1, 203.0.113.9, 10.0.0.2", CALLER, "trusted hops are skipped"],
    [PROXY, "1.1.1.1, 10.0.0.3, 203.0.113.9, 10.0.0.2", CALLER, "trusted hops that the caller wrote are not reached"],
    [PROXY, "203.0.113.9, nonsense, 10.0.0.2", "10.0.0.2", "a hop that is no address hides the rest"],
    [PROXY, "203.0.113.9, unknown", PROXY, "a hop that is no address hides the rest"],
    [PROXY, "203.0.113.9, 010.0.0.2", PROXY, "no octal of a proxy is a proxy"],
    [PROXY, "10.0.0.3, 10.0.0.2", "10.0.0.3", "all trusted: the farthest"],
    [PROXY, undefined, PROXY, "no header: the peer"],
    [PROXY, "", PROXY, "an empty header"],
    [PROXY, "203.0.113.9,", PROXY, "an empty hop is no address"],
    [PROXY, "203.0.113.9,,10.0.0.2", "10.0.0.2", "an empty hop is no address"],
    [PROXY, ", 203.0.113.9", CALLER, "an empty hop that is not reached"],
    [PROXY, "[2001:db8::7]:443", "2001:db8::7", "brackets and port"],
    [PROXY, "[2001:db8::7]", "2001:db8::7", "brackets"],
    [PROXY, "203.0.113.9:1234", CALLER, "port"],
    [PROXY, "1.1.1.1, 203.0.113.9:1234,\t10.0.0.2:80", CALLER, "ports of proxies, and a tab"],
    [PROXY, "1.1.1.1, ::ffff:203.0.113.9, ::ffff:10.0.0.2", CALLER, "mapped hops"],
    ["::ffff:10.0.0.1", CALLER, CALLER, "a mapped proxy"],
    ["2001:db8:ffff::1", CALLER, CALLER, "an IPv6 proxy"],
    ["64:ff9b::10.0.0.1", "1.1.1.1", "64:ff9b::a00:1", "whoever comes from a proxy's NAT64 address is not the proxy"],
    [PROXY, "1.1.1.1, 2002:a00:2::1", "2002:a00:2::1", "nor from its 6to4 address"],
    [PROXY, '203.0.113.9, "', PROXY, "a quote is no address"],
  ])("RL-23 %s with %j is %s: %s", (ip, forwarded, expected, _why) => expect(via(ip, forwarded)).toBe(expected));

  it("RL-23 entries left of the client never change the answer", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string(), fc.ipV4(), fc.constantFrom("10.0.0.9", '"', "\\"))), (forged) => {
        expect(via(PROXY, [...forged, CALLER, "10.0.0.2"].join(", "))).toBe(CALLER);
      }),
    );
  });

  it("RL-23 field lines are one list, in the order sent", () => {
    const lines = ["X-Forwarded-For", "6.6.6.6", "Host", "a", "x-forwarded-for", "203.0.113.9, 10.0.0.3", "X-FORWARDED-FOR", "10.0.0.2"];
    expect(behind(nodeRequestOf(PROXY, lines)).address).toBe(CALLER);
    const headers = new Headers([
      ["x-forwarded-for", "6.6.6.6"],
      ["x-forwarded-for", "203.0.113.9, 10.0.0.3"],
    ]);
    expect(behind(new FetchGuardRequest(new Request("http://localhost/", { headers }), PROXY)).address).toBe(CALLER);
  });

  it.each([
    ["a flood left of the caller is not read", "1.1.1.1, ".repeat(5_000) + CALLER, CALLER],
    ["a hundred hops are read", CALLER + ", 10.0.0.2".repeat(99), CALLER],
    ["the next one is not", CALLER + ", 10.0.0.2".repeat(100), "10.0.0.2"],
    ["8 KB are read", CALLER + " ".repeat(8_192 - CALLER.length), CALLER],
    ["not a character more is", CALLER + " ".repeat(8_193 - CALLER.length), PROXY],
    ["a hop that is cut is not believed, though its end is an address", CALLER + " ".repeat(8_192 - "3.0.113.9".length), PROXY],
    ["nor one that is cut in the space before it", " ".repeat(8_192) + CALLER, PROXY],
    ["trusted hops before the cut still count", CALLER + " ".repeat(8_192) + ", 10.0.0.2", "10.0.0.2"],
    ["a flood of brackets is no address", "[".repeat(20_000), PROXY],
    ["nor is one of digits", "1.".repeat(10_000), PROXY],
  ])("RL-23 in a long chain %s", (_why, forwarded, expected) => expect(via(PROXY, forwarded)).toBe(expected));

  it("RL-23 no other header is read", () => {
    const headers = { forwarded: "for=6.6.6.6", "x-real-ip": "6.6.6.6", "cf-connecting-ip": "6.6.6.6", "x-client-ip": "6.6.6.6" };
    expect(behind(requestOf({ ip: PROXY, headers })).address).toBe(PROXY);
  });

  it("RL-23 tells whether a proxy of ours brought the request", () => {
    const headers = { "x-forwarded-for": CALLER };
    expect(behind(requestOf({ ip: PROXY, headers }))).toEqual({ address: CALLER, key: CALLER, trusted: true });
    expect(behind(requestOf({ ip: CALLER, headers }))).toEqual({ address: CALLER, key: CALLER, trusted: false });
    expect(behind(requestOf({ ip: PROXY }))).toEqual({ address: PROXY, key: PROXY, trusted: true });
  });
});

describe("Forwarded", () => {
  const resolve = createClientIpResolver({ trustedProxies: ["10.0.0.0/8"], header: "forwarded" });
  const via = (forwarded: string): string | undefined => resolve(requestOf({ ip: PROXY, headers: { forwarded } })).address;

  it.each([
    ['for=1.1.1.1, For="[2001:db8::9]:4711";proto=https', "2001:db8::9", "quoted, with brackets and port"],
    ["for=1.1.1.1, for=203.0.113.9, for=10.0.0.2;by=10.0.0.1", CALLER, "trusted hops are skipped"],
    ["proto=https;by=10.0.0.1;FOR=203.0.113.9;host=a", CALLER, "in any place and case"],
    ["for=203.0.113.9 ; proto=https;", CALLER, "with space around it"],
    ['for="203.0.113.9:_gazonk"', CALLER, "with an obfuscated port"],
    ["for=[2001:db8::9]:80", "2001:db8::9", "without the quotes that it should have"],
    ["for=1.1.1.1, for=_hidden", PROXY, "an obfuscated name is no address"],
    ["for=1.1.1.1, for=unknown, for=10.0.0.2", "10.0.0.2", "nor is unknown"],
    ["for=1.1.1.1, proto=https", PROXY, "an element without for hides the rest"],
    ["for=1.1.1.1,", PROXY, "an empty element too"],
    ["for=1.1.1.1;for=2.2.2.2", PROXY, "twice in one element is once too often (RFC 7239 §4)"],
    ['for="";for=2.2.2.2', PROXY, "also if it is empty"],
    ["for=1.1.1.1;host=a b", PROXY, "an element that is malformed behind it"],
    ['for="\\1.1.1.1"', PROXY, "no address needs escapes"],
    ["1.1.1.1", PROXY, "an X-Forwarded-For is none"],
    // The caller's Host, which a proxy repeats. `x,for=6.6.6.6;y=` is a valid one (RFC 3986 §3.2.2).
    ['for=203.0.113.9;host="x,for=6.6.6.6;y="', CALLER, "a comma in quotes ends no element"],
    ['host="x;for=6.6.6.6;y=";for=203.0.113.9', CALLER, "a semicolon in quotes ends no pair"],
    ['for=203.0.113.9;host="\\",for=6.6.6.6;y=\\""', CALLER, "an escaped quote ends no quotes"],
    ['for=203.0.113.9;host="\\\\", for=10.0.0.2;host="a"', CALLER, "an escaped backslash escapes no quote"],
    // What the caller sent before the proxy's element.
    ['for=6.6.6.6;host=", for=203.0.113.9;host="h"', CALLER, "a quote that the caller left open swallows nothing"],
    ['for="6.6.6.6\\, for=203.0.113.9;host="h"', CALLER, "nor with a backslash"],
  ])("RL-23 %s is %s: %s", (forwarded, expected) => expect(via(forwarded)).toBe(expected));

  it("RL-23 nothing that a caller can say changes the answer: neither elements before the proxy's nor its Host", () => {
    const text = fc.string({ unit: fc.constantFrom(...'for=6."\\;, hst'.split("")), maxLength: 30 });
    const quote = (host: string): string => `"${host.replaceAll(/["\\]/g, "\\$&")}"`;
    fc.assert(
      fc.property(text, text, text, (forged, host, otherHost) => {
        const written = `for=203.0.113.9;host=${quote(host)}, host=${quote(otherHost)};for="10.0.0.2:80"`;
        expect(via(`${forged}, ${written}`)).toBe(CALLER);
      }),
      { numRuns: 2_000 },
    );
  });

  it("RL-23 is read only where it is the configured header, and then alone", () => {
    const headers = { forwarded: "for=203.0.113.9", "x-forwarded-for": "6.6.6.6" };
    expect(resolve(requestOf({ ip: PROXY, headers })).address).toBe(CALLER);
    expect(behind(requestOf({ ip: PROXY, headers })).address).toBe("6.6.6.6");
    expect(resolve(requestOf({ ip: "198.51.100.1", headers })).address).toBe("198.51.100.1");
  });
});

describe.each(["x-real-ip", "cf-connecting-ip"] as const)("%s", (header) => {
  const resolve = createClientIpResolver({ trustedProxies: ["10.0.0.0/8"], header });
  const via = (value: string, ip = PROXY): string | undefined => resolve(requestOf({ ip, headers: { [header]: value } })).address;

  it.each([
    [CALLER, CALLER],
    [" 203.0.113.9:443 ", CALLER],
    ["[2001:db8::9]:443", "2001:db8::9"],
    ["2001:db8::9", "2001:db8::9"],
    ["", PROXY],
    ["nonsense", PROXY],
    ["6.6.6.6, 203.0.113.9", PROXY],
    ["203.0.113.9,", PROXY],
    [`${CALLER}${" ".repeat(9_000)}`, PROXY],
  ])(`RL-23 ${header}: %j from a proxy is %s`, (value, expected) => expect(via(value)).toBe(expected));

  it(`RL-23 ${header} is believed from a proxy only`, () => {
    expect(via(CALLER, "198.51.100.1")).toBe("198.51.100.1");
    expect(resolve(requestOf({ headers: { [header]: CALLER } })).key).toBe("unknown");
  });

  it(`RL-23 ${header} sent twice is not believed, not even where both say the same`, () => {
    expect(resolve(nodeRequestOf(PROXY, [header, CALLER])).address).toBe(CALLER);
    expect(resolve(nodeRequestOf(PROXY, [header, "6.6.6.6", header.toUpperCase(), CALLER])).address).toBe(PROXY);
    const headers = new Headers([
      [header, CALLER],
      [header, CALLER],
    ]);
    expect(resolve(new FetchGuardRequest(new Request("http://localhost/", { headers }), PROXY)).address).toBe(PROXY);
    // A host that shows one of the two lines still counts both.
    expect(resolve(requestOf({ ip: PROXY, headers: { [header]: CALLER }, counts: { [header]: 2 } })).address).toBe(PROXY);
  });

  it(`RL-23 ${header} is not read where another header is configured`, () => {
    expect(behind(requestOf({ ip: PROXY, headers: { [header]: "6.6.6.6" } })).address).toBe(PROXY);
  });
});

describe("trusted proxies", () => {
  const refused = (options: ClientIpOptions) =>
    expect(() => createClientIpResolver(options)).toThrowError(expect.objectContaining({ code: "invalid_option" }));

  it.each([
    ["0.0.0.0/0", "everyone"],
    ["::/0", "everyone"],
    ["1.2.3.4/0", "everyone, from the middle"],
    ["::ffff:0:0/96", "all of IPv4, mapped"],
    ["::ffff:0.0.0.0/97", "half of it"],
    ["0.0.0.0/7", "more than one network of IPv4"],
    ["2000::/3", "all of IPv6 that is routed"],
    ["2600::/12", "a continent of it"],
    ["::/1", "half of IPv6"],
    ["8000::/1", "the other half"],
    ["64:ff9b::/96", "all of IPv4 by NAT64"],
    ["64:ff9b::128.0.0.0/97", "half of it"],
    ["64::/16", "and what is around it"],
    ["64:ff9b:1::/48", "by local NAT64"],
    ["2002::/16", "by 6to4"],
    ["2002:8000::/17", "half of it"],
    ["2001::/32", "by Teredo"],
    ["2001:0:4136:e378::/64", "by one server of Teredo"],
  ])("RL-23 %s is refused: %s", (block) => refused({ trustedProxies: ["10.0.0.1", block] }));

  it("RL-23 everyone in two halves is refused as well", () => {
    refused({ trustedProxies: ["0.0.0.0/1", "128.0.0.0/1"] });
    refused({ trustedProxies: ["::/1", "8000::/1"] });
    refused({ trustedProxies: ["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"] });
  });

  it.each([
    ["10.0.0.0/8"],
    ["127.0.0.0/8"],
    ["fc00::/7"],
    ["fe80::/10"],
    ["2620::/16"],
    ["64:ff9b::10.0.0.0/104"],
    ["2002:a00::/24"],
    ["::1"],
    ["::ffff:10.0.0.0/104"],
    [" 192.0.2.1 "],
  ])("RL-23 %j is one network and can be trusted", (block) => {
    expect(() => createClientIpResolver({ trustedProxies: [block] })).not.toThrow();
  });

  it("RL-23 a mapped block trusts the IPv4 addresses it says", () => {
    const resolve = createClientIpResolver({ trustedProxies: ["::ffff:10.0.0.0/104"] });
    const headers = { "x-forwarded-for": CALLER };
    expect(resolve(requestOf({ ip: "10.255.0.1", headers })).address).toBe(CALLER);
    expect(resolve(requestOf({ ip: "::ffff:10.255.0.1", headers })).address).toBe(CALLER);
    expect(resolve(requestOf({ ip: "11.0.0.1", headers })).address).toBe("11.0.0.1");
  });

  it("RL-23 what cannot be read is refused, and the error tells which entry it is and what would do", () => {
    for (const entry of ["proxy.internal", "", "10.0.0.0/33", "fe80::1%eth0", "::ffff:10.0.0.0/8"]) {
      expect(() => createClientIpResolver({ trustedProxies: ["10.0.0.1", entry] })).toThrowError(/^Option "trustedProxies\[1\]" is .*CIDR/);
    }
    expect(() => createClientIpResolver({ trustedProxies: ["0.0.0.0/0"] })).toThrowError(
      /^Option "trustedProxies\[0\]" is a block of \/0,.* \/8\.$/,
    );
    // As a program without types would write it.
    refused({ trustedProxies: "10.0.0.0/8" as unknown as string[] });
    refused({ trustedProxies: [10 as unknown as string] });
  });

  it("RL-23 a header that no proxy of ours writes is refused", () => {
    refused({ header: "x-client-ip" as "x-real-ip" });
    refused({ header: "toString" as "x-real-ip" });
  });
});

describe("the guard", () => {
  it("publishes where the request came from", () => {
    const request = requestOf({ ip: PROXY, headers: { "x-forwarded-for": CALLER } });
    void clientIp({ trustedProxies: [PROXY] }).check(request);
    expect(request.facts.get(clientIpFact)?.key).toBe(CALLER);
    expect(clientIpOf(request).key).toBe(CALLER);
  });

  it("RL-23 without it the peer is the caller, whatever the headers claim", () => {
    expect(clientIpOf(requestOf({ ip: PROXY, headers: { "x-forwarded-for": CALLER } })).key).toBe(PROXY);
  });
});
