import { createUserDirectory } from "@portcullis/auth";
import { createMemoryStore } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { createMember, placeOf, principalOf, syncDirectory } from "../src/accounts.js";
import { parseConfig } from "../src/config.js";
import { createLogger } from "../src/logger.js";
import { DEMO_PASSWORD, DEMO_USERS, seed } from "../src/seed.js";
import { createService } from "../src/service.js";

function start() {
  const secrets = {
    jwtSecrets: "abcdefgh".repeat(5),
    encryptionKeys: "0123456789abcdef".repeat(4),
    apiKeyPeppers: "ijklmnop".repeat(5),
    auditSigningKey: Buffer.from("0123456789abcdefghijklmnopqrstuv").toString("base64"),
    mfaKeys: "qrstuvwx".repeat(5),
    generated: true,
  };
  const store = createMemoryStore();
  const [config, logger, clock] = [parseConfig({}), createLogger({ logLevel: "silent" }), createManualClock(0)];
  return { ...createService({ config, secrets, store, logger, clock }), users: createUserDirectory({ store }) };
}

type Started = ReturnType<typeof start>;

async function heldBy({ auth, assignments }: Started, email: string): Promise<readonly string[]> {
  const account = await auth.users.byEmail(email);
  if (account === undefined) return ["no account"];
  return (await assignments.of(placeOf(account), { consistency: "strong" })).assignments.map(({ kind, name }) => `${kind}:${name}`);
}

describe("the seeded users", () => {
  it("hold the role of their name, the owner that of the organisation too, and are made once", async () => {
    const service = start();
    expect([await seed(service), await seed(service)]).toEqual([true, false]);
    expect(await heldBy(service, DEMO_USERS.viewer)).toEqual(["role:viewer"]);
    expect(await heldBy(service, DEMO_USERS.owner)).toEqual(["role:owner", "orgRole:owner"]);
  });

  it("that were never given anything are given their role at the next start, those whose role was taken are not", async () => {
    const service = start();
    const old = { password: DEMO_PASSWORD, orgId: "acme" };
    for (const role of ["member", "admin"] as const)
      expect((await service.auth.createAccount({ ...old, email: DEMO_USERS[role], roles: [role] })).kind).toBe("ok");
    await seed(service);
    expect(await heldBy(service, DEMO_USERS.admin)).toEqual(["role:admin"]);
    const member = await service.auth.users.byEmail(DEMO_USERS.member);
    if (member !== undefined) await service.assignments.revoke("program", placeOf(member), { role: "member" });
    await seed(service);
    expect(await heldBy(service, DEMO_USERS.member)).toEqual([]);
  });
});

describe("accounts", () => {
  const ada = { email: "ada@example.com", password: DEMO_PASSWORD, orgId: "acme" };

  it("that the policy does not let have their role are told of, and may do nothing", async () => {
    const service = start();
    await expect(createMember(service, { ...ada, role: "emperor" })).rejects.toThrow("unknown_role");
    expect(await heldBy(service, ada.email)).toEqual([]);
  });

  it("carry no role of their own when they are asked about", async () => {
    const service = start();
    const made = await createMember(service, { ...ada, role: "member" });
    if (made.kind !== "ok") throw new Error("not made");
    expect(principalOf(made.value)).toMatchObject({ type: "user", roles: [], orgRoles: [], mfaAt: undefined });
    expect(principalOf({ ...made.value, type: "service", name: undefined })).toMatchObject({ type: "service", name: made.value.id });
  });

  it("are in the directory with what they hold without end, after any number of changes at once", async () => {
    const service = start();
    const made = await createMember(service, { ...ada, role: "viewer" });
    if (made.kind !== "ok") throw new Error("not made");
    const { users, assignments } = service;
    const give = async (role: string, how: object = {}): Promise<void> => {
      await assignments.assign("program", placeOf(made.value), { role }, how);
      await syncDirectory(users, assignments, made.value);
    };
    await Promise.all([give("member"), give("admin", { expiresAt: 60_000 }), give("owner", { activatableForMs: 1 })]);
    expect((await users.byId(made.value.id))?.roles.toSorted()).toEqual(["member", "viewer"]);
  });
});
