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
