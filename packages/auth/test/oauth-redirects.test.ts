import { describe, expect, it } from "vitest";
import { API, createOAuthFixture, lyingProvider, problemOf } from "./oauth-fixture.js";

const provider = lyingProvider();
const HOME = "https://app";

const service = (allow: readonly string[] = ["https://app/*"], rest = {}) =>
  createOAuthFixture({
    providers: { mock: provider.client() },
    baseUrl: API,
    delivery: "code",
    redirects: { allow, default: allow[0]?.endsWith("*") === true ? "https://app/" : String(allow[0]) },
    ...rest,
  });

const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"; // RFC 7636 appendix B

// What is relative is relative to the service: here it lives where the page does.
const atHome = (allow: readonly string[]) =>
  createOAuthFixture({
    providers: { mock: provider.client() },
    baseUrl: HOME,
    delivery: "code",
    redirects: { allow: ["https://app/landing", ...allow], default: "https://app/landing" },
  });

async function started(redirect: string, allow = "https://app/*", { handler } = atHome([allow])): Promise<Response> {
  const query = new URLSearchParams({ redirect, code_challenge: CHALLENGE });
  return handler(new Request(`${HOME}/auth/oauth/mock?${query.toString()}`));
}

/** Where a browser ends up, over the whole login. */
async function landing(redirect: string): Promise<string> {
  const fixture = atHome(["https://app/*"]);
  const start = await started(redirect, undefined, fixture);
  expect(start.status).toBe(303);
  const cookie = start.headers
    .getSetCookie()
    .map((field) => field.split(";")[0])
    .join("; ");
  const authorized = await fetch(String(start.headers.get("location")), { redirect: "manual" });
  const back = await fixture.handler(new Request(String(authorized.headers.get("location")), { headers: { cookie } }));
  expect(back.status).toBe(303);
  return String(back.headers.get("location"));
}

const REJECTED = [
  "//evil",
  "/\\evil",
  "\\\\evil",
  "\\/evil",
  "/\t/evil",
  "\0//evil",
  "///evil",
  "https://app@evil",
  "https://app.evil",
  "https://app%2eevil",
  "https://app\t.evil",
  "http://app",
  "https://app:8443",
  "https://user:pw@app",
  "https://user@app/x",
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  "data:text/html,x",
  "blob:https://app/0123",
  "https:evil",
  "https:/evil",
  "https:///evil",
  "/.//evil",
  "/..//evil",
  "/%2e%2e//evil",
  "./\\evil",
  "evil",
  "../evil",
  "https://evil",
  "https://EVIL/",
  "https://evil/https://app/",
  "https://evil?https://app/",
  "https://evil#https://app/",
  "https://app/x#access_token=1",
  "https://xn--pp-oja/", // another spelling of a lookalike
  "https://аpp/", // Cyrillic а
  "https://app\u3002evil/", // ideographic full stop: a dot to IDNA
  "https://app/a b",
  "https://app/a\r\nset-cookie: x=1",
  " https://app/",
  "https://app/..%2f..%2fx",
  "https://app/%2e%2e%5cx",
  "ws://app/",
  "mailto:ada@app",
  `https://app/${"a".repeat(2100)}`,
  "",
];

describe("where a login may lead", () => {
  it.each(REJECTED)("AUTH-O5 %j is refused before anything begins", async (redirect) => {
    const response = await started(redirect);
    if (redirect === "") return expect(response.status).toBe(422); // nothing is no address
    expect((await problemOf(response)).code).toBe(1019);
    expect(response.headers.getSetCookie()).toEqual([]);
    return undefined;
  });

  it.each([
    ["/dash", "https://app/dash"],
    ["/%2F%2Fx", "https://app/%2F%2Fx"],
    ["?a=//x", "https://app/?a=%2F%2Fx"],
    ["https://APP/x", "https://app/x"],
    ["https://app:443/x", "https://app/x"],
    ["https://app", "https://app/"],
    ["/a/../b", "https://app/b"],
    ["https://app/x?next=https://evil", "https://app/x"],
  ])("AUTH-O5 %j is allowed, and the address sent stays where it was allowed, whoever parses it", async (redirect, expected) => {
    const location = await landing(redirect);
    for (const base of ["https://app/auth/oauth/mock/callback", "http://evil/", "http://app/"]) {
      expect(new URL(location, base).origin).toBe("https://app");
    }
    const url = new URL(location);
    expect(url.searchParams.get("code")).toMatch(/^[\w-]{43}$/);
    expect(`${url.origin}${url.pathname}`).toBe(expected.replace(/\?.*/, ""));
  });

  it.each([
    ["https://app/cb/*", "https://app/cb", true],
    ["https://app/cb/*", "https://app/cb/x", true],
    ["https://app/cb/*", "https://app/cb/x?y=1", true],
    ["https://app/cb/*", "https://app/cb-evil", false],
    ["https://app/cb/*", "https://app/cb/../x", false],
    ["https://app/cb/*", "https://app/cb/%2e%2e/x", false],
    ["https://app/cb/*", "https://app/cb/..%2fx", false],
    ["https://app/cb/*", "https://app/CB/x", false],
    ["https://app/cb", "https://app/cb", true],
    ["https://app/cb", "https://app/cb/", false],
    ["https://app/cb", "https://app/cb/x", false],
    ["https://app/cb", "https://app/cb?next=//evil", false],
    ["https://app/cb?a=1", "https://app/cb?a=1", true],
    ["/cb", "/cb", true],
    ["/cb", "https://app/cb", true],
    ["/cb", "/cb/x", false],
    ["/cb/*", "/cb/x", true],
    ["https://other:8443/cb", "https://other:8443/cb", true],
    ["https://other:8443/cb", "https://other/cb", false],
  ])("AUTH-O5 the entry %s against %s: %s", async (entry, redirect, isAllowed) => {
    const response = await started(redirect, entry);
    expect(response.status).toBe(isAllowed ? 303 : 400);
  });

  it.each([
    [["javascript:alert(1)"], "redirects.allow[0]"],
    [["http://app/"], "redirects.allow[0]"],
    [["https://user@app/"], "redirects.allow[0]"],
    [["https://app/#x"], "redirects.allow[0]"],
    [["*"], "redirects.allow[0]"],
    [["https://*.example.com/"], "redirects.allow[0]"],
    [["https://app/?x=/*"], "redirects.allow[0]"],
    [[], "redirects.allow"],
    [undefined, "redirects.allow"],
  ])("AUTH-O5 an allowlist of %j is refused where the service is built", (allow, option) => {
    expect(() => service(allow as readonly string[], { redirects: { allow, default: "https://app/" } })).toThrow(`"${option}"`);
  });

  it("AUTH-O11 tokens in a fragment go to exact addresses only: a pattern is refused where the service is built", () => {
    expect(() => service(["https://app/*"], { delivery: "fragment" })).toThrow(/"redirects\.allow\[0\]".*no pattern/);
  });

  it("AUTH-O5 an address of a request's Host header is never led to", async () => {
    const { handler } = service(["/home"], {});
    const response = await handler(
      new Request(`https://evil.example/auth/oauth/mock?code_challenge=${CHALLENGE}`, {
        headers: { host: "evil.example", "x-forwarded-host": "evil.example" },
      }),
    );
    const location = new URL(String(response.headers.get("location")));
    expect(location.searchParams.get("redirect_uri")).toBe(`${API}/auth/oauth/mock/callback`);
  });

  it("options are read once: a list changed later allows nothing more", async () => {
    const allow = ["https://app/home"];
    const { handler } = service(allow);
    allow.push("https://evil/");
    const response = await handler(new Request(`${API}/auth/oauth/mock?code_challenge=${CHALLENGE}&redirect=https://evil/`));
    expect(response.status).toBe(400);
  });
});
