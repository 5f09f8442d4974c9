import { clientIp, createApp, createMemoryStore, toFetchHandler } from "@portcullis/core";
import { authRoutes, type AuthOptions } from "@portcullis/auth";
import { describe, expect, it } from "vitest";
import { createMail, NEW_PASSWORD, NOBODY } from "./account-mail-fixture.js";
import { createFixture, EMAIL, PASSWORD, valueOf, wrapPort } from "./auth-fixture.js";

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
