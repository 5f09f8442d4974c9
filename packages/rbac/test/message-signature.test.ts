import { createHmac } from "node:crypto";
import { createMemoryStore, StoreUnavailable, type StoreWith } from "@portcullis/core";
import { signIdentity, type SignIdentityOptions, trustIdentityHeaders, type TrustIdentityHeadersOptions } from "@portcullis/rbac";
import { createManualClock } from "@portcullis/testkit";
import fc from "fast-check";
import { createSigner, createVerifier, httpbis } from "http-message-signatures";
import { describe, expect, test } from "vitest";
import { hmac, signatureBase } from "../src/trusted-callers/message-signature.js";
import { run } from "./request.js";
import { ask, definitionCode, identityLines, type Line, sent, type SentRequest } from "./sent-request.js";

const SECRET = "a secret of at least thirty-two bytes";
const UNTRUSTED = { status: 401, code: 1012 };
const AMBIGUOUS = { status: 400, code: 1011 };
const TARGET = "/workflows/7?limit=5&after=a%2Fb";

function world(more: Partial<TrustIdentityHeadersOptions> = {}) {
  const clock = createManualClock();
  const guard = trustIdentityHeaders({
    callers: [{ id: "billing", maxRoles: ["viewer", "member"], secrets: [SECRET] }],
    store: createMemoryStore({ clock }),
    audience: "workflows-api",
    clock,
    ...more,
  });
  const signed = (changed: Partial<SignIdentityOptions> = {}) =>
    signIdentity({
      callerId: "billing",
      secret: SECRET,
      audience: "workflows-api",
      method: "POST",
      target: TARGET,
      userId: "ada",
      orgId: "acme",
      roles: ["member"],
      clock,
      ...changed,
    });
  const message = (lines: readonly Line[], more: Partial<SentRequest> = {}): SentRequest => ({
    method: "POST",
    target: TARGET,
    ip: "198.51.100.1",
    lines,
    ...more,
  });
  return { clock, guard, signed, message };
}

const linesOf = (fields: Readonly<Record<string, string>>): readonly Line[] => Object.entries(fields);

/** A signature as nobody checks it before it is made: over any components and parameters. */
function crafted(
  components: readonly string[],
  params: string,
  { lines = identityLines(), method = "POST", target = TARGET, secret = SECRET, label = "identity", list }: Crafted = {},
): readonly Line[] {
  const input = `(${list ?? components.map((component) => `"${component}"`).join(" ")})${params}`;
  const known: Readonly<Record<string, string>> = {
    "@method": method,
    "@path": target.split("?")[0] ?? "",
    "@query": `?${target.split("?")[1] ?? ""}`,
    ...Object.fromEntries(lines.map(([name, value]) => [name.toLowerCase(), value])),
  };
  const base = [...components.map((component) => `"${component}": ${known[component] ?? ""}`), `"@signature-params": ${input}`].join("\n");
  const bytes = createHmac("sha256", secret).update(base).digest("base64");
  return [...lines, ["Signature-Input", `${label}=${input}`], ["Signature", `${label}=:${bytes}:`]];
}

interface Crafted {
  readonly lines?: readonly Line[];
  readonly method?: string;
  readonly target?: string;
  readonly secret?: string;
  readonly label?: string;
  readonly list?: string;
}

const COVERED = ["@method", "@path", "@query", "x-user-id", "x-org-id", "x-user-roles"];
const NONCE = "0123456789abcdef";
/** Parameters in the usual order; `created` at the first instant of a manual clock. */
function params(changed: Readonly<Record<string, string | undefined>> = {}): string {
  const all: Readonly<Record<string, string | undefined>> = {
    created: String(Date.UTC(2030, 0, 1) / 1000),
    keyid: '"billing"',
    nonce: `"${NONCE}"`,
    tag: '"workflows-api"',
    alg: '"hmac-sha256"',
    ...changed,
  };
  return Object.entries(all)
    .map(([name, value]) => (value === undefined ? "" : `;${name}=${value}`))
    .join("");
}

describe("RFC 9421", () => {
  // RFC 9421 Appendix B.2.5, "Signing a Request Using hmac-sha256", with the key of B.1.5.
  const VECTOR = {
    secret: "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==",
    fields: { date: "Tue, 20 Apr 2021 02:07:55 GMT", "content-type": "application/json" } as Readonly<Record<string, string>>,
    input: '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    base: [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@authority": example.com',
      '"content-type": application/json',
      '"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    ],
    signature: "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
  };
  const header = (name: string): string | undefined => VECTOR.fields[name];
  const message = { method: "POST", target: "/foo?param=Value&Pet=dog", header };

  test("the HMAC of Appendix B.2.5's base is Appendix B.2.5's signature", () => {
    expect(hmac(VECTOR.base.join("\n"), Buffer.from(VECTOR.secret, "base64")).toString("base64")).toBe(VECTOR.signature);
  });

  test("the base has the lines of Appendix B.2.5 for the components that are supported, and there is none with another", () => {
    const [date, , contentType, signatureParams] = VECTOR.base;
    expect(signatureBase(message, ["date", "content-type"], VECTOR.input)).toBe([date, contentType, signatureParams].join("\n"));
    expect(signatureBase(message, ["date", "@authority", "content-type"], VECTOR.input)).toBeUndefined();
  });

  test.each([
    ["GET", "/path?param=value&foo=bar&baz=bat%2Dman", "/path", "?param=value&foo=bar&baz=bat%2Dman"],
    ["POST", "/path?queryString", "/path", "?queryString"],
    ["POST", "/path", "/path", "?"],
    ["POST", "/path?", "/path", "?"],
    ["GET", "/a?b?c", "/a", "?b?c"],
    ["GET", "/%2e%2e/a%20b", "/%2e%2e/a%20b", "?"],
  ])("§2.2 method, path and query of %s %s", (method, target, path, query) => {
    const lines = [`"@method": ${method}`, `"@path": ${path}`, `"@query": ${query}`, '"@signature-params": ()'];
    expect(signatureBase({ method, target, header }, ["@method", "@path", "@query"], "()")).toBe(lines.join("\n"));
  });
});

describe("an independent implementation", () => {
  test("what it signs is accepted", async () => {
    const { clock, guard, message } = world();
    const fields = Object.fromEntries(identityLines());
    const signedMessage = await httpbis.signMessage(
      {
        key: createSigner(Buffer.from(SECRET), "hmac-sha256", "billing"),
        name: "sig1",
        params: ["created", "keyid", "nonce", "tag", "alg"],
        fields: COVERED,
        paramValues: { created: new Date(clock.now()), nonce: NONCE, tag: "workflows-api" },
      },
      { method: "POST", url: `https://api.example${TARGET}`, headers: fields },
    );
    const lines = Object.entries(signedMessage.headers).map(([name, value]): Line => [name, value]);
    expect(await ask(guard, message(lines))).toMatchObject({ problem: undefined, principal: { id: "ada", via: "billing" } });
    expect((await ask(guard, message(lines))).problem).toEqual(UNTRUSTED);
  });

  test("what is signed here it verifies, and not once a byte of it is changed", async () => {
    const now = Date.now();
    const { signed } = world();
    const headers = signed({ clock: { ...createManualClock(now) } });
    const verify = (changed: Readonly<Record<string, string>>, url = `https://api.example${TARGET}`) =>
      httpbis.verifyMessage(
        {
          keyLookup: async ({ keyid }) =>
            keyid === "billing"
              ? { id: "billing", algs: ["hmac-sha256"], verify: createVerifier(Buffer.from(SECRET), "hmac-sha256") }
              : null,
          requiredParams: ["created", "keyid", "nonce", "tag", "alg"],
          tolerance: 60,
          all: true,
        },
        { method: "POST", url, headers: { ...headers, ...changed } },
      );
    expect(await verify({})).toBe(true);
    expect(await verify({ "x-user-roles": "owner" }).catch(() => false)).toBe(false);
    expect(await verify({}, `https://api.example${TARGET}0`).catch(() => false)).toBe(false);
  });
});

describe("what a signature covers", () => {
  test("RBAC-20 a signed identity is accepted from any address, once", async () => {
    const { guard, signed, message } = world();
    const lines = linesOf(signed());
    const first = await ask(guard, message([...lines, ["Content-Type", "text/plain"]]));
    expect(first).toMatchObject({ problem: undefined, principal: { id: "ada", orgId: "acme", roles: ["member"], via: "billing" } });
    expect(first.left).toEqual(["signature-input", "signature", "Content-Type"]);
    expect(await ask(guard, message(lines))).toMatchObject({ problem: UNTRUSTED, principal: undefined });
    expect(await ask(guard, message(linesOf(signed({ orgId: undefined as never }))))).toMatchObject({ principal: { orgId: undefined } });
  });

  test("RBAC-20 names of fields are the same in any case, and the order of lines is free", async () => {
    const { guard, signed, message } = world();
    const lines = linesOf(signed()).map(([name, value]): Line => [name.toUpperCase(), value]);
    expect((await ask(guard, message([...lines].reverse()))).principal).toMatchObject({ via: "billing" });
  });

  test("RBAC-20 each byte of method, path, query, fields and parameters that is changed refuses", async () => {
    const { guard, signed, message } = world();
    const fields = signed();
    const attempts: SentRequest[] = [];
    const flips = (text: string): string[] =>
      Array.from(text, (_, index) => text.slice(0, index) + String.fromCharCode(text.charCodeAt(index) ^ 1) + text.slice(index + 1));
    for (const method of [...flips("POST"), "post", "POST ", ""]) attempts.push(message(linesOf(fields), { method }));
    for (const target of [...flips(TARGET), `${TARGET}&`, `/${TARGET}`, TARGET.replace("%2F", "%2f"), `http://h${TARGET}`, `${TARGET}#`])
      attempts.push(message(linesOf(fields), { target }));
    for (const [name, value] of linesOf(fields)) {
      for (const changed of [...flips(value), `${value} x`, `${value}\xa0`, `\xa0${value}`, `${value}\v`, ""])
        attempts.push(message(linesOf({ ...fields, [name]: changed })));
      attempts.push(message(linesOf(fields).filter(([other]) => other !== name)));
      attempts.push(message([...linesOf(fields), [name, value]]));
    }
    expect(attempts.length).toBeGreaterThan(300);
    for (const attempt of attempts) {
      const { problem, principal } = await ask(guard, attempt);
      // Without its signature, or without identity, it is a stranger's request.
      const isStranger = problem === undefined && principal === undefined;
      expect([attempt, isStranger || (problem?.code === UNTRUSTED.code && principal === undefined)]).toEqual([attempt, true]);
    }
    expect((await ask(guard, message(linesOf(fields)))).principal).toMatchObject({ via: "billing" });
  });

  test("RBAC-20 another field that the signature covers is covered to the byte", async () => {
    const { guard, message } = world();
    const lines: readonly Line[] = [...identityLines(), ["Content-Digest", "sha-256=:abc=:"]];
    const made = crafted([...COVERED, "content-digest"], params(), { lines });
    const replaced = (value: string) => made.map(([name, old]): Line => [name, name === "Content-Digest" ? value : old]);
    for (const value of ["sha-256=:abd=:", "sha-256=:abc=:\xa0", "", "sha-256=:abc=:, sha-256=:abc=:"])
      expect((await ask(guard, message(replaced(value)))).problem).toEqual(UNTRUSTED);
    expect((await ask(guard, message(made.filter(([name]) => name !== "Content-Digest")))).problem).toEqual(UNTRUSTED);
    expect((await ask(guard, message(made))).principal).toMatchObject({ via: "billing" });
  });

  test("RBAC-20 identity that is not covered is not believed", async () => {
    const { guard, signed, message } = world();
    for (const missing of COVERED) {
      const lines = crafted(
        COVERED.filter((component) => component !== missing),
        params(),
      );
      expect([missing, (await ask(guard, message(lines))).problem]).toEqual([missing, UNTRUSTED]);
    }
    // An organisation added on the way, or taken away.
    const without = linesOf(signed({ orgId: undefined as never }));
    expect((await ask(guard, message([...without, ["X-Org-ID", "evil"]]))).problem).toEqual(UNTRUSTED);
    expect((await ask(guard, message([...linesOf(signed()), ["X_Org_ID", "evil"]]))).problem).toEqual(AMBIGUOUS);
  });

  test("RBAC-20 a rightly signed identity is still read strictly, and cut to what the caller may give", async () => {
    const { guard, message } = world();
    const made = (lines: readonly Line[], nonce: string) => message(crafted(COVERED, params({ nonce: `"${nonce}"` }), { lines }));
    for (const [index, replaced] of [{ "X-User-ID": "ada,bob" }, { "X-User-Roles": "member," }, { "X-Org-ID": "" }].entries())
      expect((await ask(guard, made(identityLines(replaced), `${NONCE}-${index}`))).problem).toEqual(AMBIGUOUS);
    const { principal } = await ask(guard, made(identityLines({ "X-User-Roles": "owner, member" }), NONCE));
    expect(principal?.roles).toEqual(["member"]);
  });
});

describe("the form of a signature", () => {
  const refused: readonly (readonly [what: string, lines: readonly Line[]])[] = [
    ["a component that is not known", crafted([...COVERED, "@authority"], params())],
    ["a component of responses", crafted([...COVERED, "@status"], params())],
    ["a field that is not there", crafted([...COVERED, "content-type"], params())],
    ["a component twice", crafted([...COVERED, "x-user-id"], params())],
    [
      "a component with a parameter",
      crafted(COVERED, params(), { list: '"@method";req "@path" "@query" "x-user-id" "x-org-id" "x-user-roles"' }),
    ],
    ["a component in upper case", crafted(COVERED, params(), { list: COVERED.map((name) => `"${name.toUpperCase()}"`).join(" ") })],
    ["components as tokens", crafted(COVERED, params(), { list: COVERED.join(" ") })],
    ["two blanks between components", crafted(COVERED, params(), { list: COVERED.map((name) => `"${name}"`).join("  ") })],
    ["no components", crafted([], params())],
    ["another algorithm by name", crafted(COVERED, params({ alg: '"hmac-sha512"' }))],
    ["the algorithm none", crafted(COVERED, params({ alg: '"none"' }))],
    ["an empty algorithm", crafted(COVERED, params({ alg: '""' }))],
    ["the algorithm as a token", crafted(COVERED, params({ alg: "hmac-sha256" }))],
    ["the algorithm in upper case", crafted(COVERED, params({ alg: '"HMAC-SHA256"' }))],
    ...["created", "keyid", "nonce", "tag"].map((name) => [`no ${name}`, crafted(COVERED, params({ [name]: undefined }))] as const),
    ["created as text", crafted(COVERED, params({ created: '"1893456000"' }))],
    ["created with a fraction", crafted(COVERED, params({ created: "1893456000.5" }))],
    ["created below zero", crafted(COVERED, params({ created: "-1893456000" }))],
    ["created in ms", crafted(COVERED, params({ created: "1893456000000" }))],
    ["created beyond all numbers", crafted(COVERED, params({ created: "9".repeat(16) }))],
    ["a nonce of 15 characters", crafted(COVERED, params({ nonce: `"${NONCE.slice(1)}"` }))],
    ["a nonce of 129 characters", crafted(COVERED, params({ nonce: `"${"n".repeat(129)}"` }))],
    ["a nonce that is a number", crafted(COVERED, params({ nonce: "1234567890123456" }))],
    ["a quote in the nonce", crafted(COVERED, params({ nonce: `"${NONCE}\\"x"` }))],
    ["a nonce beyond ASCII", crafted(COVERED, params({ nonce: `"${NONCE}\xe4"` }))],
    ["another tag", crafted(COVERED, params({ tag: '"billing-api"' }))],
    ["the tag in upper case", crafted(COVERED, params({ tag: '"Workflows-API"' }))],
    ["another keyid", crafted(COVERED, params({ keyid: '"support"' }))],
    ["the keyid __proto__", crafted(COVERED, params({ keyid: '"__proto__"' }))],
    ["a parameter nobody knows", crafted(COVERED, params({ expires: "1893456300" }))],
    ["a parameter that is a flag", crafted(COVERED, `${params()};req`)],
    ["keyid twice", crafted(COVERED, `;keyid="billing"${params()}`)],
    ["created twice", crafted(COVERED, `${params()};created=1893456000`)],
    ["blanks between parameters", crafted(COVERED, params().replaceAll(";", "; "))],
    ["another secret", crafted(COVERED, params(), { secret: `${SECRET}.` })],
    ["an empty secret", crafted(COVERED, params(), { secret: "" })],
    ["a label in upper case", crafted(COVERED, params(), { label: "Identity" })],
    ["a label of 65 characters", crafted(COVERED, params(), { label: "l".repeat(65) })],
  ];

  test.each(refused)("RBAC-20 refused: %s", async (_what, lines) => {
    const { guard, message } = world();
    expect(await ask(guard, message(lines))).toEqual({ problem: UNTRUSTED, principal: undefined, left: ["Signature-Input", "Signature"] });
  });

  const accepted: readonly (readonly [what: string, lines: readonly Line[]])[] = [
    [
      "parameters in another order",
      crafted(COVERED, `;alg="hmac-sha256";tag="workflows-api";nonce="${NONCE}";keyid="billing";created=1893456000`),
    ],
    ["no alg: the key says it", crafted(COVERED, params({ alg: undefined }))],
    ["components in another order", crafted([...COVERED].reverse(), params())],
    ["another label", crafted(COVERED, params(), { label: "*sig-1.a_b" })],
    ["a nonce of 128 characters", crafted(COVERED, params({ nonce: `"${"n".repeat(128)}"` }))],
    ["a nonce with colons and blanks", crafted(COVERED, params({ nonce: '"a b:c;d=e (f) [g]"' }))],
  ];

  test.each(accepted)("accepted: %s", async (_what, lines) => {
    const { guard, message } = world();
    expect((await ask(guard, message(lines))).principal).toMatchObject({ via: "billing" });
  });

  test("RBAC-20 one signature, by one label: two of them, two lines or two labels refuse", async () => {
    const { guard, signed, message } = world();
    const fields = signed();
    const { signature = "", "signature-input": input = "" } = fields;
    const other = { signature: signature.replace("identity", "other"), input: input.replace("identity", "other") };
    const attempts: readonly (readonly Line[])[] = [
      linesOf({ ...fields, signature: other.signature }),
      linesOf({ ...fields, "signature-input": other.input }),
      linesOf({ ...fields, signature: `${signature}, ${other.signature}`, "signature-input": `${input}, ${other.input}` }),
      linesOf({ ...fields, signature: `${signature}, ${other.signature}` }),
      linesOf({ ...fields, signature: `${signature}, ${signature}` }),
      [...linesOf(fields), ["Signature", signature]],
      [...linesOf(fields), ["Signature", other.signature]],
      [...linesOf(fields), ["Signature-Input", other.input]],
      [...linesOf(fields), ["signature-INPUT", input]],
      [...linesOf(fields), ["Signature", ""]],
      linesOf({ ...fields, signature: `${signature};a=1` }),
    ];
    for (const lines of attempts) expect((await ask(guard, message(lines))).problem).toEqual(UNTRUSTED);
  });

  test("RBAC-20 the bytes of a signature have one spelling", async () => {
    const { guard, signed, message } = world();
    const fields = signed();
    const { signature = "" } = fields;
    const text = signature.slice("identity=:".length, -1);
    expect(text).toMatch(/^[A-Za-z0-9+/]{43}=$/);
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // The last character carries four bits of six: three others decode to the same bytes.
    const last = alphabet.indexOf(text[42] ?? "");
    const twins = [1, 2, 3].map((bits) => `${text.slice(0, 42)}${alphabet[last | bits]}=`);
    for (const twin of twins) expect(Buffer.from(twin, "base64")).toEqual(Buffer.from(text, "base64"));
    const spellings = [
      ...twins,
      text.slice(0, 43),
      `${text}=`,
      `${text.slice(0, 43)}==`,
      ` ${text}`,
      `${text} `,
      `${text.slice(0, 10)}\n${text.slice(10)}`,
      `${text.slice(0, 20)} ${text.slice(20)}`,
      Buffer.from(text, "base64").toString("hex"),
      "",
      "=",
    ];
    // URL-safe letters, where there are any to replace.
    const urlSafe = text.replaceAll("+", "-").replaceAll("/", "_");
    for (const spelling of urlSafe === text ? spellings : [...spellings, urlSafe])
      expect([spelling, (await ask(guard, message(linesOf({ ...fields, signature: `identity=:${spelling}:` })))).problem]).toEqual([
        spelling,
        UNTRUSTED,
      ]);
    expect((await ask(guard, message(linesOf(fields)))).principal).toMatchObject({ via: "billing" });
  });

  test("no input makes the guard throw, and none is believed without the secret", async () => {
    const { guard, message } = world();
    const piece = fc.constantFrom(
      '"',
      "(",
      ")",
      ";",
      "=",
      ":",
      ",",
      " ",
      "identity",
      "created=1893456000",
      'keyid="billing"',
      "@method",
      "\\",
      "\xff",
      "A".repeat(43),
    );
    const value = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join("")),
    );
    await fc.assert(
      fc.asyncProperty(value, value, async (input, signature) => {
        const { problem } = await ask(guard, message([...identityLines(), ["Signature-Input", input], ["Signature", signature]]));
        expect(problem).toEqual(UNTRUSTED);
      }),
    );
  });

  test("RBAC-20 256 kB in any field are answered at once", async () => {
    const { guard, message } = world();
    const size = 1 << 18;
    const list = (component: string) => `identity=(${Array.from({ length: size / 8 }, () => `"${component}"`).join(" ")}`;
    const hostile = [
      "a".repeat(size),
      `identity=("a${"a".repeat(size)}`,
      list("a"),
      `${list("a")})${params()}`,
      `identity=("a")${";a=1".repeat(size / 4)}`,
      `identity=("a")${";a=1".repeat(size / 4)};`,
      `identity=("a");a="${" ".repeat(size)}`,
      `${" ".repeat(size)}x${" ".repeat(size)}`,
      `identity=:${"A".repeat(size)}`,
      ",".repeat(size),
    ];
    const startedAt = performance.now();
    for (const value of hostile) {
      for (const [name, other] of [
        ["Signature-Input", "Signature"],
        ["Signature", "Signature-Input"],
      ] as const)
        expect((await ask(guard, message([...identityLines(), [name, value], [other, value]]))).problem).toEqual(UNTRUSTED);
      const covered: readonly Line[] = [...identityLines(), ["X-Long", `a${value.replaceAll("\n", "")}${" ".repeat(size)}b`]];
      const made = crafted([...COVERED, "x-long"], params(), { lines: covered, secret: "wrong" });
      expect((await ask(guard, message(made))).problem).toEqual(UNTRUSTED);
    }
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });
});

describe("time, nonces and secrets", () => {
  test("RBAC-20 at exactly the tolerance a signature still counts, a millisecond later or earlier not", async () => {
    for (const [elapsedMs, passes] of [
      [60_000, true],
      [60_001, false],
      [-60_000, true],
      [-60_001, false],
    ] as const) {
      const { clock, guard, signed, message } = world();
      const lines = linesOf(signed());
      clock.set(clock.now() + elapsedMs);
      expect([elapsedMs, (await ask(guard, message(lines))).problem]).toEqual([elapsedMs, passes ? undefined : UNTRUSTED]);
    }
    const { clock, guard, signed, message } = world({ toleranceMs: 1000 });
    const [one, other] = [signed(), signed()];
    clock.advance(1000);
    expect((await ask(guard, message(linesOf(one)))).problem).toBeUndefined();
    clock.advance(1);
    expect((await ask(guard, message(linesOf(other)))).problem).toEqual(UNTRUSTED);
  });

  test("RBAC-20 a nonce is remembered for as long as its signature counts: from the first instant to the last", async () => {
    const { clock, guard, signed, message } = world();
    const ahead = { ...clock, now: () => clock.now() + 60_000 };
    const lines = linesOf(signed({ clock: ahead }));
    expect((await ask(guard, message(lines))).problem).toBeUndefined();
    for (let passed = 0; passed < 120_000; passed += 5_000) {
      clock.advance(5_000);
      expect((await ask(guard, message(lines))).problem).toEqual(UNTRUSTED);
    }
    // The sender's whole seconds are rounded down: the signature is up to one older than it seems.
    const late = world();
    late.clock.advance(999);
    const rounded = linesOf(late.signed({ clock: { ...late.clock, now: () => late.clock.now() + 60_000 } }));
    expect((await ask(late.guard, message(rounded))).problem).toBeUndefined();
    late.clock.advance(119_001);
    expect((await ask(late.guard, message(rounded))).problem).toEqual(UNTRUSTED);
  });

  test("RBAC-20 of 100 uses at once through two guards with one store exactly one passes", async () => {
    const clock = createManualClock();
    const store = createMemoryStore({ clock });
    // A store that answers later, as one over a network does.
    const tickets = { ...store.tickets, put: async (...args: Parameters<typeof store.tickets.put>) => store.tickets.put(...args) };
    const [one, other] = [world({ clock, store: { tickets } }), world({ clock, store: { tickets } })];
    const lines = linesOf(one.signed({ clock }));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => ask(index % 2 === 0 ? one.guard : other.guard, one.message(lines))),
    );
    expect(answers.filter((answer) => answer.principal !== undefined)).toHaveLength(1);
    expect(answers.filter((answer) => answer.problem?.code === 1012)).toHaveLength(99);
  });

  test("RBAC-20 a nonce is burnt by its own signature only: not by a forged, stale, or another caller's", async () => {
    const other = "another secret of at least thirty-two bytes";
    const { clock, guard, message } = world({
      callers: [
        { id: "billing", maxRoles: ["member"], secrets: [SECRET] },
        { id: "support", maxRoles: ["member"], secrets: [other] },
      ],
    });
    const good = crafted(COVERED, params());
    const forged = good.map(([name, value]): Line => [name, name === "X-User-ID" ? "bob" : value]);
    expect((await ask(guard, message(forged))).problem).toEqual(UNTRUSTED);
    expect((await ask(guard, message(crafted(COVERED, params(), { secret: other })))).problem).toEqual(UNTRUSTED);
    const stale = params({ created: String(clock.now() / 1000 - 61) });
    expect((await ask(guard, message(crafted(COVERED, stale)))).problem).toEqual(UNTRUSTED);
    const supports = crafted(COVERED, params({ keyid: '"support"' }), { secret: other });
    expect((await ask(guard, message(supports))).principal).toMatchObject({ via: "support" });
    expect((await ask(guard, message(good))).principal).toMatchObject({ via: "billing" });
    // One nonce, another request: the caller used it.
    const again = crafted(COVERED, params(), { lines: identityLines({ "X-User-ID": "bob" }) });
    expect((await ask(guard, message(again))).problem).toEqual(UNTRUSTED);
  });

  test("RBAC-20 while secrets are rotated both are valid, afterwards the old one is not, and nobody signs with another's", async () => {
    const [old, fresh, foreign] = ["old", "fresh", "foreign"].map((name) => `${name} secret of at least thirty-two bytes`) as [
      string,
      string,
      string,
    ];
    const callers = (...secrets: string[]) => [
      { id: "billing", maxRoles: ["member"], secrets },
      { id: "support", maxRoles: ["owner"], secrets: [foreign] },
    ];
    const during = world({ callers: callers(old, fresh) });
    const after = world({ callers: callers(fresh) });
    const passes = async ({ guard, signed, message }: ReturnType<typeof world>, secret: string) =>
      (await ask(guard, message(linesOf(signed({ secret }))))).principal !== undefined;
    expect([await passes(during, old), await passes(during, fresh), await passes(during, foreign)]).toEqual([true, true, false]);
    expect([await passes(after, old), await passes(after, fresh), await passes(after, foreign)]).toEqual([false, true, false]);
  });

  test("RBAC-20 a signature for another service says nothing to this one", async () => {
    const { guard, signed, message } = world();
    expect((await ask(guard, message(linesOf(signed({ audience: "reports-api" }))))).problem).toEqual(UNTRUSTED);
  });

  test("RBAC-20 a caller known by its address needs no signature, but a wrong one refuses even it", async () => {
    const { guard, message } = world({
      callers: [
        { id: "gateway", maxRoles: ["viewer"], addresses: ["10.0.0.7"] },
        { id: "billing", maxRoles: ["member"], secrets: [SECRET] },
      ],
    });
    const ip = "10.0.0.7";
    expect((await ask(guard, message(identityLines(), { ip }))).principal).toMatchObject({ via: "gateway", roles: [] });
    expect((await ask(guard, message(crafted(COVERED, params()), { ip }))).principal).toMatchObject({ via: "billing", roles: ["member"] });
    expect((await ask(guard, message(crafted(COVERED, params(), { secret: "x" }), { ip }))).problem).toEqual(UNTRUSTED);
    // Signing with an id that has no secret proves nothing.
    const gateway = crafted(COVERED, params({ keyid: '"gateway"' }), { secret: "undefined" });
    expect((await ask(guard, message(gateway, { ip: "198.51.100.1" }))).problem).toEqual(UNTRUSTED);
  });

  test("RBAC-10 while the store is down a signed identity is answered 503 and nothing behind the guard runs", async () => {
    const failures: readonly (() => never | Promise<never>)[] = [
      () => {
        throw new StoreUnavailable("tickets.put");
      },
      () => Promise.reject(new StoreUnavailable("tickets.put")),
    ];
    for (const put of failures) {
      const store: StoreWith<"tickets"> = { tickets: { ...createMemoryStore().tickets, put } };
      const { guard, signed, message } = world({ store });
      let asked = 0;
      const behind = { name: "behind", check: () => ((asked += 1), { kind: "allow" as const }) };
      const request = sent(message(linesOf(signed())));
      expect((await run([guard, behind], request)).stop).toMatchObject({ kind: "deny", problem: { status: 503 } });
      expect(asked).toBe(0);
      // Strangers do not reach the store, so they are told nothing of it.
      expect((await ask(guard, message(crafted(COVERED, params(), { secret: "x" })))).problem).toEqual(UNTRUSTED);
    }
  });
});

describe("signIdentity", () => {
  const good: SignIdentityOptions = {
    callerId: "billing",
    secret: SECRET,
    audience: "workflows-api",
    method: "GET",
    target: "/",
    userId: "ada",
    roles: ["member"],
  };
  const wrong: readonly (readonly [what: string, changed: object])[] = [
    ...["callerId", "secret", "audience", "method", "target", "userId"].flatMap((name) => [
      [`an empty ${name}`, { [name]: "" }] as const,
      [`no ${name}`, { [name]: undefined }] as const,
      [`${name} as a number`, { [name]: 5 }] as const,
    ]),
    ["a secret that the other side would not take", { secret: SECRET.slice(0, 31) }],
    ["a caller's id with a quote", { callerId: 'billing";tag="other' }],
    ["a caller's id in upper case", { callerId: "Billing" }],
    ["an audience with a quote", { audience: 'api";keyid="support' }],
    ["an audience with a line break", { audience: "api\r\nX-User-ID: root" }],
    ["an audience beyond ASCII", { audience: "äpi" }],
    ["a method with a line break", { method: 'GET\n"@path": /admin' }],
    ["a method with a blank", { method: "GET /" }],
    ["a method in lower case, which is sent in upper case", { method: "get" }],
    ["a target that is a URL", { target: "https://api.example/workflows" }],
    ["a target without its slash", { target: "workflows" }],
    ["a target with a fragment, which is not sent", { target: "/workflows#top" }],
    ["a target with a blank", { target: "/work flows" }],
    ["a target with a line break", { target: '/a\n"@query": ?b' }],
    ["a target beyond ASCII", { target: "/wörkflows" }],
    ["a user id with a comma", { userId: "ada,bob" }],
    ["a user id beyond ASCII", { userId: "adä" }],
    ["a user id of 129 characters", { userId: "a".repeat(129) }],
    ["an empty organisation", { orgId: "" }],
    ["an organisation that is null", { orgId: null }],
    ["an organisation that is a number", { orgId: 5 }],
    ["roles that are text", { roles: "member" }],
    ["no roles", { roles: [] }],
    ["33 roles", { roles: Array.from({ length: 33 }, (_, index) => `r${index}`) }],
    ["two roles in one", { roles: ["member,owner"] }],
    ["a role with blanks", { roles: [" member"] }],
    ["a role that is a list", { roles: [["member", "owner"]] }],
    ["a role that is no text", { roles: [null] }],
    ["a role in upper case", { roles: ["Member"] }],
    ["an option nobody reads", { expiresAt: 5 }],
  ];

  test.each(wrong)("RBAC-22 throws rather than sign what the other side would refuse or read otherwise: %s", (_what, changed) => {
    expect(definitionCode(() => signIdentity({ ...good, ...changed }))).toBe("invalid_option");
  });

  test("a fresh nonce for each request, and a frozen result without the secret", () => {
    const signatures = Array.from({ length: 50 }, () => signIdentity(good));
    expect(new Set(signatures.map((fields) => /nonce="([^"]{22})"/.exec(fields["signature-input"] ?? "")?.[1])).size).toBe(50);
    expect(Object.isFrozen(signatures[0])).toBe(true);
    expect(JSON.stringify(signatures)).not.toContain(SECRET);
  });

  test("whatever it signs is accepted and read as it was meant", async () => {
    const id = fc.string({ unit: fc.constantFrom(...Array.from("!\"#'()*+-./09:;<=>?@AZ[\\]^_`az{|}~")), minLength: 1, maxLength: 128 });
    const role = fc.stringMatching(/^[a-z][a-z0-9_-]{0,10}$/);
    const path = fc.stringMatching(/^\/[!-"$-~]{0,30}$/);
    await fc.assert(
      fc.asyncProperty(
        id,
        fc.option(id, { nil: undefined }),
        fc.array(role, { minLength: 1, maxLength: 32 }),
        path,
        async (userId, orgId, roles, target) => {
          const { guard, signed, message } = world({ callers: [{ id: "billing", maxRoles: roles, secrets: [SECRET] }] });
          const fields = signed({ userId, roles, target, ...(orgId === undefined ? { orgId: undefined as never } : { orgId }) });
          const { principal } = await ask(guard, message(linesOf(fields), { target }));
          expect(principal).toMatchObject({ id: userId, orgId, roles: [...new Set(roles)] });
        },
      ),
    );
  });
});
