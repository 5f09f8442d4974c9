import { createAccountMail } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { createMail, MINUTE_MS, NEW_PASSWORD, NOBODY } from "./account-mail-fixture.js";
import { codeOf, createFixture, EMAIL, valueOf } from "./auth-fixture.js";

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
