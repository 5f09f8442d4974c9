// AUTH-L2 AUTH-L8: whoever asks without a credential learns of no account: the same bytes, and the same work, whatever there is.
import type { MemoryStore } from "@portcullis/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createFixture, PASSWORD, valueOf, wrapPort } from "./auth-fixture.js";
import { type GitHubServer, startGitHub } from "./github-server.js";
import { type Asked, consentAt, createWholeService, overGitHub, type Told, type WholeService } from "./whole-service.js";

const WRONG = "wrong horse battery";
const NEW_PASSWORD = "a new and longer one";
const PORTS = ["subjects", "sessions", "tickets", "counters", "apiKeys", "records"] as const;
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 appendix B

const KINDS = [
  "active",
  "unknown",
  "disabled",
  "without a password",
  "service",
  "must change the password",
  "administrator",
  "verified",
] as const;
type Kind = (typeof KINDS)[number];
const emailOf = (kind: Kind): string => `${kind.replaceAll(" ", "-").padEnd(24, "x")}@example.com`; // of one length

let github: GitHubServer;
let passwordHash: string;
beforeAll(async () => {
  github = await startGitHub();
  passwordHash = valueOf(await createFixture().auth.hashPassword(PASSWORD));
});
afterAll(async () => github.close());

/** One service for each kind, so that nothing that is counted of one is seen with another. */
async function createScene(kind: Kind) {
  const calls: string[] = [];
  const recording = (store: MemoryStore): MemoryStore => {
    const ports = PORTS.map((port) => [
      port,
      wrapPort(
        store[port],
        (method, name) =>
          (...args) => (calls.push(`${port}.${name}`), method(...args)),
      ),
    ]);
    return { ...store, ...(Object.fromEntries(ports) as Pick<MemoryStore, (typeof PORTS)[number]>) }; // the same names
  };
  const service = createWholeService(github.url, recording);
  const account =
    kind === "unknown"
      ? undefined
      : await service.users.create({
          type: kind === "service" ? "service" : "user",
          email: emailOf(kind),
          name: undefined,
          passwordHash: kind === "without a password" ? undefined : passwordHash,
          mustChangePassword: kind === "must change the password",
          emailVerified: kind === "verified",
          roles: kind === "administrator" ? ["admin"] : ["member"],
          ...{ orgRoles: [], orgId: undefined, workspaceId: undefined },
        });
  if (kind === "disabled" && account !== undefined) await service.auth.setDisabled(account.id, true);
  calls.length = 0;
  return { ...service, email: emailOf(kind), calls };
}
type Scene = Awaited<ReturnType<typeof createScene>>;

async function ask({ call }: Pick<WholeService, "call">, path: string, asked: Asked = {}): Promise<object> {
  return shown(await call(path, { ...asked, headers: { "x-request-id": "r-1", ...asked.headers } }));
}
/** All of an answer, byte for byte. */
const shown = ({ status, text, headers }: Told): object => ({ status, text, fields: [...headers] });

/** Asks the same of each kind. */
async function compare(request: (scene: Scene) => Promise<readonly object[]>, kinds: readonly Kind[] = KINDS) {
  let first: { readonly answers: readonly object[]; readonly work: readonly string[] } | undefined;
  for (const kind of kinds) {
    const scene = await createScene(kind);
    const answers = await request(scene);
    // Where the answer is given before anybody looks, what comes after it is no part of the work.
    const seen = { answers, work: [...scene.calls] };
    await scene.mail.settled();
    first ??= seen;
    expect([kind, seen]).toEqual([kind, first]);
    expect(scene.faults).toEqual([]);
  }
  return first?.answers as readonly { readonly status: number; readonly text: string }[]; // as shown() made them
}

describe("an account that nobody may learn of", () => {
  it("AUTH-L2 AUTH-L8 a wrong password is answered alike, up to the lock and behind it", { timeout: 60_000 }, async () => {
    const answers = await compare(async (scene) => {
      const all = [];
      for (let time = 0; time < 7; time += 1) all.push(await ask(scene, "/auth/login", { body: { email: scene.email, password: WRONG } }));
      return all;
    });
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401, 429, 429]);
  });

  it("AUTH-L2 AUTH-L4 the right password behind the lock is answered as a wrong one is for nobody", { timeout: 60_000 }, async () => {
    await compare(async (scene) => {
      for (let time = 0; time < 5; time += 1) await ask(scene, "/auth/login", { body: { email: scene.email, password: WRONG } });
      return [await ask(scene, "/auth/login", { body: { email: scene.email, password: PASSWORD } })];
    });
  });

  it("AUTH-L2 the right password of an account that may not log in is a wrong one", async () => {
    const answers = [];
    for (const kind of ["unknown", "disabled", "without a password", "service"] as const) {
      const scene = await createScene(kind);
      answers.push([await ask(scene, "/auth/login", { body: { email: scene.email, password: PASSWORD, delivery: "cookie" } })]);
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it.each(["password-reset/request", "email-verification/request", "register"])(
    "AUTH-L2 %s is answered alike, and before anybody looks",
    async (route) => {
      const answers = await compare(async (scene) => {
        const all = [];
        // More than letters are sent, and more than requests are taken.
        for (let time = 0; time < 60; time += 1)
          all.push(await scene.call(`/auth/${route}`, { body: { email: scene.email }, headers: { "x-request-id": "r-1" } }));
        const [first] = all;
        expect(all.slice(0, 3).map(({ status }) => status)).toEqual([202, 202, 202]);
        scene.calls.length = 0; // the letters of those before are under way by now
        return first === undefined ? [] : all.map(shown);
      });
      expect(new Set(answers.map(({ status }) => status)).size).toBeLessThan(3);
    },
  );

  it("AUTH-L2 the first request for a letter makes the same calls before its answer", async () => {
    for (const route of ["password-reset/request", "email-verification/request", "register"]) {
      await compare(async (scene) => [await ask(scene, `/auth/${route}`, { body: { email: scene.email } })]);
    }
  });

  it("AUTH-L2 tokens that were made up are answered alike, whoever there is", async () => {
    await compare(async (scene) => {
      const token = "x".repeat(43);
      return [
        await ask(scene, "/auth/password-reset/confirm", { body: { token, new_password: NEW_PASSWORD } }),
        await ask(scene, "/auth/email-verification/confirm", { body: { token } }),
        await ask(scene, "/auth/register/confirm", { body: { token, password: NEW_PASSWORD } }),
        await ask(scene, "/auth/mfa/verify", { body: { mfa_token: "a.b.c", code: "123456" } }),
        await ask(scene, "/auth/mfa/enroll", { body: { mfa_token: "a.b.c" } }),
        await ask(scene, "/auth/refresh", { body: { refresh_token: "a.b.c" } }),
        await ask(scene, "/auth/revoke", { form: { token: "a.b.c" } }),
        await ask(scene, "/auth/oauth/token", { body: { code: "x", code_verifier: VERIFIER } }),
      ];
    });
  });

  it("AUTH-L2 a reset that came too late says the same whether the account is gone, disabled, or never was", async () => {
    const answers = [];
    for (const how of ["used", "disabled", "changed", "made up"]) {
      const scene = await createScene("active");
      await scene.call("/auth/password-reset/request", { body: { email: scene.email } });
      await scene.mail.settled();
      const token = how === "made up" ? "x".repeat(43) : (scene.letters.at(-1) ?? "");
      const id = String((await scene.users.byEmail(scene.email))?.id);
      if (how === "disabled") await scene.auth.setDisabled(id, true);
      if (how === "changed") await scene.store.subjects.bump(id, "passwordVersion");
      if (how === "used") await scene.call("/auth/password-reset/confirm", { body: { token, new_password: NEW_PASSWORD } });
      answers.push(await ask(scene, "/auth/password-reset/confirm", { body: { token, new_password: NEW_PASSWORD } }));
    }
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it("AUTH-L2 an identity that is somebody else's is refused alike, whatever has become of that account", async () => {
    const answers = [];
    for (const owner of ["active", "disabled"]) {
      const scene = await createScene("active");
      const { path, cookie } = await overGitHub(scene, `/auth/oauth/github?code_challenge=${CHALLENGE}`);
      await scene.call(path, { method: "GET", headers: { cookie } });
      const accounts = (await scene.users.list({ limit: 10 })).accounts;
      const other = accounts.find(({ email }) => email !== scene.email);
      if (owner === "disabled") await scene.auth.setDisabled(String(other?.id), true);
      const userId = String((await scene.users.byEmail(scene.email))?.id);
      const { accessToken } = await scene.auth.createTokenPair({ userId, role: "member" });
      const linking = await scene.call("/auth/oauth/link", {
        headers: { authorization: `Bearer ${accessToken}` },
        body: { provider: "github" },
      });
      const back = await consentAt(String(linking.body["authorization_url"]), linking.headers);
      const { status, text } = await scene.call(back.path, { method: "GET", headers: { cookie: back.cookie, "x-request-id": "r-1" } });
      expect(status).toBe(409);
      answers.push(text);
    }
    expect(new Set(answers).size).toBe(1);
  });
});
