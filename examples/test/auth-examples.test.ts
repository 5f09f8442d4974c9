import { Secret, TOTP } from "otpauth";
import { CookieJar } from "tough-cookie";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ExampleServer, FRAMEWORKS, pathOfExample, startExample } from "./example-server.js";

interface Answer {
  readonly status: number;
  /** A text of the application's, or the JSON of a route. */
  readonly body: unknown;
  readonly cookies: readonly string[];
}

/** A browser on the page of a service: keeps the cookies, and sends the readable one back where it changes something. */
class Browser {
  private readonly jar = new CookieJar();

  constructor(private readonly url: string) {}

  async ask(method: string, path: string, body?: unknown, { csrf = true } = {}): Promise<Answer> {
    const at = this.url + path;
    const token = (await this.jar.getCookies(at)).find(({ key }) => key === "csrf")?.value;
    const response = await fetch(at, {
      method,
      headers: {
        cookie: await this.jar.getCookieString(at),
        origin: this.url,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(csrf && token !== undefined ? { "x-csrf-token": token } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const cookies = response.headers.getSetCookie();
    for (const line of cookies) await this.jar.setCookie(line, at);
    const text = await response.text();
    const parsed: unknown = response.headers.get("content-type")?.includes("json") === true ? JSON.parse(text) : text;
    return { status: response.status, body: parsed, cookies: cookies.map((line) => line.slice(0, line.indexOf("="))) };
  }

  logIn(): Promise<Answer> {
    return this.ask("POST", "/auth/login", { email: "ada@example.com", password: "correct horse battery", delivery: "cookie" });
  }
}

describe.each(FRAMEWORKS)("auth-%s", (framework) => {
  let server: ExampleServer | undefined;

  beforeAll(async () => {
    server = await startExample(pathOfExample("auth", framework));
  }, 30_000);
  afterAll(() => server?.stop());

  const browser = () => new Browser(server?.url ?? "");
  const member = (answer: Answer, name: string) => (answer.body as Record<string, unknown>)[name];

  it("serves whoever has logged in, with cookies that scripts cannot read, and writes for nobody else's page", async () => {
    const page = browser();
    expect(await page.ask("GET", "/notes")).toMatchObject({ status: 401, body: { code: 1001 } });
    const login = await page.logIn();
    expect(login).toMatchObject({ status: 200, cookies: ["session", "refresh", "csrf"], body: { user: { email: "ada@example.com" } } });
    expect(login.body).not.toHaveProperty("access_token");
    const { id } = member(login, "user") as { readonly id: string };
    expect(await page.ask("GET", "/notes")).toMatchObject({ status: 200, body: `notes of ${id}` });
    expect(await page.ask("POST", "/notes")).toMatchObject({ status: 200, body: "written" });
    expect(await page.ask("POST", "/notes", undefined, { csrf: false })).toMatchObject({ status: 403, body: { code: 1104 } });
    expect(await page.ask("POST", "/auth/refresh")).toMatchObject({ status: 200, cookies: ["session", "refresh", "csrf"] });
    expect(await page.ask("POST", "/auth/logout")).toMatchObject({ status: 200, cookies: ["session", "refresh", "csrf"] });
    expect(await page.ask("GET", "/notes")).toMatchObject({ status: 401, body: { code: 1001 } });
  });

  it("shows the sessions, and ends one of them", async () => {
    const [here, elsewhere] = [browser(), browser()];
    await here.logIn();
    await elsewhere.logIn();
    const sessions = member(await here.ask("GET", "/auth/sessions"), "sessions") as { readonly id: string; readonly current: boolean }[];
    expect(sessions.filter(({ current }) => current)).toHaveLength(1);
    expect(sessions).toHaveLength(2);
    const other = sessions.find(({ current }) => !current)?.id ?? "";
    expect(await here.ask("DELETE", `/auth/sessions/${other}`)).toMatchObject({ status: 200 });
    expect(await elsewhere.ask("GET", "/notes")).toMatchObject({ status: 401, body: { code: 1004 } });
    expect(await here.ask("GET", "/notes")).toMatchObject({ status: 200 });
    await here.ask("POST", "/auth/logout");
  });

  it("asks whoever enrolled a second factor for it, and hands no token to scripts", async () => {
    const page = browser();
    await page.logIn();
    const enrolment = await page.ask("POST", "/auth/mfa/enroll", {});
    const code = new TOTP({ secret: Secret.fromBase32(String(member(enrolment, "secret"))) }).generate();
    const [backup] = member(enrolment, "backup_codes") as string[];
    const verified = await page.ask("POST", "/auth/mfa/verify", { code });
    expect(verified).toMatchObject({ status: 200, cookies: ["session", "refresh", "csrf"] });
    expect(verified.body).not.toHaveProperty("access_token");
    expect(await page.ask("GET", "/notes")).toMatchObject({ status: 200 });
    await page.ask("POST", "/auth/logout");

    const login = await page.logIn();
    expect(login).toMatchObject({ status: 200, cookies: [], body: { mfa_required: true, mfa_enrolled: true } });
    expect(await page.ask("GET", "/notes")).toMatchObject({ status: 401 });
    const proof = { mfa_token: member(login, "mfa_token"), code: backup, delivery: "cookie" };
    expect(await page.ask("POST", "/auth/mfa/verify", proof)).toMatchObject({ status: 200, cookies: ["session", "refresh", "csrf"] });
    expect(await page.ask("GET", "/notes")).toMatchObject({ status: 200 });
  });
});
