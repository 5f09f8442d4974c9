// AUTH-G4: a whole life with secrets that can be told apart, and a look at everything that is told and kept on the way.
import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { type MemoryStore, StoreUnavailable } from "@portcullis/core";
import { createAuth, createUserDirectory } from "@portcullis/auth";
import { Secret } from "otpauth";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { PEPPER, SECRET, valueOf, wrapPort } from "./auth-fixture.js";
import { GITHUB_CLIENT, GITHUB_TOKEN, type GitHubServer, startGitHub } from "./github-server.js";
import { codeAt, MFA_KEY, wrongCodeAt } from "./mfa-fixture.js";
import { consentAt, createWholeService, overGitHub, SETUP_TOKEN, SITE, type Told } from "./whole-service.js";

const PORTS = ["subjects", "sessions", "tickets", "counters", "apiKeys", "records", "bus"] as const;
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const ROOT = "canary.root@example.com";
const ADA = "canary.ada@example.com";
const NOBODY = "canary.nobody@example.com";
const GRACE_MS = 10_000;

let github: GitHubServer;
beforeAll(async () => {
  github = await startGitHub();
});
afterAll(async () => github.close());

/** What was written to and read from the store: more than any dump of it shows. */
function recordingStore(log: { readonly port: string; readonly text: string }[], fault: { on: boolean }) {
  return (store: MemoryStore): MemoryStore => {
    const ports = PORTS.map((port) => [
      port,
      wrapPort(store[port], (method, name) => (...args) => {
        if (fault.on) throw new StoreUnavailable(`${port}.${name}`, { cause: new Error("the wire is cut") });
        const result = method(...args);
        log.push({ port: `${port}.${name}`, text: `${inspect(args, { depth: 9 })} ${inspect(result, { depth: 9 })}` });
        return result;
      }),
    ]);
    return { ...store, ...(Object.fromEntries(ports) as Pick<MemoryStore, (typeof PORTS)[number]>) }; // the same names
  };
}

describe("AUTH-G4 a whole life", () => {
  it("AUTH-G4 no secret is in an event, a metric, a problem, a fault, a header, on the console, or in the store as it is", async () => {
    const kept: { readonly port: string; readonly text: string }[] = [];
    const fault = { on: false };
    const said: string[] = [];
    for (const method of ["log", "info", "warn", "error", "debug", "trace"] as const) {
      vi.spyOn(console, method).mockImplementation((...args: unknown[]) => void said.push(inspect(args)));
    }
    const service = createWholeService(github.url, recordingStore(kept, fault));
    const { auth, clock, mail, letters, events, counted, faults } = service;

    const secrets = new Map<string, string>();
    const secret = (name: string, value: unknown): string => {
      if (typeof value !== "string" || value.length < 6) throw new Error(`${name} is no secret: ${String(value)}`);
      secrets.set(`${name} ${secrets.size}`, value);
      return value;
    };
    for (const [name, value] of Object.entries({ SECRET, PEPPER, MFA_KEY, SETUP_TOKEN, GITHUB_TOKEN, VERIFIER, ...GITHUB_CLIENT })) {
      if (name !== "clientId") secret(name, value);
    }
    const PASSWORDS = ["canary-password-of-root", "canary-password-of-ada", "canary-password-new", "canary-password-reset"] as const;
    const [rootPassword, adaPassword, newPassword, resetPassword] = PASSWORDS;
    for (const password of [...PASSWORDS, "canary-password-wrong"]) secret("password", password);

    const problems: string[] = [];
    const fields: string[] = [];
    async function call(path: string, asked: Parameters<typeof service.call>[1] = {}): Promise<Told> {
      const told = await service.call(path, asked);
      if (told.status >= 400) problems.push(told.text);
      for (const [name, value] of told.headers) {
        // Meant to carry them, and made for it: cookies, and the way back from a provider.
        if (name === "set-cookie") secret("cookie", /^[^=]+=([^;]*)/.exec(value)?.[1] || "taken away");
        else if (name !== "location") fields.push(`${name}: ${value}`);
      }
      for (const [name, value] of Object.entries(told.body)) {
        if (/_token$|^(?:key|secret|ticket|csrf_token)$/.test(name) && typeof value === "string") secret(name, value);
      }
      return told;
    }
    const GET = { method: "GET" } as const;
    const bearer = (token: unknown) => ({ authorization: `Bearer ${String(token)}` });

    // The first account, and its second factor.
    await call("/auth/setup", { body: { setup_token: "canary-setup-wrong", email: ROOT, password: rootPassword } });
    await call("/auth/setup", { body: { setup_token: SETUP_TOKEN, email: ROOT, password: rootPassword } });
    await call("/auth/setup", { body: { setup_token: SETUP_TOKEN, email: ADA, password: adaPassword } });
    const pending = await call("/auth/login", { body: { email: ROOT, password: rootPassword } });
    const mfa_token = String(pending.body["mfa_token"]);
    const made = await call("/auth/mfa/enroll", { body: { mfa_token } });
    const totp = String(made.body["secret"]);
    for (const code of made.body["backup_codes"] as string[]) secret("backup code", code);
    const codes: string[] = [];
    const code = (make = codeAt): string => (codes.push(make(totp, clock.now())), codes.at(-1) ?? "");
    await call("/auth/mfa/verify", { body: { mfa_token, code: code(wrongCodeAt) } });
    const root = await call("/auth/mfa/verify", { body: { mfa_token, code: code() } });
    expect(root.status).toBe(200);
    await call("/auth/mfa/verify", { body: { mfa_token, code: codes.at(-1) ?? "" } });
    clock.advance(30_000);
    const stepped = await call("/auth/mfa/verify", { headers: bearer(root.body["access_token"]), body: { code: code() } });
    const asRoot = bearer(stepped.body["access_token"]);
    const renewed = await call("/auth/mfa/backup-codes", { headers: asRoot });
    const [backup = ""] = renewed.body["backup_codes"] as string[];
    for (const each of renewed.body["backup_codes"] as string[]) secret("backup code", each);
    const again = await call("/auth/login", { body: { email: ROOT, password: rootPassword } });
    expect((await call("/auth/mfa/verify", { body: { mfa_token: again.body["mfa_token"], code: backup } })).status).toBe(200);
    await call("/auth/mfa/disable", { headers: asRoot, body: { password: rootPassword } });

    // Somebody registers, verifies, forgets the password.
    const letter = async (path: string, email: string): Promise<string> => {
      await call(path, { body: { email } });
      await mail.settled();
      return secret("letter", letters.at(-1));
    };
    const link = await letter("/auth/register", ADA);
    await call("/auth/register/confirm", { body: { token: link, password: "short" } });
    expect((await call("/auth/register/confirm", { body: { token: link, password: adaPassword, name: "Ada" } })).status).toBe(201);
    await call("/auth/register/confirm", { body: { token: link, password: adaPassword } });
    await call("/auth/register", { body: { email: ADA } });
    await call("/auth/login", { body: { email: ADA, password: "canary-password-wrong" } });
    await call("/auth/login", { body: { email: NOBODY, password: "canary-password-wrong" } });
    const reset = await letter("/auth/password-reset/request", ADA);
    expect((await call("/auth/password-reset/confirm", { body: { token: reset, new_password: resetPassword } })).status).toBe(200);
    await call("/auth/password-reset/confirm", { body: { token: reset, new_password: resetPassword } });
    await call("/auth/email-verification/request", { body: { email: ROOT } });
    await mail.settled();
    if (letters.length > 3) secret("letter", letters.at(-1));

    // Sessions by body and by cookie.
    const body = await call("/auth/login", { body: { email: ADA, password: resetPassword } });
    const first = String(body.body["refresh_token"]);
    const second = await call("/auth/refresh", { body: { refresh_token: first } });
    await call("/auth/refresh", { body: { refresh_token: second.body["refresh_token"] } });
    await call("/auth/refresh", { body: { refresh_token: first } }); // reuse
    const cookie = await call("/auth/login", { body: { email: ADA, password: resetPassword, delivery: "cookie" } });
    const jar = cookie.headers
      .getSetCookie()
      .map((line) => line.replace(/;.*/s, ""))
      .join("; ");
    const csrf = { "x-csrf-token": String(cookie.body["csrf_token"]) };
    await call("/auth/csrf", { ...GET, headers: { cookie: jar } });
    await call("/auth/sessions/revoke-others", { headers: { cookie: jar } });
    const next = await call("/auth/refresh", { headers: { cookie: jar, ...csrf } });
    expect(next.status).toBe(200);
    await call("/guarded/required", { headers: { cookie: `${jar}; ${jar}` } });
    const login = await call("/auth/login", { body: { email: ADA, password: resetPassword } });
    const asAda = bearer(login.body["access_token"]);
    await call("/auth/me", { ...GET, headers: asAda });
    await call("/auth/sessions", { ...GET, headers: asAda });
    await call("/auth/change-password", { headers: asAda, body: { current_password: "canary-password-wrong", new_password: newPassword } });
    const changed = await call("/auth/change-password", {
      headers: asAda,
      body: { current_password: resetPassword, new_password: newPassword },
    });
    expect(changed.status).toBe(200);
    await call("/auth/me", { ...GET, headers: asAda });
    const ada = bearer(changed.body["access_token"]);

    // Keys, system tokens, tickets, what others ask.
    const key = await call("/auth/api-keys", { headers: ada, body: { name: "ci" } });
    expect(key.status).toBe(201);
    await call("/auth/me", { ...GET, headers: { "x-api-key": String(key.body["key"]) } });
    await call("/auth/me", { ...GET, headers: { "x-api-key": `${String(key.body["key"]).slice(0, -1)}_` } });
    const rotated = await call(`/auth/api-keys/${String(key.body["id"])}/rotate`, { headers: ada });
    await call("/auth/introspect", {
      headers: { "x-api-key": String(rotated.body["key"]) },
      form: { token: String(changed.body["access_token"]) },
    });
    await call("/auth/introspect", { headers: { "x-api-key": String(rotated.body["key"]) }, form: { token: first } });
    await call(`/auth/api-keys/${String(rotated.body["id"])}`, { method: "DELETE", headers: ada });
    const robot = valueOf(await auth.serviceAccounts.create({ name: "robot", roles: ["admin"] }));
    const robotKey = secret("service key", valueOf(await auth.serviceAccounts.createKey(robot.id, { name: "deploy" })).key);
    await call("/guarded/required", { headers: { "x-api-key": robotKey } });
    const administrator = valueOf(await auth.verifyAccessToken(String(stepped.body["access_token"])));
    expect(administrator.principal.roles).toEqual(["admin"]);
    const { token: system } = await auth.createSystemToken({ service: "scheduler", audience: "billing" });
    secret("system token", system);
    expect((await call("/guarded/system", { headers: bearer(system) })).status).toBe(200);
    await call("/guarded/system", { headers: bearer(`${system}x`) });
    await call("/auth/revoke", { form: { token: system } });
    await call("/guarded/system", { headers: bearer(system) });
    const ticket = String((await call("/auth/ws-ticket", { headers: { ...ada, origin: SITE }, body: {} })).body["ticket"]);
    expect((await call(`/socket?ticket=${ticket}`, GET)).status).toBe(200);
    await call(`/socket?ticket=${ticket}`, GET);

    // A provider.
    const start = `/auth/oauth/github?code_challenge=${CHALLENGE}&state=canary-state-of-the-page`;
    for (const mistake of ["none", "another browser", "denied"]) {
      const { path, cookie: binding } = await overGitHub({ ...service, call }, start);
      const parameters = new URL(path, SITE).searchParams;
      secret("state", parameters.get("state"));
      secret("provider's code", parameters.get("code"));
      if (mistake === "another browser") await call(path, GET);
      else if (mistake === "denied")
        await call(`${path}&error=access_denied&error_description=canary`, { ...GET, headers: { cookie: binding } });
      else {
        const done = await call(path, { ...GET, headers: { cookie: binding } });
        const oneTime = secret("code", new URL(String(done.headers.get("location"))).searchParams.get("code"));
        await call("/auth/oauth/token", { body: { code: oneTime, code_verifier: "x".repeat(43) } });
      }
    }
    const { path, cookie: binding } = await overGitHub({ ...service, call }, start);
    const done = await call(path, { ...GET, headers: { cookie: binding } });
    const oneTime = secret("code", new URL(String(done.headers.get("location"))).searchParams.get("code"));
    expect((await call("/auth/oauth/token", { body: { code: oneTime, code_verifier: VERIFIER } })).status).toBe(200);
    const linking = await call("/auth/oauth/link", { headers: ada, body: { provider: "github" } });
    const linked = await consentAt(String(linking.body["authorization_url"]), linking.headers);
    await call(linked.path, { ...GET, headers: { cookie: linked.cookie } });
    await call("/auth/oauth/unlink?provider=github", { method: "DELETE", headers: ada });

    // Ends and outages.
    await call("/auth/logout", { headers: { cookie: jar, ...csrf } });
    await call("/auth/logout-all", { headers: ada });
    for (let time = 0; time < 6; time += 1) await call("/auth/login", { body: { email: ADA, password: "canary-password-wrong" } });
    clock.advance(GRACE_MS);
    fault.on = true;
    for (const [route, asked] of [
      ["/auth/login", { body: { email: ADA, password: newPassword } }],
      ["/auth/refresh", { body: { refresh_token: first } }],
      ["/auth/me", { ...GET, headers: ada }],
      ["/auth/me", { ...GET, headers: { "x-api-key": robotKey } }],
      ["/auth/mfa/verify", { body: { mfa_token, code: codes.at(-1) } }],
      ["/auth/password-reset/confirm", { body: { token: reset, new_password: resetPassword } }],
      ["/auth/oauth/token", { body: { code: oneTime, code_verifier: VERIFIER } }],
      [`/socket?ticket=${ticket}`, GET],
    ] as const) {
      expect([route, (await call(route, asked)).status]).toEqual([route, 503]);
    }
    fault.on = false;

    const kinds = new Set(events.map(({ kind }) => kind));
    for (const kind of [
      "login_failed",
      "refresh_reused",
      "mfa_enrolled",
      "api_key_created",
      "oauth_failed",
      "account_locked",
      "csrf_refused",
    ]) {
      expect(kinds).toContain(kind);
    }
    expect(problems.length).toBeGreaterThan(25);
    expect(secrets.size).toBeGreaterThan(60);
    secrets.delete([...secrets].find(([, value]) => value === "taken away")?.[0] ?? "");
    const placesTold: Readonly<Record<string, string>> = {
      events: inspect(events, { depth: 9 }),
      metrics: counted.join("\n"),
      problems: problems.join("\n"),
      faults: inspect(faults, { depth: 9 }),
      fields: fields.join("\n"),
      console: said.join("\n"),
    };
    const store = kept.map(({ port, text }) => `${port} ${text}`).join("\n");
    for (const [name, value] of secrets) {
      if (value === "taken away") continue;
      for (const [place, text] of Object.entries(placesTold)) expect([name, place, text.includes(value)]).toEqual([name, place, false]);
      expect([name, lineWith(store, value)]).toEqual([name, undefined]);
    }
    for (const [place, text] of Object.entries(placesTold)) {
      for (const email of [ROOT, ADA, NOBODY]) expect([email, place, text.includes(email)]).toEqual([email, place, false]);
      for (const each of codes) expect([place, new RegExp(`(?<![0-9])${each}(?![0-9])`).test(text)]).toEqual([place, false]);
      expect(text).not.toMatch(/PRIVATE KEY|\$argon2id\$|eyJ[\w-]{10}/);
    }
    const withAddress = kept.filter(({ text }) => [ROOT, ADA, NOBODY].some((email) => text.includes(email)));
    // Addresses are in the directory, in what a link is for, and in a ticket for a socket as in the token it was made of.
    expect(withAddress.filter(({ port, text }) => !port.startsWith("records.") && !/auth:(?:link|socket-ticket):/.test(text))).toEqual([]);
    // What can be guessed must not be there as a hash that anybody can compute, nor the seed of codes in any spelling.
    const guessable = [ROOT, ADA, NOBODY, ...PASSWORDS, ...codes, backup];
    const everything = `${store}\n${Object.values(placesTold).join("\n")}`;
    for (const value of guessable) {
      for (const algorithm of ["sha256", "sha1", "md5", "sha512"]) {
        for (const encoding of ["hex", "base64", "base64url"] as const) {
          const digest = createHash(algorithm).update(value).digest(encoding);
          expect([value, algorithm, everything.includes(digest.slice(0, 20))]).toEqual([value, algorithm, false]);
        }
      }
    }
    const seed = Buffer.from(Secret.fromBase32(totp).bytes);
    for (const encoding of ["hex", "base64", "base64url"] as const) expect(everything).not.toContain(seed.toString(encoding));
    expect(store).not.toMatch(/eyJ[\w-]{10}/); // no token of any kind
    vi.restoreAllMocks();
  });

  it("AUTH-G4 what a wrong option says names the option and never its value", () => {
    const store = createWholeService(github.url).memory;
    const users = createUserDirectory({ store });
    const wrong: readonly object[] = [
      { secrets: "canary-short" },
      { secrets: [SECRET, SECRET] },
      { secrets: "-----BEGIN PRIVATE KEY-----\ncanary-0123456789-0123456789-0123456789" },
      { apiKeyPeppers: SECRET },
      { mfa: { keys: SECRET } },
      { mfa: { keys: "canary-short" } },
    ];
    for (const option of wrong) {
      let thrown: unknown;
      try {
        createAuth({ store, users, secrets: SECRET, apiKeyPeppers: PEPPER, ...option });
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toBeInstanceOf(Error);
      expect(inspect(thrown, { depth: 9 })).not.toMatch(/canary-(?:short|0)|first-secret|a-pepper/);
    }
  });
});

/** The line that a value is in, short enough to read. */
function lineWith(text: string, value: string): string | undefined {
  const at = text.indexOf(value);
  return at === -1 ? undefined : text.slice(Math.max(0, at - 300), at + value.length);
}
