import { createMemoryStore } from "@portcullis/core";
import { type AccountMailOptions, authRoutes, type AuthOptions, createAccountMail, createUserDirectory } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { createMail, MINUTE_MS, NEW_PASSWORD, NOBODY } from "./account-mail-fixture.js";
import { codeOf, createFixture, EMAIL, withDeadPort } from "./auth-fixture.js";

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
