// Another implementation of Argon2 (hash-wasm, compiled from the reference C code) judges ours.
import { argon2id, argon2Verify } from "hash-wasm";
import { describe, expect, it } from "vitest";
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
