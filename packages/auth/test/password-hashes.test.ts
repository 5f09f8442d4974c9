// Another implementation of Argon2 (hash-wasm, compiled from the reference C code) judges ours.
import { argon2id, argon2Verify } from "hash-wasm";
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { costOf } from "../src/passwords/argon2-hash.js";
import { startArgon2Worker, type Argon2Job } from "../src/passwords/argon2-worker.js";
import { createPasswordHasher, type PasswordHasher } from "../src/passwords/password-hasher.js";
import { readPasswords } from "../src/passwords/password-settings.js";
import { codeOf, createFixture, EMAIL, PASSWORD, valueOf } from "./auth-fixture.js";

const PASSWORDS = [
  ["plain", PASSWORD],
  ["64 characters", "p".repeat(64)],
  ["72 bytes and one more", `${"b".repeat(72)}x`],
  ["1,024 bytes", "k".repeat(1024)],
  ["with a NUL inside", "before\0and after it"],
  ["outside the basic plane", "🐎🔋🪡🐎🔋🪡🐎🔋🪡🐎🔋🪡"],
  ["decomposed", "cafe\u0301 au lait".padEnd(16, "!")],
] as const;

const ACCOUNT = {
  type: "user",
  email: EMAIL,
  name: undefined,
  mustChangePassword: false,
  roles: [],
  orgRoles: [],
  orgId: undefined,
  workspaceId: undefined,
} as const;

async function madeElsewhere(password: string, cost: { memorySize: number; iterations: number } = { memorySize: 19_456, iterations: 2 }) {
  const salt = Uint8Array.from({ length: 16 }, (_, index) => index);
  return argon2id({ password, salt, parallelism: 1, hashLength: 32, outputType: "encoded", ...cost });
}

describe("AUTH-P password hashes and an independent Argon2id", () => {
  it.each(PASSWORDS)("it verifies ours, we verify its: %s", async (_name, password) => {
    const { auth, users } = createFixture();
    const ours = valueOf(await auth.hashPassword(password));
    expect(await argon2Verify({ password, hash: ours })).toBe(true);
    expect(await argon2Verify({ password: `${password.slice(0, -1)}?`, hash: ours })).toBe(false);
    await users.create({ ...ACCOUNT, passwordHash: await madeElsewhere(password) });
    expect(codeOf(await auth.login({ email: EMAIL, password }))).toBe("ok");
  });

  it.each([
    ["cut at 72 bytes", "b".repeat(73), "b".repeat(72)],
    ["other beyond 72 bytes", `${"b".repeat(72)}x`, `${"b".repeat(72)}y`],
    ["cut at a NUL", "before\0and after it", "before"],
    ["other behind a NUL", "before\0and after it", "before\0and after is"],
    ["composed", "cafe\u0301 au lait", "caf\u00e9 au lait"],
    ["compatibility forms", "ﬁne passwords", "fine passwords"],
    ["another case", "Correct horse battery", PASSWORD],
    ["white space around it", ` ${PASSWORD}`, PASSWORD],
  ])("what is not the very same password does not log in: %s", async (_name, password, miss) => {
    const { auth } = createFixture();
    valueOf(await auth.createAccount({ email: EMAIL, password, roles: [] }));
    expect(codeOf(await auth.login({ email: EMAIL, password: miss }))).toBe(1005);
    expect(codeOf(await auth.login({ email: EMAIL, password }))).toBe("ok");
  });

  it("text with half a surrogate pair has no bytes of its own: it becomes no password, and matches none", async () => {
    const { auth } = createFixture();
    expect(codeOf(await auth.createAccount({ email: EMAIL, password: `${PASSWORD}\uD83D`, roles: [] }))).toBe(2002);
    valueOf(await auth.createAccount({ email: EMAIL, password: `${PASSWORD}\uFFFD`, roles: [] }));
    expect(codeOf(await auth.login({ email: EMAIL, password: `${PASSWORD}\uD83D` }))).toBe(1005);
  });

  it("a stored hash is computed up to four times the memory and eight times the work, and not beyond", async () => {
    const { auth, users, events } = createFixture();
    const cases = [
      [{ memorySize: 4 * 19_456, iterations: 2 }, "ok"],
      [{ memorySize: 4 * 19_456 + 1, iterations: 1 }, 1005],
      [{ memorySize: 19_456, iterations: 17 }, 1005],
    ] as const;
    for (const [index, [cost, expected]] of cases.entries()) {
      const email = `user-${index}@example.com`;
      await users.create({ ...ACCOUNT, email, passwordHash: await madeElsewhere(PASSWORD, cost) });
      expect([cost, codeOf(await auth.login({ email, password: PASSWORD }))]).toEqual([cost, expected]);
    }
    const reasons = events.flatMap((event) => (event.kind === "login_failed" ? event.reason : []));
    expect(reasons).toEqual(["unusable_hash", "unusable_hash"]);
  });

  it("a stored hash that only looks like one is no fault", async () => {
    const { auth, users } = createFixture();
    const salt = "A".repeat(21) + "B"; // its last bits belong to no byte
    await users.create({ ...ACCOUNT, passwordHash: `$argon2id$v=19$m=19456,t=2,p=1$${salt}$${"A".repeat(43)}` });
    expect(codeOf(await auth.login({ email: EMAIL, password: PASSWORD }))).toBe(1005);
  });
});

describe("AUTH-L8 the work of a wrong password", () => {
  const opened: PasswordHasher[] = [];
  afterEach(async () => {
    await Promise.all(opened.splice(0).map(async (hasher) => hasher.close()));
  });

  /** What the thread was asked, as memory and passes, and what was found. */
  async function workOf(storedHash: string | undefined, iterations = 2) {
    const work: string[] = [];
    const hasher = createPasswordHasher(
      readPasswords({ iterations }),
      randomBytes,
      () => {},
      () => {
        const worker = startArgon2Worker();
        const post = worker.postMessage.bind(worker);
        worker.postMessage = (job: Argon2Job, transfer) => {
          const cost = job.kind === "verify" ? costOf(job.storedHash) : undefined;
          work.push(`${job.kind} ${cost?.memoryKiB} x ${cost?.iterations}`);
          post(job, transfer);
        };
        return worker;
      },
    );
    opened.push(hasher);
    const place = hasher.enter();
    const found = place === undefined ? "full" : await hasher.verify(place, "a wrong password", storedHash);
    return { found, work };
  }

  it("is one hash of the configured cost, with an account, without one, and where its hash is of no use", async () => {
    const own = await madeElsewhere(PASSWORD);
    const work = ["verify 19456 x 2"];
    expect(await workOf(own)).toEqual({ found: "mismatch", work });
    expect(await workOf(undefined)).toEqual({ found: "mismatch", work });
    expect(await workOf("$2b$10$abcdefghijklmnopqrstuv")).toEqual({ found: "unusable", work });
    expect(await workOf(own.replace("m=19456", "m=1048576"))).toEqual({ found: "unusable", work });
  });

  it("is the configured one in sum where the stored hash is from before the cost was raised", async () => {
    expect(await workOf(await madeElsewhere(PASSWORD), 3)).toEqual({ found: "mismatch", work: ["verify 19456 x 2", "verify 19456 x 1"] });
    const small = await madeElsewhere(PASSWORD, { memorySize: 8192, iterations: 1 });
    expect(await workOf(small, 3)).toEqual({ found: "mismatch", work: ["verify 8192 x 1", "verify 16725 x 3"] });
  });
});
