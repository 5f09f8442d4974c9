import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defineRbac, type Identity } from "@portcullis/rbac";
import { identities, orgRoles, roles, tree } from "./small-policies.js";

const permissions = { notes: ["read", "write"], files: ["read"] } as const;
const before = defineRbac({
  permissions,
  roles: { reader: { grants: ["*.read"] }, writer: { inherits: ["reader"], grants: ["notes.write"] }, guest: {}, left: { grants: ["*"] } },
  orgRoles: { owner: { grants: ["notes.*"] }, lead: { extent: "departments", grants: ["notes.read"] } },
});
const after = defineRbac({
  permissions: { notes: ["read", "write", "share"] },
  roles: {
    reader: { grants: ["notes.*"], denies: ["notes.write"] },
    writer: { grants: ["notes.write", "notes.read"] },
    guest: {},
    came: {},
  },
  orgRoles: { owner: { grants: ["notes.read"] }, lead: { extent: "departments", grants: ["notes.*"] } },
});

describe("what changes", () => {
  test("permissions that come and go, and what each role gains and loses", () => {
    expect(before.diff(after)).toEqual({
      permissions: { added: ["notes.share"], removed: ["files.read"] },
      roles: [
        { role: "reader", change: "changed", gained: ["notes.share"], lost: ["files.read"] },
        { role: "writer", change: "changed", gained: [], lost: ["files.read"] },
        { role: "left", change: "removed", gained: [], lost: ["notes.read", "notes.write", "files.read"] },
        { role: "came", change: "added", gained: [], lost: [] },
      ],
      identities: { examined: 0, gaining: 0, losing: 0, affected: [] },
    });
  });

  test("a policy does not differ from itself, nor from itself with grants written otherwise", () => {
    const same = defineRbac({
      permissions: { files: ["read"], notes: ["write", "read"] },
      roles: {
        left: { grants: ["notes.*", "files.*"] },
        guest: { grants: ["*"], denies: ["*"] },
        writer: { grants: ["*.read", "*.write"] },
        reader: { grants: ["notes.read", "files.*"] },
      },
    });
    for (const other of [before, same])
      expect(before.diff(other, [{ roles: ["reader", "writer"] }, { roles: ["guest"] }])).toEqual({
        permissions: { added: [], removed: [] },
        roles: [],
        identities: { examined: 2, gaining: 0, losing: 0, affected: [] },
      });
  });

  test("a role that is no longer to be held with another loses everything for whoever holds both", () => {
    const roles = { a: { grants: ["notes.read"] }, b: { grants: ["files.read"] } } as const;
    const apart = defineRbac({ permissions, roles, constraints: { dynamic: [{ name: "pair", roles: ["a", "b"] }] } });
    const { roles: changed, identities } = defineRbac({ permissions, roles }).diff(apart, [{ roles: ["a"] }, { roles: ["a", "b"] }]);
    expect(changed).toEqual([]);
    expect(identities).toEqual({
      examined: 2,
      gaining: 0,
      losing: 1,
      affected: [{ index: 1, gained: [], lost: ["notes.read", "files.read"] }],
    });
  });

  test("everything in it is frozen", () => {
    const diff = before.diff(after, [{ roles: ["reader"] }]);
    for (const part of [
      diff,
      diff.permissions,
      diff.permissions.added,
      diff.roles,
      ...diff.roles,
      diff.identities,
      diff.identities.affected,
    ])
      expect(Object.isFrozen(part)).toBe(true);
  });
});

describe("the blast radius", () => {
  test("counts who gains and who loses, and says by their place who does", () => {
    const accounts: readonly Identity[] = [
      { roles: ["guest"] },
      { roles: ["reader"] },
      { roles: ["writer"] },
      { roles: ["reader", "writer"] },
      { roles: ["stranger"] },
      { roles: ["reader"], scopes: ["notes.read"] },
      { roles: ["left"], scopes: ["files.*"] },
    ];
    expect(before.diff(after, new Set(accounts).values()).identities).toEqual({
      examined: 7,
      gaining: 2,
      losing: 4,
      affected: [
        { index: 1, gained: ["notes.share"], lost: ["files.read"] },
        { index: 2, gained: [], lost: ["files.read"] },
        { index: 3, gained: ["notes.share"], lost: ["notes.write", "files.read"] },
        { index: 6, gained: [], lost: ["files.read"] },
      ],
    });
  });

  test("compares with organisation roles at home, and those of departments in one that they are held for", () => {
    const at = (orgId: string | undefined, orgRole: string, scopedDepartments: readonly string[] = []): Identity => ({
      roles: [],
      orgId,
      orgRoles: [orgRole],
      scopedDepartments,
    });
    const asked = [at("org-1", "owner"), at(undefined, "owner"), at("", "owner"), at("org-1", "lead", ["*", "Eng"]), at("org-1", "lead")];
    expect(before.diff(after, asked).identities).toEqual({
      examined: 5,
      gaining: 1,
      losing: 1,
      affected: [
        { index: 0, gained: [], lost: ["notes.write"] },
        { index: 3, gained: ["notes.write", "notes.share"], lost: [] },
      ],
    });
    expect(before.diff(after, [{ ...at("org-1", "owner"), type: "apiKey" }]).identities.losing).toBe(0);
  });

  test("lists the first 1,000, and counts all", () => {
    const accounts = function* (): Generator<Identity> {
      yield { roles: ["guest"] };
      for (let index = 0; index < 1_500; index += 1) yield { roles: ["writer"] };
    };
    const { examined, losing, affected } = before.diff(after, accounts()).identities;
    expect([examined, losing, affected.length]).toEqual([1_501, 1_500, 1_000]);
    expect([affected[0]?.index, affected[999]?.index]).toEqual([1, 1_000]);
  });

  test("the way back is the reverse, and nobody is affected who is not", () => {
    fc.assert(
      fc.property(roles, roles, orgRoles, orgRoles, fc.array(identities, { maxLength: 5 }), (one, other, oneOrg, otherOrg, accounts) => {
        const from = defineRbac({ permissions: tree, roles: one, orgRoles: oneOrg });
        const to = defineRbac({ permissions: tree, roles: other, orgRoles: otherOrg });
        const forth = from.diff(to, accounts);
        const back = to.diff(from, accounts);
        expect(back.roles).toEqual(forth.roles.map((role) => ({ ...role, gained: role.lost, lost: role.gained })));
        expect(back.identities.gaining).toBe(forth.identities.losing);
        for (const { role, gained, lost } of forth.roles) {
          for (const key of gained) expect([from, to].map((rbac) => rbac.check({ roles: [role] }, key).allowed)).toEqual([false, true]);
          for (const key of lost) expect([from, to].map((rbac) => rbac.check({ roles: [role] }, key).allowed)).toEqual([true, false]);
        }
        // What is neither gained nor lost is answered alike.
        accounts.forEach((identity, index) => {
          const affected = forth.identities.affected.find((entry) => entry.index === index);
          const noticed = [...(affected?.gained ?? []), ...(affected?.lost ?? [])];
          expect(new Set(noticed).size).toBe(noticed.length);
          const org = identity.orgId === undefined ? {} : { org: identity.orgId };
          for (const place of [org, { ...org, scope: { department: "eng" } }, { ...org, scope: { department: "hr" } }])
            for (const key of from.permissions)
              if (from.check(identity, key, place).allowed !== to.check(identity, key, place).allowed) expect(noticed).toContain(key);
        });
      }),
      { numRuns: 150 },
    );
  });
});
