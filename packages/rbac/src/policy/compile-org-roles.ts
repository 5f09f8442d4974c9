import { invalidOption } from "@portcullis/core";
import { ownOptions } from "../own-options.js";
import { checkName, type Universe } from "./compile-permissions.js";
import { parseList, requireCovering } from "./compile-roles.js";

/**
 * What a role within one organisation may do. Orthogonal to roles: it counts for resources of the holder's own organisation only,
 * and a denial of a role overrides it.
 */
export interface OrgRoleDefinition<AnyGrant extends string = string> {
  /** `organisation` (default): for all of it. `departments`: only for the holder's `scopedDepartments`. */
  readonly extent?: "organisation" | "departments";
  /** Whether it may change the organisation's configuration, see `requireOrgMutation`; default `false`. */
  readonly mutates?: boolean;
  /** Permissions it has there; default none. */
  readonly grants?: readonly AnyGrant[];
}

/** An organisation role with its grants as a mask over the universe of permissions. */
export interface OrgRole {
  readonly name: string;
  readonly extent: "organisation" | "departments";
  readonly mutates: boolean;
  readonly grants: readonly string[];
  readonly allow: Uint32Array;
}

/** @throws {RbacError} `invalid_name`, `invalid_grant`, `unknown_permission` @throws {ConfigurationError} `invalid_option` */
export function compileOrgRoles(definitions: unknown, universe: Universe, namePattern: RegExp): ReadonlyMap<string, OrgRole> {
  if (definitions === undefined) return new Map();
  if (typeof definitions !== "object" || definitions === null)
    throw invalidOption("orgRoles", definitions, "an object of organisation role definitions");
  const roles = new Map<string, OrgRole>();
  for (const [name, definition] of Object.entries(definitions as Readonly<Record<string, OrgRoleDefinition>>)) {
    checkName("organisation role", name, namePattern);
    const where = `orgRoles.${name}`;
    const { extent = "organisation", mutates = false, grants: written } = ownOptions(where, definition, ["extent", "mutates", "grants"]);
    if (extent !== "organisation" && extent !== "departments")
      throw invalidOption(`${where}.extent`, extent, '"organisation" or "departments"');
    if (typeof mutates !== "boolean") throw invalidOption(`${where}.mutates`, mutates, "true or false");
    const grants = parseList(where, written, "grants");
    const allow = new Uint32Array(universe.words);
    for (const grant of grants) {
      requireCovering(universe, grant, name);
      universe.addTo(allow, grant);
    }
    roles.set(name, Object.freeze({ name, extent, mutates, grants, allow }));
  }
  return roles;
}
