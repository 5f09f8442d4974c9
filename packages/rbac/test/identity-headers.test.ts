import { describe, expect, test } from "vitest";
import { trustIdentityHeaders } from "@portcullis/rbac";
import { ask, identityLines, type Line } from "./sent-request.js";

const guard = trustIdentityHeaders({
  callers: [{ id: "gateway", maxRoles: ["viewer", "member", "admin"], addresses: ["10.0.0.0/24"] }],
});
const AMBIGUOUS = { status: 400, code: 1011 };

/** What bytes are in a header field as Node gives it: one character for each. */
const latin1 = (text: string): string => Buffer.from(text).toString("latin1");

async function answerTo(lines: readonly Line[]) {
  return ask(guard, { lines });
}

describe("repeated and missing lines", () => {
  test("RBAC-21 user and roles once, the organisation once or not at all", async () => {
    expect((await answerTo(identityLines())).principal).toMatchObject({ id: "ada", orgId: "acme", roles: ["member"] });
    expect((await answerTo(identityLines({ "X-Org-ID": undefined }))).principal).toMatchObject({ id: "ada", orgId: undefined });
    for (const missing of [["X-User-ID"], ["X-User-Roles"], ["X-User-ID", "X-User-Roles"], ["X-Org-ID", "X-User-Roles"]]) {
      const lines = identityLines(Object.fromEntries(missing.map((name) => [name, undefined])));
      expect([missing, (await answerTo(lines)).problem]).toEqual([missing, AMBIGUOUS]);
    }
  });

  test.each(["X-User-ID", "X-Org-ID", "X-User-Roles"])(
    "RBAC-21 a second line of %s refuses: equal, different, or in other letters",
    async (name) => {
      const value = Object.fromEntries(identityLines())[name] ?? "";
      for (const second of [
        [name, value],
        [name, "owner"],
        [name, ""],
        [name.toLowerCase(), value],
        [name.toUpperCase(), value],
        [name.replace("User", "uSER"), "owner"],
      ] as const) {
        for (const lines of [
          [...identityLines(), second],
          [second, ...identityLines()],
        ]) {
          const { problem, principal, left } = await answerTo(lines);
          expect([second, problem, principal, left]).toEqual([second, AMBIGUOUS, undefined, []]);
        }
      }
    },
  );
});

describe("other spellings", () => {
  const ALIASES = [
    ...["X_User_ID", "X.User.ID", "x_user-id", "X-User_ID", "X.User_ID", "x-user.id", "X_USER.ID", "x.user-id"],
    ...["X_Org_ID", "X.Org.ID", "x_org-id", "X-Org_ID", "X.Org_ID", "x-org.id", "X_ORG.ID", "x.org-id"],
    ...["X_User_Roles", "X.User.Roles", "x_user-roles", "X-User_Roles", "X.User_Roles", "x-user.roles", "X_USER.ROLES", "x.user-roles"],
  ];
  const ignoring = trustIdentityHeaders({
    callers: [{ id: "gateway", maxRoles: ["viewer", "member"], addresses: ["10.0.0.0/24"] }],
    aliases: "ignore",
  });

  test.each(ALIASES)(
    "RBAC-21 %s refuses, alone and beside the real ones; where aliases are ignored it is never believed",
    async (alias) => {
      for (const lines of [[[alias, "owner"] as const], [...identityLines(), [alias, "owner"] as const]]) {
        expect(await answerTo(lines)).toEqual({ problem: AMBIGUOUS, principal: undefined, left: [] });
      }
      const beside = await ask(ignoring, { lines: [...identityLines(), [alias, "owner"]] });
      expect(beside).toMatchObject({ problem: undefined, principal: { id: "ada", orgId: "acme", roles: ["member"] }, left: [] });
      expect(await ask(ignoring, { lines: [[alias, "owner"]] })).toMatchObject({ problem: AMBIGUOUS, principal: undefined });
    },
  );

  test("RBAC-21 an alias of an identity header stands in for none", async () => {
    const lines = identityLines({ "X-User-Roles": undefined, X_User_Roles: "member" });
    expect((await ask(ignoring, { lines })).problem).toEqual(AMBIGUOUS);
  });

  test("RBAC-21 names that only look alike are other fields, and stay", async () => {
    const lines: readonly Line[] = ["X-User-Role", "X-UserID", "X--User-ID", "X-User-ID-2", "User-ID"].map((name) => [name, "owner"]);
    expect(await answerTo([...identityLines(), ...lines])).toMatchObject({
      problem: undefined,
      principal: { roles: ["member"] },
      left: lines.map(([name]) => name),
    });
  });
});

describe("grammar", () => {
  const fine: readonly (readonly [what: string, replaced: Readonly<Record<string, string>>, read: object])[] = [
    ["128 characters", { "X-User-ID": "u".repeat(128), "X-Org-ID": "o".repeat(128) }, { id: "u".repeat(128), orgId: "o".repeat(128) }],
    ["the first and last visible ones", { "X-User-ID": "!+-~", "X-Org-ID": "!+-~" }, { id: "!+-~", orgId: "!+-~" }],
    ["names of Object's own", { "X-User-ID": "__proto__", "X-Org-ID": "constructor" }, { id: "__proto__", orgId: "constructor" }],
    [
      "a list with blanks and tabs about its commas",
      { "X-User-Roles": "viewer ,\t member\t,admin" },
      { roles: ["viewer", "member", "admin"] },
    ],
    ["blanks about the list", { "X-User-Roles": " \tmember " }, { roles: ["member"] }],
    ["32 roles", { "X-User-Roles": ["member", ...Array.from({ length: 31 }, (_, index) => `r${index}`)].join(",") }, { roles: ["member"] }],
    ["4,096 bytes", { "X-User-Roles": `member${" ".repeat(4083)},viewer` }, { roles: ["member", "viewer"] }],
    ["a role of 64 characters", { "X-User-Roles": `r${"-".repeat(63)}` }, { roles: [] }],
  ];

  test.each(fine)("RBAC-22 read: %s", async (_what, replaced, read) => {
    expect(await answerTo(identityLines(replaced))).toMatchObject({ problem: undefined, principal: read, left: [] });
  });

  const ids: readonly (readonly [what: string, value: string])[] = [
    ["nothing", ""],
    ["a comma", "ada,bob"],
    ["a comma alone", ","],
    ["a blank", "ada bob"],
    ["a blank in front", " ada"],
    ["a tab behind", "ada\t"],
    ["129 characters", "a".repeat(129)],
    ["4,096 characters", "a".repeat(4096)],
    ["UTF-8 beyond ASCII", latin1("adä")],
    ["a Kelvin sign", latin1("\u212aelvin")],
    ["a byte of Latin-1", "ad\xe4"],
    ["a no-break space behind", "ada\xa0"],
    ["a soft hyphen", "a\xadda"],
    ["NUL", "ada\0"],
    ["an escape", "ada\x1b[1m"],
    ["DEL", "ada\x7f"],
    ["a line break", "ada\nX-User-Roles: owner"],
    ["a line break at the end", "ada\n"],
    ["a carriage return", "ada\r"],
  ];
  const roles: readonly (readonly [what: string, value: string])[] = [
    ["nothing", ""],
    ["blanks alone", "  \t "],
    ["a comma alone", ","],
    ["an empty element", "viewer,,member"],
    ["a blank element", "viewer, \t,member"],
    ["a comma at the end", "member,"],
    ["a comma in front", ",member"],
    ["33 roles", Array.from({ length: 33 }, (_, index) => `r${index}`).join()],
    ["33 times one role", Array.from({ length: 33 }, () => "member").join()],
    ["4,097 bytes", `member${" ".repeat(4084)},viewer`],
    ["upper case", "Member"],
    ["a wildcard", "*"],
    ["a wildcard in a list", "member,*"],
    ["__proto__", "__proto__"],
    ["a dot", "workflows.read"],
    ["a blank between two", "viewer member"],
    ["a semicolon between two", "viewer;member"],
    ["quotes", '"member"'],
    ["JSON", '["member"]'],
    ["a digit in front", "1member"],
    ["65 characters", "m".repeat(65)],
    ["UTF-8 beyond ASCII", latin1("mémber")],
    ["a Kelvin sign", latin1("\u212a")],
    ["a no-break space about a comma", "viewer,\xa0member"],
    ["a no-break space behind", "member\xa0"],
    ["a vertical tab behind", "member\v"],
    ["NUL", "member\0"],
    ["a line break at the end", "member\n"],
  ];

  test.each([
    ...ids.map(([what, value]) => ["X-User-ID", what, value] as const),
    ...ids.map(([what, value]) => ["X-Org-ID", what, value] as const),
    ...roles.map(([what, value]) => ["X-User-Roles", what, value] as const),
  ])("RBAC-22 refused: %s of %s", async (name, _what, value) => {
    expect(await answerTo(identityLines({ [name]: value }))).toEqual({ problem: AMBIGUOUS, principal: undefined, left: [] });
  });

  test("RBAC-22 names of Object's own are roles that nobody lists", async () => {
    for (const role of ["constructor", "prototype", "hasownproperty", "tostring"])
      expect((await answerTo(identityLines({ "X-User-Roles": role }))).principal?.roles).toEqual([]);
  });

  test("RBAC-22 256 kB of blanks are refused at once", async () => {
    const startedAt = performance.now();
    for (const name of ["X-User-ID", "X-Org-ID", "X-User-Roles"])
      for (const value of [`a${" ".repeat(1 << 18)}b`, "\t".repeat(1 << 18), ",".repeat(1 << 18), "a,".repeat(1 << 17)])
        expect((await answerTo(identityLines({ [name]: value }))).problem).toEqual(AMBIGUOUS);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });
});
