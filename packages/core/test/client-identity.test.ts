// What an address is, what it is counted by, and what a block holds. Node's own parsers are the independent witness.
import { createServer, request as httpRequest } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { BlockList, isIP } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClientIpResolver, type ClientIp, formatIp, parseIp, parseIpBlock } from "@portcullis/core";
import { nodeRequest } from "@portcullis/core/node";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { requestOf } from "./fake-request.js";

const resolve = createClientIpResolver();
const keyOf = (ip: string): string => resolve(requestOf({ ip })).key;
const keysOf = (count: number, ip: (index: number) => string): string[] => {
  const keys = new Set<string>();
  for (let index = 0; index < count; index += 1) keys.add(keyOf(ip(index)));
  return [...keys];
};
const hex = (value: number): string => value.toString(16);

describe("the key of an address", () => {
  it.each([
    ["::ffff:1.2.3.4", "1.2.3.4", "IPv4-mapped is the IPv4 address"],
    ["::ffff:102:304", "1.2.3.4", "in every spelling"],
    ["::FFFF:0102:0304", "1.2.3.4", "in every spelling"],
    ["0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4", "in every spelling"],
    ["::ffff:1.2.3.4%eth0", "1.2.3.4", "and with a zone"],
    ["1.2.3.4", "1.2.3.4", "IPv4 is one address"],
    ["255.255.255.255", "255.255.255.255", "up to the last"],
    ["2001:db8:1:2::1", "2001:db8:1:2::/64", "IPv6 is its /64"],
    ["2001:DB8:1:2:ffff::", "2001:db8:1:2::/64", "whatever the case and the host"],
    ["2001:0db8:0001:0002:0:0:0:1", "2001:db8:1:2::/64", "and the spelling"],
    ["2001:db8:1:3::1", "2001:db8:1:3::/64", "the next /64 is another"],
    ["2001:db8::1.2.3.4", "2001:db8::/64", "dots are notation, no IPv4 address"],
    ["1::ffff:1.2.3.4", "1::/64", "nor with anything before the prefix of mapped ones"],
    ["::1:ffff:1.2.3.4", "::/64", "nor with anything before the prefix of mapped ones"],
    ["::ffff:0:1.2.3.4", "::/64", "nor where IPv4 was translated long ago (RFC 2765)"],
    ["fe80::1%eth0", "fe80::/64", "a zone is no part of the peer"],
    ["::1", "::1", "this machine is one"],
    ["0:0:0:0:0:0:0:1", "::1", "this machine is one"],
    ["::2", "::/64", "its neighbours are not"],
  ])("RL-20 %s is counted as %s: %s", (ip, key) => expect(keyOf(ip)).toBe(key));

  it.each([
    ["64:ff9b::102:304", "1.2.3.4", "NAT64: the IPv4 host behind the translator"],
    ["64:ff9b::1.2.3.4", "1.2.3.4", "NAT64: in every spelling"],
    ["64:ff9b::1:102:304", "64:ff9b::/64", "outside of its /96 it is no NAT64"],
    ["64:ff9b:0:1::102:304", "64:ff9b:0:1::/64", "outside of its /96 it is no NAT64"],
    ["64:ff9b:1::102:304", "64:ff9b:1::102:304", "local NAT64: the whole address, its format is the operator's"],
    ["64:ff9b:1:102:3:400::", "64:ff9b:1:102:3:400::", "local NAT64: in the format of a /48 as well"],
    ["64:ff9b:2::102:304", "64:ff9b:2::/64", "the /48 beside it is no NAT64"],
    ["2002:102:304::1", "1.2.3.4", "6to4: the IPv4 host that owns the /48"],
    ["2002:102:304:ffff::1", "1.2.3.4", "6to4: in all of its subnets"],
    ["2002:ffff:ffff::", "255.255.255.255", "6to4: up to the last"],
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45", "Teredo: the client, inverted (RFC 4380 §4)"],
    ["2001::", "255.255.255.255", "Teredo: inverted without exception"],
    ["2001:1::1", "2001:1::/64", "the /32 beside it is no Teredo"],
    ["::1.2.3.4", "::/64", "IPv4-compatible: abolished, one key for whoever claims one"],
    ["::", "::/64", "nor is the unspecified address a host"],
  ])("RL-20 %s is counted as %s: %s", (ip, key) => expect(keyOf(ip)).toBe(key));

  it("RL-20 one 6to4 host has one key, though it owns 65,536 prefixes", () => {
    expect(keysOf(65_536, (subnet) => `2002:c000:22d:${hex(subnet)}::${hex(subnet)}`)).toEqual(["192.0.2.45"]);
  });

  it("RL-20 one Teredo host has one key, whichever servers, flags and ports it names", () => {
    const group = (value: number): string => hex(value & 0xffff);
    const address = (index: number): string =>
      `2001:0:${group(index * 7)}:${group(index * 11)}:${group(index)}:${group(index * 3)}:3fff:fdd2`;
    expect(keysOf(10_000, address)).toEqual(["192.0.2.45"]);
  });

  it.each([
    ["the translator of NAT64", (host: number) => `64:ff9b::192.0.2.${host}`],
    ["a translator of local NAT64", (host: number) => `64:ff9b:1::192.0.2.${host}`],
    ["one server of Teredo", (host: number) => `2001:0:4136:e378:8000:63bf:3fff:${hex(0xfd00 + host)}`],
  ])("RL-20 strangers behind %s have different keys", (_name, address) => expect(keysOf(256, address)).toHaveLength(256));

  it("RL-22 a hundred thousand addresses of one /64 are one key", () => {
    expect(keysOf(100_000, (index) => `2001:db8:1:2:${hex(index % 7)}::${hex(index >> 16)}:${hex(index & 0xffff)}`)).toEqual([
      "2001:db8:1:2::/64",
    ]);
  });

  it("RL-22 so they are behind a proxy", () => {
    const behind = createClientIpResolver({ trustedProxies: ["10.0.0.1"] });
    const keys = new Set<string>();
    for (let index = 0; index < 100_000; index += 1) {
      const forwarded = `2001:db8:1:2::${hex(index >> 16)}:${hex(index & 0xffff)}`;
      keys.add(behind(requestOf({ ip: "10.0.0.1", headers: { "x-forwarded-for": forwarded } })).key);
    }
    expect([...keys]).toEqual(["2001:db8:1:2::/64"]);
  });

  it.each([
    [32, "2001:db8::/32"],
    [56, "2001:db8:1:200::/56"],
    [57, "2001:db8:1:280::/57"],
    [128, "2001:db8:1:2ff::1/128"],
  ])("RL-22 the prefix can be set: /%i", (ipv6PrefixLength, key) => {
    const address = requestOf({ ip: "2001:db8:1:2ff::1" });
    expect(createClientIpResolver({ ipv6PrefixLength })(address).key).toBe(key);
  });

  it.each([[16], [31], [129], [64.5], [Number.NaN]])("RL-22 a prefix of %d is refused", (ipv6PrefixLength) => {
    expect(() => createClientIpResolver({ ipv6PrefixLength })).toThrowError(expect.objectContaining({ code: "invalid_option" }));
  });
});

describe("a peer", () => {
  it.each([
    ["[2001:db8:1:2::1]:443", "2001:db8:1:2::/64"],
    ["[2001:db8:1:2::1]", "2001:db8:1:2::/64"],
    ["[fe80::1%eth0]:443", "fe80::/64"],
    ["[::ffff:1.2.3.4]:443", "1.2.3.4"],
    ["1.2.3.4:5678", "1.2.3.4"],
  ])("RL-21 %s is stripped to %s", (ip, key) => expect(keyOf(ip)).toBe(key));

  it.each([
    [""],
    [" "],
    ["garbage"],
    ["localhost"],
    ["unix:"],
    ["/run/app.sock"],
    ["01.2.3.4"],
    ["1.2.3"],
    ["1.2.3.4.5"],
    ["1.2.3.256"],
    ["0x1.2.3.4"],
    ["16909060"],
    ["1.2.3.4 "],
    ["1.2.3.4%eth0"],
    ["1.2.3.4:"],
    ["1.2.3.4:443:443"],
    ["１.2.3.4"],
    ["[v6]:443"],
    ["[]:443"],
    ["[2001:db8::1"],
    ["[2001:db8::1]443"],
    ["[2001:db8::1]:"],
    ["fe80::1%"],
    [`fe80::1%${"0".repeat(60)}`],
    ["%eth0"],
    ["1::2::3"],
    [":::"],
    ["1:2:3:4:5:6:7:8:9"],
    ["1:2:3:4:5:6:7::8"],
    ["1:2:3:4:5:6:7:1.2.3.4"],
    [":1"],
    ["1:2:3:4:5:6:7:"],
    ["1.2.3.4::"],
    ["::ffff:01.2.3.4"],
    ["::12345"],
    ["::g"],
    ["1:".repeat(200)],
  ])("RL-21 %j is no address: it joins the one bucket of all such peers", (ip) => {
    expect(resolve(requestOf({ ip }))).toEqual({ address: undefined, key: "unknown", trusted: false });
  });

  it("RL-21 is an address exactly if Node takes it for one", () => {
    const digits = fc.string({ unit: fc.constantFrom(..."0123456789abcdefF:.g".split("")), maxLength: 20 });
    const nearly = fc
      .tuple(fc.oneof(fc.ipV4(), fc.ipV4Extended(), fc.ipV6()), fc.nat(), fc.constantFrom("", "0", ":", "::", ".", "1", "f"), fc.nat(1))
      .map(([text, at, more, cut]) => text.slice(0, at % (text.length + 1)) + more + text.slice((at % (text.length + 1)) + cut));
    fc.assert(
      fc.property(fc.oneof(digits, nearly), (text) => (parseIp(text) !== undefined) === (isIP(text) !== 0)),
      { numRuns: 5_000 },
    );
  });

  it("RL-21 that cannot be read is believed in nothing, though callers are", () => {
    const behind = createClientIpResolver({ trustedProxies: ["10.0.0.0/8"] });
    for (const ip of ["", "garbage", "010.0.0.1"]) {
      expect(behind(requestOf({ ip, headers: { "x-forwarded-for": "203.0.113.9" } })).key).toBe("unknown");
    }
  });

  it("is looked up, not parsed again: the same answer for the same peer, also after many others", () => {
    const first = resolve(requestOf({ ip: "203.0.113.9" }));
    expect(resolve(requestOf({ ip: "203.0.113.9" }))).toBe(first);
    expect(keysOf(5_000, (index) => `198.51.${index >> 8}.${index & 255}`)).toHaveLength(5_000);
    expect(resolve(requestOf({ ip: "203.0.113.9" }))).toEqual(first);
    expect(Object.isFrozen(first)).toBe(true);
  });

  it("RL-24 without an address shares one bucket, and no header gives it another", () => {
    const headers = { "x-forwarded-for": "203.0.113.9" };
    expect(resolve(requestOf({ headers }))).toEqual({ address: undefined, key: "unknown", trusted: false });
    const behind = createClientIpResolver({ trustedProxies: ["10.0.0.0/8", "::1"] });
    expect(behind(requestOf({ headers }))).toEqual({ address: undefined, key: "unknown", trusted: false });
  });

  // Windows has named pipes instead.
  it.skipIf(process.platform === "win32")("RL-24 on a Unix socket is one without an address", async () => {
    const folder = mkdtempSync(join(tmpdir(), "portcullis-"));
    const socketPath = join(folder, "app.sock");
    const behind = createClientIpResolver({ trustedProxies: ["127.0.0.0/8", "::1"] });
    const seen = await new Promise<ClientIp>((answer, reject) => {
      const server = createServer((incoming, outgoing) => {
        answer(behind(nodeRequest(incoming, { route: () => undefined, param: () => undefined }, undefined)));
        outgoing.end();
        server.close();
      });
      server.listen(socketPath, () => {
        httpRequest({ socketPath, headers: { "x-forwarded-for": "203.0.113.9" } }, (response) => response.resume())
          .on("error", reject)
          .end();
      });
    }).finally(() => rmSync(folder, { recursive: true }));
    expect(seen).toEqual({ address: undefined, key: "unknown", trusted: false });
  });
});

describe("an address", () => {
  it("RL-20 is written as RFC 5952 and Node's URL write it, and read back the same", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = parseIp(text);
        if (address === undefined) throw new Error(`not parsed: ${text}`);
        expect(parseIp(formatIp(address))).toEqual(address);
        if (address.version === 6) expect(`[${formatIp(address)}]`).toBe(new URL(`http://[${text}]`).hostname);
      }),
    );
  });
});

describe("a block", () => {
  it("RL-23 contains what Node's BlockList says it contains", () => {
    const ipv4 = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 }), fc.constant("ipv4" as const));
    const ipv6 = fc.tuple(
      fc.ipV6().filter((text) => parseIp(text)?.version === 6),
      fc.integer({ min: 0, max: 128 }),
      fc.constant("ipv6" as const),
    );
    fc.assert(
      fc.property(fc.oneof(ipv4, ipv6), fc.nat(), fc.nat(127), ([text, prefixLength, family], seed, flipped) => {
        const address = parseIp(text);
        if (address === undefined) throw new Error(`not parsed: ${text}`);
        const list = new BlockList();
        list.addSubnet(text, prefixLength, family);
        // A neighbour that differs in one bit, and one that does not differ.
        const groups = address.version === 6 ? [...address.groups] : [];
        groups[flipped >> 4] = (groups[flipped >> 4] ?? 0) ^ (1 << (15 - (flipped & 15)));
        const other =
          address.version === 6
            ? { version: 6 as const, groups }
            : { version: 4 as const, bits: (address.bits ^ (1 << (seed % 32))) >>> 0 };
        const block = parseIpBlock(`${text}/${prefixLength}`);
        expect(block?.contains(address)).toBe(true);
        expect(block?.contains(other)).toBe(list.check(formatIp(other), family));
      }),
    );
  });

  it("RL-23 of mapped addresses is the block of IPv4 addresses", () => {
    const block = parseIpBlock("::ffff:10.0.0.0/104");
    const holds = (text: string): boolean | undefined => block?.contains(parseIp(text) ?? { version: 6, groups: [] });
    expect(block?.prefixLength).toBe(8);
    expect([holds("10.255.255.255"), holds("::ffff:10.1.2.3"), holds("11.0.0.0"), holds("::10.0.0.0")]).toEqual([true, true, false, false]);
    expect(parseIpBlock("::ffff:a00:1")?.prefixLength).toBe(32);
    for (const unclear of ["::ffff:10.0.0.0/8", "::ffff:10.0.0.0/32", "::ffff:0:0/95"]) expect(parseIpBlock(unclear)).toBeUndefined();
  });

  it("RL-23 holds one version only: no translated form of an IPv4 address is in its block", () => {
    const block = parseIpBlock("10.0.0.0/8");
    for (const form of ["64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1", "2002:a00:1::1", "2001::f5ff:fffe", "::10.0.0.1"]) {
      expect(block?.contains(parseIp(form) ?? { version: 4, bits: 10 * 2 ** 24 })).toBe(false);
    }
  });

  it.each([
    ["10.0.0.0/33"],
    ["10.0.0.0/"],
    ["10.0.0.0/08"],
    ["10.0.0.0/-1"],
    ["10.0.0.0/8/8"],
    ["10.0.0.0/1e1"],
    ["::/129"],
    ["host"],
    ["/8"],
    [""],
  ])("RL-23 is not %j", (text) => expect(parseIpBlock(text)).toBeUndefined());

  it("RL-23 has no zone: no peer is compared by its interface", () => {
    for (const text of ["fe80::1%eth0", "fe80::%eth0/64"]) expect(parseIpBlock(text)).toBeUndefined();
  });
});
