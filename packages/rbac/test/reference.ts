// What a policy means, as plainly as it can be said: sets of strings, no masks, no caches. The checks are compared with it.

export interface PlainRole {
  readonly inherits: readonly string[];
  readonly grants: readonly string[];
  readonly denies: readonly string[];
}
export type PlainRoles = Readonly<Record<string, PlainRole>>;

export function expand(grant: string, universe: readonly string[]): readonly string[] {
  const [resource, action] = grant.split(".");
  return universe.filter((key) => {
    const [keyResource, keyAction] = key.split(".");
    if (grant === "*") return true;
    return (resource === "*" || resource === keyResource) && (action === "*" || action === keyAction);
  });
}

function lineage(name: string, roles: PlainRoles): readonly string[] {
  return [name, ...(roles[name]?.inherits ?? []).flatMap((junior) => lineage(junior, roles))];
}

function listed(names: readonly string[], roles: PlainRoles, universe: readonly string[], list: "grants" | "denies"): Set<string> {
  const all = names.filter((name) => name in roles).flatMap((name) => lineage(name, roles));
  return new Set(all.flatMap((name) => (roles[name]?.[list] ?? []).flatMap((grant) => expand(grant, universe))));
}

export function isAllowed(
  names: readonly string[],
  key: string,
  roles: PlainRoles,
  universe: readonly string[],
  scopes?: readonly string[],
): boolean {
  const inScope = scopes === undefined || scopes.some((scope) => expand(scope, universe).includes(key));
  return (
    universe.includes(key) &&
    listed(names, roles, universe, "grants").has(key) &&
    !listed(names, roles, universe, "denies").has(key) &&
    inScope
  );
}

export function isDenied(names: readonly string[], key: string, roles: PlainRoles, universe: readonly string[]): boolean {
  return listed(names, roles, universe, "denies").has(key);
}

export interface PlainOrgRole {
  readonly extent: "organisation" | "departments";
  readonly mutates: boolean;
  readonly grants: readonly string[];
}
export type PlainOrgRoles = Readonly<Record<string, PlainOrgRole>>;

/** Who asks, where. Departments are compared in lower case, and only letters, digits, `-` and `_` name one. */
export interface PlainQuestion {
  readonly roles: readonly string[];
  readonly orgId?: string;
  readonly orgRoles?: readonly string[];
  readonly scopedDepartments?: readonly string[];
  readonly scopes?: readonly string[];
  readonly type?: string;
}
export interface PlainPlace {
  readonly org?: string;
  readonly scope?: { readonly department: string };
}

/** Whether the place is of another organisation than the identity: then nothing is allowed there. */
export function isForeign(identity: PlainQuestion, place: PlainPlace | undefined): boolean {
  return place?.org !== undefined && identity.orgId !== place.org;
}

/** The organisation roles that count where the resource is. */
export function orgRolesThere(identity: PlainQuestion, orgRoles: PlainOrgRoles, place: PlainPlace | undefined): readonly PlainOrgRole[] {
  if (place?.org === undefined || identity.orgId !== place.org || (identity.type ?? "user") !== "user") return [];
  const isName = (text: string): boolean => /^[a-z0-9][a-z0-9_-]*$/i.test(text);
  const asked = place.scope?.department;
  const isHeld =
    asked !== undefined &&
    isName(asked) &&
    (identity.scopedDepartments ?? []).some((department) => isName(department) && department.toLowerCase() === asked.toLowerCase());
  return (identity.orgRoles ?? [])
    .filter((name) => name in orgRoles)
    .map((name) => orgRoles[name] as PlainOrgRole)
    .filter(({ extent }) => extent === "organisation" || isHeld);
}

/** Whether it may, by its roles or by organisation roles that count there. */
export function isAllowedIn(
  place: PlainPlace | undefined,
  identity: PlainQuestion,
  key: string,
  policy: { readonly roles: PlainRoles; readonly orgRoles: PlainOrgRoles; readonly universe: readonly string[] },
): boolean {
  const { roles, orgRoles, universe } = policy;
  if (isForeign(identity, place) || !universe.includes(key)) return false;
  if (listed(identity.roles, roles, universe, "denies").has(key)) return false;
  const byOrgRole = orgRolesThere(identity, orgRoles, place).some((role) =>
    role.grants.some((grant) => expand(grant, universe).includes(key)),
  );
  const inScope = identity.scopes === undefined || identity.scopes.some((scope) => expand(scope, universe).includes(key));
  return (byOrgRole || listed(identity.roles, roles, universe, "grants").has(key)) && inScope;
}
