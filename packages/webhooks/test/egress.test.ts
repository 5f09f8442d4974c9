import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { createGuardedAgent, type EgressOptions } from "@portcullis/webhooks";
import fc from "fast-check";
import { request } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isPublicAddress, parseAddress } from "../src/egress/address.js";
import { createEgressRules } from "../src/egress/egress-rules.js";

const blocked = expect.objectContaining({ name: "WebhookError", code: "egress_blocked" }) as object;

// Counts every connection that reaches this machine, on loopback of both families.
let connections = 0;
const server = createServer((socket) => {
  connections += 1;
  socket.on("error", () => {});
  socket.end("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
});
let port = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, resolve));
  port = (server.address() as AddressInfo).port; // a TCP server that listens has one
});
afterAll(() => void server.close());
afterEach(() => void (connections = 0));

async function call(url: string, options: EgressOptions): Promise<number> {
  const dispatcher = createGuardedAgent({ allowHttp: true, ports: [port], ...options });
  try {
    const { statusCode, body } = await request(url, { dispatcher });
    await body.dump();
    return statusCode;
  } finally {
    await dispatcher.destroy();
  }
}

describe("addresses", () => {
  it.each([
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:168.63.129.16",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "",
    "127.1",
    "0x7f.1",
    "2130706433",
    "localhost",
    "1.2.3.4.5",
    "[::1]",
  ])("WH-E4 %j is not public", (text) => {
    const address = parseAddress(text);
    expect(address !== undefined && isPublicAddress(address)).toBe(false);
  });

  it.each([
    "1.1.1.1",
    "8.8.8.8",
    "172.15.255.255",
    "172.32.0.1",
    "100.128.0.1",
    "198.17.255.255",
    "2606:4700::1111",
    "2a00:1450::1",
    "::ffff:8.8.8.8",
  ])("WH-E4 %j is public", (text) => {
    const address = parseAddress(text);
    expect(address !== undefined && isPublicAddress(address)).toBe(true);
  });
});

describe("an address to register", () => {
  const rules = createEgressRules({ allow: ["127.0.0.1:3000", "[::1]:3000", "hooks.internal:9000", "10.1.0.0/16"] });
  it.each([
    "http://example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "data:,x",
    "javascript:alert(1)",
    "example.com",
    "",
    "https://",
    "https:///",
    "https://user@example.com/",
    "https://user:pass@example.com/",
    "https://127.1.1.1:443@127.2.2.2/",
    "https://example.com/#fragment",
    "https://example.com/#",
    "https://example.com./",
    "https://localhost./",
    "https://127.0.0.1./",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://0/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::]/",
    "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
    "https://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "https://169.254.169.254/latest/meta-data",
    "https://168.63.129.16/",
    "https://10.2.0.1/",
    "https://example.com:22/",
    "https://example.com:6379/",
    "https://example.com:0/",
    "https://example.com:99999/",
    "https://exa\tmple.com/",
    "https://example.com/\n",
    " https://example.com/",
    "https:\\\\example.com\\",
    "https://example.com\\@127.0.0.1/",
    `https://example.com/${"x".repeat(2048)}`,
    "https://127.0.0.1:3001/",
    "https://hooks.internal:9001/",
    "https://10.1.2.3:9000/",
  ])("WH-E1 WH-E7 %j is blocked", (url) => expect(() => rules.checkUrl(url)).toThrow(blocked));

  it.each([
    ["https://example.com/hooks?a=1", "https://example.com/hooks?a=1"],
    ["https://EXAMPLE.com:443/", "https://example.com/"],
    ["https://example.com:8443/", "https://example.com:8443/"],
    ["https://b\u00fccher.example/", "https://xn--bcher-kva.example/"],
    ["https://127.0.0.1:3000/", "https://127.0.0.1:3000/"],
    ["https://2130706433:3000/", "https://127.0.0.1:3000/"],
    ["https://[::1]:3000/", "https://[::1]:3000/"],
    ["https://hooks.internal:9000/", "https://hooks.internal:9000/"],
    ["https://10.1.2.3/", "https://10.1.2.3/"],
  ])("WH-E8 %j may be called", (url, href) => expect(rules.checkUrl(url).href).toBe(href));

  it("any text gives an address or egress_blocked, nothing else", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.webUrl(),
          fc.string({ unit: "binary" }),
          fc.ipV4Extended().map((ip) => `https://${ip}/`),
          fc.ipV6().map((ip) => `https://[${ip}]/`),
        ),
        (url) => {
          try {
            const { protocol, username, hash, hostname } = rules.checkUrl(url);
            expect([protocol, username, hash]).toEqual(["https:", "", ""]);
            const literal = parseAddress(hostname.replaceAll(/[[\]]/g, ""));
            expect(literal === undefined || isPublicAddress(literal) || hostname.startsWith("10.1.")).toBe(true);
          } catch (error) {
            expect(error).toEqual(blocked);
          }
        },
      ),
    );
  });
});

describe("the allow list", () => {
  it.each([
    "x",
    "10.0.0.0/33",
    "10.0.0.0/7",
    "0.0.0.0/0",
    "8.8.8.0/24",
    "96.0.0.0/4",
    "::/0",
    "2000::/3",
    "::ffff:0:0/96",
    "example.com",
    "example.com:0",
    "example.com:65536",
    "user@host:80",
    "a/b:80",
    "::1:3000",
    "a:b:80",
    "",
  ])("WH-E8 %j is refused", (entry) =>
    expect(() => createEgressRules({ allow: [entry] })).toThrow(expect.objectContaining({ code: "invalid_option" })),
  );
  it.each([
    ["10.0.0.0/8", "10.9.9.9"],
    ["127.0.0.1/32", "127.0.0.1"],
    ["169.254.169.254/32", "169.254.169.254"],
    ["168.63.129.16/32", "168.63.129.16"],
    ["fc00::/7", "fd00::1"],
    ["::1/128", "::1"],
    ["10.0.0.0/8", "::ffff:10.0.0.1"],
    ["::ffff:10.0.0.1/128", "10.0.0.1"],
  ])("WH-E8 %s lets %s through", (entry, address) => {
    expect(createEgressRules({ allow: [entry] }).allowsAddress(address, "any", 443)).toBe(true);
    expect(createEgressRules({}).allowsAddress(address, "any", 443)).toBe(false);
  });
  it("ports out of range are refused", () =>
    expect(() => createEgressRules({ ports: [0] })).toThrow(expect.objectContaining({ code: "invalid_option" })));
});

describe("the agent", () => {
  it.each([
    "127.0.0.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::]",
    "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
  ])("WH-E1 WH-E5 opens no socket to %s", async (host) => {
    await expect(call(`http://${host}:${port}/`, {})).rejects.toEqual(blocked);
    expect(connections).toBe(0);
  });

  it.each([
    ["a private answer", ["127.0.0.1"]],
    ["a private answer among public ones", ["93.184.216.34", "127.0.0.1"]],
    ["a mapped answer", ["::ffff:127.0.0.1"]],
    ["an answer that is no address", ["localhost"]],
  ])("WH-E2 opens no socket for a name with %s", async (_name, answers) => {
    await expect(call(`http://hooks.example:${port}/`, { resolve: () => Promise.resolve(answers) })).rejects.toEqual(blocked);
    expect(connections).toBe(0);
  });

  it("WH-E3 a name that turns private after it was judged is never asked again within a connection, and blocked in the next", async () => {
    let asked = 0;
    const resolve = (): Promise<readonly string[]> => {
      asked += 1;
      return Promise.resolve(["127.0.0.1"]);
    };
    // A public address cannot be reached from a test; the allowed loopback stands for it.
    expect(await call(`http://hooks.example:${port}/`, { resolve, allow: ["127.0.0.1/32"] })).toBe(204);
    expect(asked).toBe(1);
    await expect(call(`http://hooks.example:${port}/`, { resolve })).rejects.toEqual(blocked);
    expect([asked, connections]).toEqual([2, 1]);
  });

  it("WH-E3 WH-E5 what counts is where the socket ended: 0.0.0.0 is another name of loopback here", async () => {
    await expect(call(`http://0.0.0.0:${port}/`, { allow: ["0.0.0.0/32"] })).rejects.toEqual(blocked);
    expect(await call(`http://0.0.0.0:${port}/`, { allow: ["0.0.0.0/32", "127.0.0.1/32"] })).toBe(204);
  });

  it("a name without an answer, or a resolver that fails, is a network error", async () => {
    await expect(call(`http://hooks.example:${port}/`, { resolve: () => Promise.resolve([]) })).rejects.toMatchObject({
      code: "ENOTFOUND",
    });
    await expect(
      call(`http://hooks.example:${port}/`, { resolve: () => Promise.reject(Object.assign(new Error("down"), { code: "EAI_AGAIN" })) }),
    ).rejects.toMatchObject({ code: "EAI_AGAIN" });
    expect(connections).toBe(0);
  });

  it.each<[string, () => unknown]>([
    [
      "throws at once",
      () => {
        throw new Error("down");
      },
    ],
    ["answers nothing", () => Promise.resolve(undefined)],
    ["answers what is no text", () => Promise.resolve([7])],
    ["rejects with no error", () => Promise.reject("down")],
  ])("a resolver that %s fails the request, and nothing beside it", async (_how, resolve) => {
    await expect(call(`http://hooks.example:${port}/`, { resolve: resolve as () => Promise<readonly string[]> })).rejects.toBeInstanceOf(
      Error,
    );
    expect(connections).toBe(0);
  });

  it("WH-E7 speaks https only, unless http is allowed, and only to ports that are", async () => {
    await expect(call(`http://127.0.0.1:${port}/`, { allow: [`127.0.0.1:${port}`], allowHttp: false })).rejects.toEqual(blocked);
    await expect(call(`http://127.0.0.1:${port}/`, { allow: ["127.0.0.1/32"], ports: [443] })).rejects.toEqual(blocked);
    expect(connections).toBe(0);
  });

  it("WH-E8 reaches what the list allows: a block, an address with its port, a name with its port", async () => {
    const resolve = (): Promise<readonly string[]> => Promise.resolve(["127.0.0.1"]);
    expect(await call(`http://127.0.0.1:${port}/`, { allow: ["127.0.0.0/8"] })).toBe(204);
    expect(await call(`http://127.0.0.1:${port}/`, { allow: [`127.0.0.1:${port}`] })).toBe(204);
    expect(await call(`http://hooks.internal:${port}/`, { allow: [`hooks.internal:${port}`], resolve })).toBe(204);
    expect(connections).toBe(3);
  });

  it("WH-E9 takes no proxy from the environment", async () => {
    // Read by nobody: the agent connects to the target itself, whatever these say.
    const before = process.env.HTTP_PROXY;
    process.env.HTTP_PROXY = `http://127.0.0.1:${port}`;
    try {
      await expect(call(`http://10.0.0.1:${port}/`, {})).rejects.toEqual(blocked);
      expect(connections).toBe(0);
    } finally {
      if (before === undefined) delete process.env.HTTP_PROXY;
      else process.env.HTTP_PROXY = before;
    }
  });

  it("WH-E11 every refusal is the same sentence", async () => {
    const refusals = await Promise.all(
      [`http://127.0.0.1:${port}/`, `http://10.0.0.1:${port}/`, "http://1.1.1.1:22/"].map((url) =>
        call(url, {}).catch((error: unknown) => String(error)),
      ),
    );
    expect(new Set(refusals).size).toBe(1);
  });
});
