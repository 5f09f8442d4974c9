import fc from "fast-check";
import { expect, test } from "vitest";
import { defineRbac, policyMatrix, withShadow } from "@portcullis/rbac";
import { roles, tree } from "./small-policies.js";

const rbac = defineRbac({
  permissions: { notes: ["read", "write", "share"] },
  roles: {
    reader: { grants: ["*.read"] },
    writer: { inherits: ["reader"], grants: ["notes.write"] },
    both: { inherits: ["writer"], grants: ["notes.read"] },
    muted: { inherits: ["both"], denies: ["notes.write", "notes.share"] },
    guest: {},
  },
  policyVersion: 7,
});

test("one row for each role, one cell for each permission: granted, inherited, denied or none", () => {
  expect(policyMatrix(rbac)).toEqual({
    policyVersion: 7,
    permissions: ["notes.read", "notes.write", "notes.share"],
    rows: [
      { role: "reader", cells: ["granted", "none", "none"], granted: 1 },
      { role: "writer", cells: ["inherited", "granted", "none"], granted: 2 },
      { role: "both", cells: ["granted", "inherited", "none"], granted: 2 },
      { role: "muted", cells: ["inherited", "denied", "denied"], granted: 1 },
      { role: "guest", cells: ["none", "none", "none"], granted: 0 },
    ],
  });
});

test("it is of the roles in force, and frozen", () => {
  const replaced = defineRbac({ permissions: { notes: ["read"] }, roles: { old: {} } });
  replaced.replaceRoles({ new: { grants: ["*"] } });
  const matrix = policyMatrix(withShadow(replaced, replaced));
  expect(matrix).toMatchObject({ policyVersion: 2, rows: [{ role: "new", cells: ["granted"], granted: 1 }] });
  for (const part of [matrix, matrix.permissions, matrix.rows, matrix.rows[0], matrix.rows[0]?.cells])
    expect(Object.isFrozen(part)).toBe(true);
});

test("a cell is granted or inherited exactly where the role has the permission", () => {
  fc.assert(
    fc.property(roles, (roles) => {
      const rbac = defineRbac({ permissions: tree, roles });
      for (const { role, cells, granted } of policyMatrix(rbac).rows) {
        const has = rbac.permissions.filter((_key, index) => ["granted", "inherited"].includes(cells[index] as string));
        expect(has).toEqual(rbac.permissionsOf({ roles: [role] }));
        expect(granted).toBe(has.length);
        rbac.permissions.forEach((key, index) => {
          const { reason } = rbac.check({ roles: [role] }, key);
          expect(cells[index] === "denied" || reason !== "explicit_deny").toBe(true);
          if (cells[index] === "none") expect(reason).toBe("missing_permission");
        });
      }
    }),
  );
});
