import { createMemoryStore } from "@portcullis/core";
import { createAccountMail, type UserAccount } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { createMail, type Mail, MINUTE_MS, NEW_PASSWORD, NOBODY } from "./account-mail-fixture.js";
import { asynchronous, codeOf, createFixture, EMAIL, PASSWORD, valueOf, wrapPort } from "./auth-fixture.js";

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
