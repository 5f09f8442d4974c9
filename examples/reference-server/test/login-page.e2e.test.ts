import { Secret, TOTP } from "otpauth";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startOpenIdProvider } from "../../../packages/auth/test/openid-provider.js";
import { chromiumPath, describeWith } from "../../../tools/test-services/connect.js";
import { placeOf } from "../src/accounts.js";
import { DEMO_PASSWORD, DEMO_USERS } from "../src/seed.js";
import { freePort } from "./free-port.js";
import { startService, type TestWorld } from "./start-service.js";

describeWith("chromium", "the login page in a browser", () => {
  let browser: Browser;
  let world: TestWorld;
  let context: BrowserContext;
  let page: Page;
  let complaints: string[];
  let origins: Set<string>;

  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: chromiumPath(),
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    world = await startService("hono", "memory", {
      MFA_REQUIRED_ROLES: "admin",
      GITHUB_OAUTH_CLIENT_ID: "client",
      GITHUB_OAUTH_CLIENT_SECRET: "of a test",
    });
    await open(1440);
  });
  afterEach(async () => {
    await context.close();
    await world.close();
  });

  async function open(width: number): Promise<void> {
    context = await browser.newContext({ viewport: { width, height: 900 } });
    page = await context.newPage();
    complaints = [];
    origins = new Set();
    page.on("console", (message) => {
      // What the server refuses is told in the page; everything else would be a fault of it, or of its policy.
      if (message.type() === "error" && !/the server responded with a status of 4/.test(message.text())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => void complaints.push(error.message));
    page.on("request", (request) => void origins.add(new URL(request.url()).origin));
    await page.goto(`${world.url()}/login`);
    await page.waitForSelector("#password-view", { state: "visible" });
  }

  // By keyboard alone.
  async function logInAs(email: string, password = DEMO_PASSWORD): Promise<void> {
    await page.getByLabel("E-mail address").fill(email);
    await page.keyboard.press("Tab");
    await page.keyboard.type(password);
    await page.keyboard.press("Enter");
  }

  const codeOf = (secret: string): string => new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: world.clock.now() });
  const alert = (): Promise<string | null> => page.locator("#alert:not(:empty)").textContent();
  const isNarrowEnough = (): Promise<unknown> => page.evaluate("document.documentElement.scrollWidth <= window.innerWidth");
  const nothingWentWrong = (): void => {
    expect(complaints).toEqual([]);
    expect(origins).toEqual(new Set([world.url()]));
  };

  it("logs in with a password, shows who is there, and logs out; scripts see no session", async () => {
    const refused = await context.request.get(`${world.url()}/login`);
    expect(refused.headers()["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    await logInAs(DEMO_USERS.member, "not the password");
    expect(await alert()).toMatch(/wrong/);
    await page.getByLabel("Password", { exact: true }).fill("");
    await logInAs(DEMO_USERS.member);
    await page.waitForSelector("#account-view", { state: "visible" });
    expect(await page.locator("#who").textContent()).toBe(DEMO_USERS.member);
    expect(await page.locator("#sessions li").count()).toBe(1);

    const cookies = await context.cookies([world.url(), `${world.url()}/api/auth`]);
    expect(Object.fromEntries(cookies.map(({ name, httpOnly }) => [name, httpOnly]))).toEqual({
      csrf: false,
      refresh: true,
      session: true,
    });
    expect(await page.evaluate("document.cookie")).toMatch(/^csrf=[^;]+$/);
    const kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage])");
    expect(kept).toBe("[{},{}]");

    // Another tab finds the session; an access token that has expired is refreshed on the way.
    await world.passTime(3_600_000);
    await page.reload();
    await page.waitForSelector("#account-view", { state: "visible" });
    await page.getByRole("button", { name: "Log out" }).click();
    await page.waitForSelector("#password-view", { state: "visible" });
    expect(await context.cookies()).toEqual([]);
    nothingWentWrong();
  });

  it("ends other sessions from the list", async () => {
    const login = { email: DEMO_USERS.member, password: DEMO_PASSWORD };
    const other = await world.service.auth.login(login, { userAgent: "<img src=x onerror=alert(1)>" });
    await logInAs(DEMO_USERS.member);
    await page.waitForSelector("#account-view", { state: "visible" });
    expect(await page.locator("#sessions li").allTextContents()).toEqual([
      expect.stringContaining("This browser") as unknown,
      // What a client calls itself is text.
      expect.stringContaining("<img src=x") as unknown,
    ]);
    await page.getByRole("button", { name: /^End the session/ }).click();
    await page.locator("#status", { hasText: "ended" }).waitFor();
    expect(await page.locator("#sessions li").count()).toBe(1);
    if (other.kind !== "ok") throw new Error("no other session");
    expect((await world.service.auth.refresh(other.value.tokens.refreshToken)).kind).toBe("denied");
    nothingWentWrong();
  });

  it.each([360, 1440])("AUTH-M1 enrols a second factor where the role needs one, %i pixels wide; then asks for its code", async (width) => {
    await context.close();
    await open(width);
    await logInAs(DEMO_USERS.admin);
    await page.waitForSelector("#enrolment", { state: "visible" });
    const secret = String(await page.locator("#secret").textContent()).replaceAll(" ", "");
    expect(await page.locator("#otpauth").getAttribute("href")).toContain(`secret=${secret}`);
    const backupCodes = await page.locator("#backup-codes li").allTextContents();
    expect(backupCodes).toHaveLength(10);
    expect(await isNarrowEnough()).toBe(true);
    const right = codeOf(secret);
    await page.getByLabel("Code").fill(right === "000000" ? "111111" : "000000");
    await page.keyboard.press("Enter");
    expect(await alert()).toMatch(/code/i);
    await page.getByLabel("Code").fill(right);
    await page.keyboard.press("Enter");
    await page.waitForSelector("#account-view", { state: "visible" });
    expect(await page.locator("#factor").textContent()).toMatch(/10 backup codes/);
    expect(await page.locator("#secret").textContent()).toBe("");
    expect(await page.locator("#backup-codes li").count()).toBe(0);
    expect(await page.evaluate("document.cookie")).toMatch(/^csrf=[^;]+$/);
    expect(await isNarrowEnough()).toBe(true);

    await page.getByRole("button", { name: "Log out" }).click();
    await world.passTime(30_000);
    await logInAs(DEMO_USERS.admin);
    await page.waitForSelector("#code-view", { state: "visible" });
    expect(await page.locator("#enrolment").isVisible()).toBe(false);
    await page.getByLabel("Code").fill(String(backupCodes[0]));
    await page.keyboard.press("Enter");
    await page.waitForSelector("#account-view", { state: "visible" });
    expect(await page.locator("#factor").textContent()).toMatch(/9 backup codes/);
    nothingWentWrong();
  });

  it("lets whoever needs no second factor think better of it, and stay", async () => {
    await logInAs(DEMO_USERS.member);
    await page.getByRole("button", { name: "Set up a second factor" }).click();
    await page.waitForSelector("#enrolment", { state: "visible" });
    await page.getByRole("button", { name: "Start over" }).click();
    await page.waitForSelector("#account-view", { state: "visible" });
    expect(await page.locator("#secret").textContent()).toBe("");
    nothingWentWrong();
  });

  it("AUTH-M2 asks who was given such a role meanwhile, and lets them leave instead", async () => {
    await logInAs(DEMO_USERS.member);
    await page.waitForSelector("#account-view", { state: "visible" });
    const account = await world.service.auth.users.byEmail(DEMO_USERS.member);
    if (account === undefined) throw new Error("no account");
    const { assignments } = world.service;
    // For a while: nothing but the assignments knows of it.
    const lent = await assignments.assign("program", placeOf(account), { role: "admin" }, { expiresAt: world.clock.now() + 3_600_000 });
    expect(lent.allowed).toBe(true);
    await page.reload();
    await page.waitForSelector("#enrolment", { state: "visible" });
    expect(await page.locator("#status").textContent()).toBe("Your role needs a second factor.");
    await page.getByRole("button", { name: "Start over" }).click();
    await page.waitForSelector("#password-view", { state: "visible" });
    expect(await context.cookies()).toEqual([]);
    nothingWentWrong();
  });

  it("AUTH-O11 takes a hand-over out of the address, and drops one that it did not ask for; what an address says is not shown", async () => {
    await page.goto(`${world.url()}/login#mfa_token=attackers&mfa_enrolled=false&state=guessed`);
    await page.reload();
    await page.waitForSelector("#password-view", { state: "visible" });
    expect(page.url()).toBe(`${world.url()}/login`);
    await page.goto(`${world.url()}/login?error=%3Cb%3Ecall%20this%20number%3C/b%3E&code=1`);
    expect(await alert()).toBe("The login with the provider did not work.");
    expect(page.url()).toBe(`${world.url()}/login`);
    expect(await page.content()).not.toContain("call this number");
    nothingWentWrong();
  });

  it("sets a new password with the link of a letter, which in development is in the log", async () => {
    await page.getByLabel("E-mail address").fill(DEMO_USERS.viewer);
    await page.getByRole("button", { name: "Forgot your password?" }).click();
    await page.locator("#status:not(:empty)").waitFor();
    await expect.poll(() => world.lines.some((line) => line.includes("#reset="))).toBe(true);
    const link = world.lines.map((line) => /"link":"([^"]+#reset=[^"]+)"/.exec(line)?.[1]).find((each) => each !== undefined);
    await page.goto("about:blank");
    await page.goto(`${world.url()}${link}`);
    await page.getByLabel("New password").fill("an entirely new password");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#password-view", { state: "visible" });
    expect(page.url()).toBe(`${world.url()}/login`);
    await logInAs(DEMO_USERS.viewer, "an entirely new password");
    await page.waitForSelector("#account-view", { state: "visible" });
    nothingWentWrong();
  });

  it("AUTH-O1 AUTH-M1 logs in over a provider, with the second factor, past a session that is over", async () => {
    await context.close();
    await world.close();
    const port = await freePort();
    const base = `http://localhost:${port}`;
    const client = { client_id: "portcullis", client_secret: "a client secret of a test" };
    const provider = await startOpenIdProvider([{ ...client, redirect_uris: [`${base}/api/auth/oauth/oidc/callback`] }]);
    try {
      world = await startService("hono", "memory", {
        PORT: String(port),
        MFA_REQUIRED_ROLES: "member",
        OIDC_ISSUER: provider.issuer,
        OIDC_CLIENT_ID: client.client_id,
        OIDC_CLIENT_SECRET: client.client_secret,
        OIDC_NAME: "Acme",
      });
      const ada = { email: "ada@example.com", password: DEMO_PASSWORD, roles: ["member"], orgId: "acme", emailVerified: true };
      expect((await world.service.auth.createAccount(ada)).kind).toBe("ok");
      await open(360);
      await page.goto(`${base}/login`);
      await context.addCookies([{ name: "session", value: "of.long.ago", url: base, httpOnly: true }]);
      await page.getByRole("button", { name: "Continue with Acme" }).click();
      await page.waitForSelector("#enrolment", { state: "visible" });
      expect(page.url()).toBe(`${base}/login`);
      const { entries } = await (await context.newCDPSession(page)).send("Page.getNavigationHistory");
      expect(entries.map(({ url }) => url).join()).not.toMatch(/mfa_token|code=|state=/);
      await page.getByLabel("Code").fill(codeOf(String(await page.locator("#secret").textContent()).replaceAll(" ", "")));
      await page.keyboard.press("Enter");
      await page.waitForSelector("#account-view", { state: "visible" });
      expect(await page.locator("#who").textContent()).toBe("ada@example.com");
      expect(await page.evaluate("document.cookie")).toMatch(/^csrf=[^;]+$/);
      expect(complaints).toEqual([]);
    } finally {
      await provider.close();
    }
  });
});
