import { clientIp, createApp, createMemoryStore, toFetchHandler } from "@portcullis/core";
import {
  type AccountMailOptions,
  type AccountLetter,
  authRoutes,
  type AuthOptions,
  createAccountMail,
  createUserDirectory,
  type RegistrationLetter,
  type UserAccount,
} from "@portcullis/auth";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import {
  asynchronous,
  codeOf,
  createFixture,
  createFixtureWithAda,
  EMAIL,
  PASSWORD,
  valueOf,
  withDeadPort,
  wrapPort,
} from "./auth-fixture.js";

const NEW_PASSWORD = "a new and longer one";
const MINUTE_MS = 60_000;
const NOBODY = "nobody@example.com";

type Sent =
  | ({ readonly kind: "passwordReset" | "emailVerification" } & AccountLetter)
  | ({ readonly kind: "registration" } & RegistrationLetter)
  | { readonly kind: "alreadyRegistered"; readonly account: UserAccount };

async function createMail(options: Partial<AuthOptions> = {}, mailOptions: Partial<AccountMailOptions> = {}) {
  const clock = createManualClock();
  const store = options.store ?? createMemoryStore({ clock });
  const users = createUserDirectory({ store });
  const fixture = await createFixtureWithAda({ clock, store, users, ...options });
  const sent: Sent[] = [];
  const mail = createAccountMail({
    auth: fixture.auth,
    deliver: {
      passwordReset: (letter) => void sent.push({ kind: "passwordReset", ...letter }),
      emailVerification: (letter) => void sent.push({ kind: "emailVerification", ...letter }),
      registration: (letter) => void sent.push({ kind: "registration", ...letter }),
      alreadyRegistered: ({ account }) => void sent.push({ kind: "alreadyRegistered", account }),
    },
    ...mailOptions,
  });
  /** The token of the letter that this request sends. */
  async function letter(request: "reset" | "verify" | "register", email = EMAIL): Promise<string> {
    const before = sent.length;
    if (request === "reset") valueOf(await mail.requestPasswordReset(email));
    else if (request === "verify") valueOf(await mail.requestEmailVerification(email));
    else if (mail.registration !== undefined) valueOf(await mail.registration.request(email));
    await mail.settled();
    const last = sent[before];
    return last !== undefined && "token" in last ? last.token : "none was sent";
  }
  return { ...fixture, clock, store, users, mail, sent, letter };
}

type Mail = Awaited<ReturnType<typeof createMail>>;

async function tokenOf({ auth }: Mail, password = PASSWORD) {
  const { tokens } = valueOf(await auth.login({ email: EMAIL, password }));
  return { tokens, token: valueOf(await auth.verifyAccessToken(tokens.accessToken)) };
}

describe("a forgotten password", () => {
  it("is replaced by the link: every session ends, the old password is over, none is opened", async () => {
    const mail = await createMail();
    const { tokens } = await tokenOf(mail);
    const token = await mail.letter("reset");
    expect(mail.sent).toMatchObject([
      { kind: "passwordReset", account: { id: mail.userId }, expiresAt: mail.clock.now() + 30 * MINUTE_MS },
    ]);
    const { id } = valueOf(await mail.mail.confirmPasswordReset({ token, newPassword: NEW_PASSWORD }));
    expect(id).toBe(mail.userId);
    expect(codeOf(await mail.auth.verifyAccessToken(tokens.accessToken))).toBe(1004);
    expect(codeOf(await mail.auth.refresh(tokens.refreshToken))).toBe(1004);
    expect(await mail.store.sessions.list(mail.userId)).toEqual([]);
    expect(codeOf(await mail.auth.login({ email: EMAIL, password: PASSWORD }))).toBe(1005);
    expect(codeOf(await mail.auth.login({ email: EMAIL, password: NEW_PASSWORD }))).toBe("ok");
    expect(mail.events).toContainEqual({ kind: "account_mail_sent", purpose: "password_reset", userId: mail.userId });
    expect(mail.events).toContainEqual({ kind: "password_reset", userId: mail.userId });
  });

  it("tokens have 256 bits, differ, and the store knows none", async () => {
    const seen: string[] = [];
    const memory = createMemoryStore();
    const tickets = wrapPort(memory.tickets, (method) => (...args) => {
      seen.push(JSON.stringify(args));
      return method(...args);
    });
    const mail = await createMail({ store: { ...memory, tickets } });
    const tokens = [
      await mail.letter("reset"),
      await mail.letter("reset"),
      await mail.letter("verify"),
      await mail.letter("register", NOBODY),
    ];
    expect(new Set(tokens).size).toBe(4);
    for (const token of tokens) expect(Buffer.from(token, "base64url")).toHaveLength(32);
    for (const token of tokens) expect(seen.join()).not.toContain(token);
    expect(JSON.stringify(mail.events)).not.toContain("@");
    for (const token of tokens) expect(JSON.stringify(mail.events)).not.toContain(token);
  });

  it.each(["synchronous", "asynchronous"])("of 50 parallel uses of a link exactly one wins (%s store)", async (manner) => {
    const memory = createMemoryStore();
    const mail = await createMail({ store: manner === "synchronous" ? memory : asynchronous(memory), passwords: { queueLength: 100 } });
    const token = await mail.letter("reset");
    const results = await Promise.all(
      Array.from({ length: 50 }, async (_, index) => mail.mail.confirmPasswordReset({ token, newPassword: `${NEW_PASSWORD} ${index}` })),
    );
    expect(results.map(codeOf).filter((code) => code === "ok")).toHaveLength(1);
    expect(results.map(codeOf).filter((code) => code === 1110)).toHaveLength(49);
    const won = results.findIndex(({ kind }) => kind === "ok");
    expect(codeOf(await mail.auth.login({ email: EMAIL, password: `${NEW_PASSWORD} ${won}` }))).toBe("ok");
    expect((await mail.store.subjects.read(mail.userId)).passwordVersion).toBe(3);
  });

  it("is good until it expires, and not at that instant", async () => {
    const mail = await createMail();
    const late = await mail.letter("reset");
    mail.clock.advance(30 * MINUTE_MS);
    expect(codeOf(await mail.mail.confirmPasswordReset({ token: late, newPassword: NEW_PASSWORD }))).toBe(1110);
    const inTime = await mail.letter("reset");
    mail.clock.advance(30 * MINUTE_MS - 1);
    expect(codeOf(await mail.mail.confirmPasswordReset({ token: inTime, newPassword: NEW_PASSWORD }))).toBe("ok");
  });

  it("a link dies with the password that it was for, whatever changed it", async () => {
    const mail = await createMail();
    const [byChange, byReset, used] = [await mail.letter("reset"), await mail.letter("reset"), await mail.letter("reset")];
    valueOf(await mail.mail.confirmPasswordReset({ token: used, newPassword: NEW_PASSWORD }));
    expect(codeOf(await mail.mail.confirmPasswordReset({ token: used, newPassword: "yet another password" }))).toBe(1110);
    expect(codeOf(await mail.mail.confirmPasswordReset({ token: byReset, newPassword: "yet another password" }))).toBe(1110);
    const { token } = await tokenOf(mail, NEW_PASSWORD);
    valueOf(await mail.auth.changePassword(token, { currentPassword: NEW_PASSWORD, newPassword: PASSWORD }));
    expect(codeOf(await mail.mail.confirmPasswordReset({ token: byChange, newPassword: "yet another password" }))).toBe(1110);
    expect(codeOf(await mail.auth.login({ email: EMAIL, password: PASSWORD }))).toBe("ok");
  });

  it("a change of password in the middle of a reset wins, and the link is worthless", async () => {
    const mail = await createMail();
    const token = await mail.letter("reset");
    const session = await tokenOf(mail);
    const results = await Promise.all([
      mail.auth.changePassword(session.token, { currentPassword: PASSWORD, newPassword: "changed by the owner" }),
      mail.mail.confirmPasswordReset({ token, newPassword: NEW_PASSWORD }),
    ]);
    const codes = results.map(codeOf);
    expect(codes.filter((code) => code === "ok").length).toBeLessThanOrEqual(1);
    const winners = await Promise.all(
      ["changed by the owner", NEW_PASSWORD, PASSWORD].map(async (password) => codeOf(await mail.auth.login({ email: EMAIL, password }))),
    );
    expect(winners.filter((code) => code === "ok")).toHaveLength(1);
  });

  it("a rehash at login, which changes no password, leaves the link good", async () => {
    const before = await createMail();
    const token = await before.letter("reset");
    const { clock, store, users } = before;
    const { auth } = createFixture({ clock, store, users, passwords: { iterations: 3 } });
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe("ok");
    expect(codeOf(await before.mail.confirmPasswordReset({ token, newPassword: NEW_PASSWORD }))).toBe("ok");
  });

  it("a link is for the account, the address and the purpose it was made for", async () => {
    const mail = await createMail();
    const [reset, verify] = [await mail.letter("reset"), await mail.letter("verify")];
    expect(codeOf(await mail.mail.confirmEmail(reset))).toBe(1110);
    expect(codeOf(await mail.mail.confirmPasswordReset({ token: verify, newPassword: NEW_PASSWORD }))).toBe(1110);
    const moved = { ...mail.users, byId: async (id: string) => moveOf(await mail.users.byId(id)) };
    const { auth } = createFixture({ clock: mail.clock, store: mail.store, users: moved });
    const later = createAccountMail({ auth, deliver: { passwordReset: () => {}, emailVerification: () => {} } });
    expect(codeOf(await later.confirmPasswordReset({ token: reset, newPassword: NEW_PASSWORD }))).toBe(1110);
  });

  it("a refused password, or a full hash queue, leaves the link good", async () => {
    const mail = await createMail({ passwords: { concurrency: 1, queueLength: 0 } });
    const token = await mail.letter("reset");
    for (const newPassword of ["short", "x".repeat(1025)]) {
      expect(await mail.mail.confirmPasswordReset({ token, newPassword })).toMatchObject({
        problem: { code: 2002, extensions: { errors: [{ pointer: "/new_password" }] } },
      });
    }
    const busy = mail.auth.hashPassword(PASSWORD);
    expect(codeOf(await mail.mail.confirmPasswordReset({ token, newPassword: NEW_PASSWORD }))).toBe(8002);
    await busy;
    expect(codeOf(await mail.mail.confirmPasswordReset({ token, newPassword: NEW_PASSWORD }))).toBe("ok");
  });

  it("lifts a lock, and meets the demand to change the password", async () => {
    const mail = await createMail({ lockout: { threshold: 2, scope: "account-and-network", accountThreshold: 2 } });
    await mail.users.update(mail.userId, { mustChangePassword: true });
    const here = { ip: "192.0.2.1" };
    for (let failed = 0; failed < 2; failed += 1) await mail.auth.login({ email: EMAIL, password: "wrong horse battery" }, here);
    expect(codeOf(await mail.auth.login({ email: EMAIL, password: PASSWORD }, here))).toBe(1006);
    const token = await mail.letter("reset");
    expect(valueOf(await mail.mail.confirmPasswordReset({ token, newPassword: NEW_PASSWORD }, here)).mustChangePassword).toBe(false);
    const { account } = valueOf(await mail.auth.login({ email: EMAIL, password: NEW_PASSWORD }, here));
    expect(account.mustChangePassword).toBe(false);
  });

  it("no letter goes to services, to the disabled, or to those who have no password", async () => {
    const mail = await createMail();
    const base = { name: undefined, mustChangePassword: false, roles: [], orgRoles: [], orgId: undefined, workspaceId: undefined };
    await mail.users.create({ ...base, type: "service", email: "robot@example.com", passwordHash: "x" });
    await mail.users.create({ ...base, type: "user", email: "oauth@example.com", passwordHash: undefined });
    const token = await mail.letter("reset");
    await mail.auth.setDisabled(mail.userId, true);
    for (const email of ["robot@example.com", "oauth@example.com", EMAIL, NOBODY]) await mail.letter("reset", email);
    expect(mail.sent).toHaveLength(1);
    // Nor does an earlier one help the disabled.
    expect(codeOf(await mail.mail.confirmPasswordReset({ token, newPassword: NEW_PASSWORD }))).toBe(1110);
  });
});

function moveOf(account: UserAccount | undefined): UserAccount | undefined {
  return account === undefined ? undefined : { ...account, email: "moved@example.com" };
}

describe("the proof of an address", () => {
  it("is noted once, for 24 hours, and asked for no more", async () => {
    const mail = await createMail();
    const [token, late] = [await mail.letter("verify"), await mail.letter("verify")];
    expect(mail.sent.at(-1)).toMatchObject({ expiresAt: mail.clock.now() + 24 * 60 * MINUTE_MS });
    const results = await Promise.all(Array.from({ length: 50 }, async () => mail.mail.confirmEmail(token)));
    expect(results.map(codeOf).filter((code) => code === "ok")).toHaveLength(1);
    expect(await mail.users.byId(mail.userId)).toMatchObject({ emailVerified: true });
    expect(mail.events.filter(({ kind }) => kind === "email_verified")).toHaveLength(1);
    mail.clock.advance(24 * 60 * MINUTE_MS);
    expect(codeOf(await mail.mail.confirmEmail(late))).toBe(1110);
    await mail.letter("verify");
    expect(mail.sent).toHaveLength(2);
  });

  it("of an address that the account has no more is refused", async () => {
    const mail = await createMail();
    const token = await mail.letter("verify");
    const users = { ...mail.users, confirmEmail: () => false };
    const { auth } = createFixture({ clock: mail.clock, store: mail.store, users });
    const later = createAccountMail({ auth, deliver: { passwordReset: () => {}, emailVerification: () => {} } });
    expect(codeOf(await later.confirmEmail(token))).toBe(1110);
  });
});

describe("registration", () => {
  const rights = { roles: ["member"] };

  it("makes the account when the link is followed, with the password chosen there", async () => {
    const mail = await createMail();
    const token = await mail.letter("register", " New@Example.com ");
    expect(await mail.users.byEmail("new@example.com")).toBeUndefined();
    const account = valueOf(
      (await mail.mail.registration?.confirm(token, { ...rights, password: NEW_PASSWORD, name: "New" })) ?? notOffered(),
    );
    expect(account).toMatchObject({ email: "new@example.com", emailVerified: true, roles: ["member"], name: "New" });
    expect(codeOf(await mail.auth.login({ email: "new@example.com", password: NEW_PASSWORD }))).toBe("ok");
    expect(codeOf((await mail.mail.registration?.confirm(token, { ...rights, password: NEW_PASSWORD })) ?? notOffered())).toBe(1110);
  });

  it("of 50 parallel uses of a link one makes an account; a refused password leaves it good", async () => {
    const mail = await createMail({ passwords: { queueLength: 100 } });
    const token = await mail.letter("register", NOBODY);
    expect(codeOf((await mail.mail.registration?.confirm(token, { ...rights, password: "short" })) ?? notOffered())).toBe(2002);
    const results = await Promise.all(
      Array.from(
        { length: 50 },
        async () => (await mail.mail.registration?.confirm(token, { ...rights, password: NEW_PASSWORD })) ?? notOffered(),
      ),
    );
    expect(results.map(codeOf).filter((code) => code === "ok")).toHaveLength(1);
    expect(results.map(codeOf).filter((code) => code === 1110)).toHaveLength(49);
    expect((await mail.users.list({ limit: 10 })).total).toBe(2);
  });

  it("the owner of an account is told, and gets no link; two links make one account", async () => {
    const mail = await createMail();
    expect(await mail.letter("register", EMAIL)).toBe("none was sent");
    expect(mail.sent).toMatchObject([{ kind: "alreadyRegistered", account: { id: mail.userId } }]);
    const [one, two] = [await mail.letter("register", NOBODY), await mail.letter("register", NOBODY)];
    expect(codeOf((await mail.mail.registration?.confirm(one, { ...rights, password: NEW_PASSWORD })) ?? notOffered())).toBe("ok");
    expect(codeOf((await mail.mail.registration?.confirm(two, { ...rights, password: NEW_PASSWORD })) ?? notOffered())).toBe(4001);
  });
});

function notOffered(): never {
  throw new Error("registration is not offered");
}

describe("requests for letters", () => {
  it("an address gets as many an hour as it may, whether or not it has an account, and the answer stays the same", async () => {
    const mail = await createMail({}, { lettersPerHour: 2 });
    for (const email of [EMAIL, NOBODY]) {
      for (let round = 0; round < 4; round += 1) {
        expect(await mail.mail.requestPasswordReset(email)).toEqual({ kind: "ok", value: { accepted: true } });
      }
    }
    await mail.mail.settled();
    expect(mail.sent).toHaveLength(2);
    expect(mail.events.filter(({ kind }) => kind === "account_mail_limited")).toHaveLength(4);
    mail.clock.advance(60 * MINUTE_MS);
    await mail.letter("reset");
    expect(mail.sent).toHaveLength(3);
  });

  it("a network may ask as often as it may, for whatever addresses, in whatever spelling of its own", async () => {
    const mail = await createMail({}, { requestsPerHour: 2 });
    const spellings = ["2001:db8::1", "2001:DB8:0:0:ffff::2", "2001:db8::3"];
    const results = [];
    for (const [index, ip] of spellings.entries()) results.push(await mail.mail.requestPasswordReset(`user-${index}@example.com`, { ip }));
    expect(results.map(codeOf)).toEqual(["ok", "ok", 5002]);
    expect(codeOf(await mail.mail.requestPasswordReset(EMAIL, { ip: "192.0.2.1" }))).toBe("ok");
  });

  it("what fails after the answer is an event, and never an unhandled rejection", async () => {
    const fail = (): never => {
      throw new Error("smtp: 550 ada@example.com");
    };
    const mail = await createMail(
      {},
      { deliver: { passwordReset: fail, emailVerification: async () => fail(), registration: fail, alreadyRegistered: fail } },
    );
    for (const request of ["reset", "verify", "register"] as const) await mail.letter(request);
    await mail.letter("register", NOBODY);
    const failed = mail.events.filter(({ kind }) => kind === "account_mail_failed");
    expect(failed).toEqual([
      { kind: "account_mail_failed", purpose: "password_reset", userId: mail.userId },
      { kind: "account_mail_failed", purpose: "email_verification", userId: mail.userId },
      { kind: "account_mail_failed", purpose: "already_registered", userId: mail.userId },
      { kind: "account_mail_failed", purpose: "registration", userId: undefined },
    ]);
  });

  it("a directory, or a store, that fails after the answer is an event; one that fails before it is a fault", async () => {
    const memory = createMemoryStore();
    const users = { ...createUserDirectory({ store: memory }), byEmail: () => Promise.reject(new Error("down")) };
    const make = (options: Partial<AuthOptions>) => {
      const { auth, events } = createFixture({ store: memory, users, ...options });
      return { events, mail: createAccountMail({ auth, deliver: { passwordReset: () => {}, emailVerification: () => {} } }) };
    };
    const directory = make({});
    expect(codeOf(await directory.mail.requestPasswordReset(EMAIL))).toBe("ok");
    await directory.mail.settled();
    expect(directory.events).toEqual([{ kind: "account_mail_failed", purpose: "password_reset", userId: undefined }]);
    const counters = make({ store: withDeadPort(memory, "counters", "rejects") });
    await expect(counters.mail.requestPasswordReset(EMAIL)).rejects.toThrow();
    const tickets = make({ store: withDeadPort(memory, "tickets", "throws") });
    await expect(tickets.mail.confirmPasswordReset({ token: "A".repeat(43), newPassword: NEW_PASSWORD })).rejects.toThrow();
  });

  it("a letter that takes too long gives its place to others", async () => {
    const stuck: (() => void)[] = [];
    const deliver = { passwordReset: () => new Promise<void>((resolve) => stuck.push(resolve)), emailVerification: () => {} };
    const mail = await createMail({}, { deliver, lettersPerHour: 1000 });
    for (let request = 0; request < 16; request += 1) await mail.mail.requestPasswordReset(EMAIL);
    await mail.mail.requestEmailVerification(EMAIL);
    while (stuck.length < 16) await new Promise((resolve) => setImmediate(resolve));
    mail.clock.advance(30_000);
    await mail.mail.settled();
    expect(mail.events.filter(({ kind }) => kind === "account_mail_failed")).toHaveLength(16);
    expect(mail.events.at(-1)).toMatchObject({ kind: "account_mail_sent", purpose: "email_verification" });
  });

  it("too many under way are refused, for any address", async () => {
    let open: () => void = () => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const mail = await createMail({}, { lettersPerHour: 1000, deliver: { passwordReset: () => gate, emailVerification: () => {} } });
    const results = await Promise.all(
      Array.from({ length: 1020 }, async (_, index) => mail.mail.requestPasswordReset(index < 20 ? EMAIL : `user-${index}@example.com`)),
    );
    expect(results.filter((result) => codeOf(result) === 8002)).toHaveLength(4);
    open();
    await mail.mail.settled();
    expect(codeOf(await mail.mail.requestPasswordReset(EMAIL))).toBe("ok");
  });

  it("a source of randomness that repeats itself makes no second link", async () => {
    const mail = await createMail({ random: (bytes) => new Uint8Array(bytes).fill(7) });
    await mail.letter("reset");
    expect(await mail.letter("reset")).toBe("none was sent");
    expect(mail.events.at(-1)).toMatchObject({ kind: "account_mail_failed" });
  });

  it("wrong options are refused", async () => {
    const { auth } = createFixture();
    const deliver = { passwordReset: () => {}, emailVerification: () => {} };
    const bad: unknown[] = [
      { auth: {}, deliver },
      { auth },
      { auth, deliver: { passwordReset: () => {} } },
      { auth, deliver: { ...deliver, registration: "yes" } },
      { auth, deliver, passwordResetTtlMs: 1 },
      { auth, deliver, emailVerificationTtlMs: 8 * 24 * 60 * MINUTE_MS },
      { auth, deliver, lettersPerHour: 0 },
      { auth, deliver, requestsPerHour: 1.5 },
    ];
    for (const options of bad) {
      expect(() => createAccountMail(options as AccountMailOptions)).toThrow(expect.objectContaining({ code: "invalid_option" }));
    }
    const mail = createAccountMail({ auth, deliver });
    expect(mail.registration).toBeUndefined();
    expect(() => authRoutes(auth, { accountMail: mail, registration: { roles: [] } })).toThrow(/registration/);
    const registering = createAccountMail({ auth, deliver: { ...deliver, registration: () => {} } });
    expect(() => authRoutes(auth, { accountMail: registering, registration: {} as never })).toThrow(/registration\.roles/);
  });
});

describe("the routes of letters", () => {
  async function createServer(options: Partial<AuthOptions> = {}) {
    const mail = await createMail(options);
    const routes = authRoutes(mail.auth, { accountMail: mail.mail, registration: { roles: ["member"], orgId: "org-1" } });
    const handler = toFetchHandler(createApp({ guards: [clientIp()], routes }), { ipOf: () => "192.0.2.1" });
    async function post(path: string, body: unknown) {
      const headers = { "content-type": "application/json" };
      const response = await handler(new Request(`http://localhost/auth${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
      const text = await response.text();
      const fields = [...response.headers].filter(([name]) => name !== "x-correlation-id");
      return { status: response.status, text, fields };
    }
    const token = async (): Promise<string> => {
      await mail.mail.settled();
      const last = mail.sent.at(-1);
      return last !== undefined && "token" in last ? last.token : "none";
    };
    return { ...mail, post, token };
  }

  it("lead from the request to the end, and to no session", async () => {
    const { post, token, sent } = await createServer();
    expect((await post("/password-reset/request", { email: EMAIL })).status).toBe(202);
    const reset = await post("/password-reset/confirm", { token: await token(), new_password: NEW_PASSWORD });
    expect([reset.status, reset.text]).toEqual([200, '{"message":"Password set"}']);
    expect((await post("/email-verification/request", { email: EMAIL })).status).toBe(202);
    expect((await post("/email-verification/confirm", { token: await token() })).status).toBe(200);
    expect((await post("/register", { email: NOBODY })).status).toBe(202);
    const made = await post("/register/confirm", { token: await token(), password: NEW_PASSWORD, name: "New" });
    expect([made.status, JSON.parse(made.text)]).toMatchObject([201, { email: NOBODY, roles: ["member"], org_id: "org-1" }]);
    expect((await post("/login", { email: NOBODY, password: NEW_PASSWORD })).status).toBe(200);
    expect(sent).toHaveLength(3);
    for (const path of ["/password-reset/confirm", "/register/confirm"]) {
      const password = path.startsWith("/password") ? { new_password: PASSWORD } : { password: PASSWORD };
      expect(JSON.parse((await post(path, { token: await token(), ...password })).text)).toMatchObject({ code: 1110, status: 400 });
    }
  });

  it.each(["/password-reset/request", "/email-verification/request", "/register"])(
    "%s answers alike for every address: same status, fields and bytes",
    async (path) => {
      const { auth, post, users, userId, mail } = await createServer();
      valueOf(await auth.createAccount({ email: "off@example.com", password: PASSWORD, roles: [] }));
      const off = await users.byEmail("off@example.com");
      await auth.setDisabled(off?.id ?? "", true);
      await users.confirmEmail(userId, EMAIL);
      const answers = [];
      for (const email of [EMAIL, NOBODY, "off@example.com", "ADA@EXAMPLE.COM", "no address at all"])
        answers.push(await post(path, { email }));
      for (let round = 0; round < 4; round += 1) answers.push(await post(path, { email: EMAIL }), await post(path, { email: NOBODY }));
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect(answers[0]?.status).toBe(202);
      await mail.settled();
    },
  );

  it.each(["requestPasswordReset", "requestEmailVerification", "register"] as const)(
    "%s does the same work before the answer, whether or not there is an account",
    async (request) => {
      const workOf = async (email: string): Promise<string[]> => {
        const work: string[] = [];
        const memory = createMemoryStore();
        const watched = <Port extends object>(name: string, port: Port): Port =>
          wrapPort(port, (method, call) => (...args) => {
            work.push(`${name}.${call}`);
            return method(...args);
          });
        const store = {
          ...memory,
          counters: watched("counters", memory.counters),
          subjects: watched("subjects", memory.subjects),
          tickets: watched("tickets", memory.tickets),
          records: watched("records", memory.records),
        };
        const { mail } = await createMail({ store });
        work.length = 0;
        const before = request === "register" ? await mail.registration?.request(email, {}) : await mail[request](email, {});
        expect(before?.kind).toBe("ok");
        const done = [...work];
        await mail.settled();
        return done;
      };
      expect(await workOf(EMAIL)).toEqual(await workOf(NOBODY));
      expect(await workOf(NOBODY)).toEqual(["counters.add"]);
    },
  );

  it("are not there unless they are asked for", async () => {
    const { auth } = createFixture();
    const paths = authRoutes(auth).map(({ path }) => path);
    expect(paths.filter((path) => /reset|verification|register/.test(path))).toEqual([]);
  });
});
