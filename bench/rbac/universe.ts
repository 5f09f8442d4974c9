// The policy: 20 resources with 10 actions each, 20 roles that inherit, have wildcards and denials.
import type { RoleDefinition } from "@portcullis/rbac";

// No action is called "manage": to CASL that means all of them.
export const ACTIONS: readonly string[] = ["read", "list", "create", "update", "delete", "export", "import", "share", "approve", "execute"];

const DOMAINS: Readonly<Record<string, readonly string[]>> = {
  build: ["workflows", "pipelines", "templates", "connectors", "secrets"],
  data: ["tables", "files", "reports", "dashboards", "exports"],
  people: ["users", "teams", "invitations", "roles", "sessions"],
  money: ["invoices", "payments", "plans", "budgets", "contracts"],
};

export const RESOURCES: readonly string[] = Object.values(DOMAINS).flat();

/** As `defineRbac` takes them. */
export const PERMISSIONS: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  RESOURCES.map((resource) => [resource, ACTIONS]),
);

/** As `defineRbac` takes them: four for each domain and four for all. */
export const ROLES: Readonly<Record<string, RoleDefinition>> = {
  ...Object.fromEntries(Object.entries(DOMAINS).flatMap(([domain, resources]) => domainRoles(domain, resources))),
  reader: { grants: ["*.read", "*.list"] },
  auditor: { inherits: ["reader"], grants: ["*.export"], denies: ["*.delete"] },
  contractor: { inherits: ["build_editor"], denies: ["secrets.*", "invoices.*", "*.approve"] },
  owner: { inherits: ["auditor"], grants: ["*"], denies: ["sessions.export"] },
};

/** A permission in the forms that are asked for. */
export interface Key {
  readonly key: string;
  readonly resource: string;
  readonly action: string;
}

// Property names are interned, as the literals of a program are.
const interned = Object.keys(Object.fromEntries(RESOURCES.flatMap((resource) => ACTIONS.map((action) => [`${resource}.${action}`, true]))));

export const KEYS: readonly Key[] = RESOURCES.flatMap(
  (resource, at) => ACTIONS.map((action, offset) => ({ key: interned[at * ACTIONS.length + offset] as string, resource, action })), // as many, in this order
);

/** What a role grants or denies, itself and by inheritance, as written. */
export interface Written {
  readonly grants: readonly string[];
  readonly denies: readonly string[];
}

/** Every role's grants and denials with the inherited ones. */
export const WRITTEN: ReadonlyMap<string, Written> = new Map(Object.keys(ROLES).map((role) => [role, writtenIn(role)]));

/** The keys that somebody with these roles may use, found the plain way: every grant, without every denial. */
export function allowedKeys(roles: readonly string[]): ReadonlySet<string> {
  const all = roles.map((role) => WRITTEN.get(role) as Written); // roles of the policy
  const isIn = (list: "grants" | "denies", key: Key): boolean => all.some((one) => one[list].some((grant) => isCovered(grant, key)));
  return new Set(KEYS.filter((key) => isIn("grants", key) && !isIn("denies", key)).map(({ key }) => key));
}

/** A grant's two segments: `*` for all. */
export function segmentsOf(grant: string): { readonly resource: string; readonly action: string } {
  const [resource, action] = grant === "*" ? ["*", "*"] : grant.split(".");
  return { resource: resource as string, action: action as string }; // grants of the policy have both
}

function domainRoles(domain: string, resources: readonly string[]): readonly (readonly [string, RoleDefinition])[] {
  const [first, second, third, fourth] = resources;
  const named = (names: readonly (string | undefined)[], ...actions: readonly string[]): readonly string[] =>
    names.flatMap((name) => actions.map((action) => `${name}.${action}`));
  return [
    [`${domain}_viewer`, { grants: named(resources, "read", "list") }],
    [
      `${domain}_editor`,
      { inherits: [`${domain}_viewer`], grants: [...named([first, second], "*"), ...named([third], "create", "update")] },
    ],
    [`${domain}_trainee`, { inherits: [`${domain}_editor`], denies: [...named(resources, "delete"), ...named([fourth], "*")] }],
    [`${domain}_manager`, { inherits: [`${domain}_editor`], grants: named(resources, "*") }],
  ];
}

function writtenIn(role: string): Written {
  const { inherits = [], grants = [], denies = [] } = ROLES[role] as RoleDefinition; // a role of the policy
  const juniors = inherits.map(writtenIn);
  return {
    grants: [...grants, ...juniors.flatMap((junior) => junior.grants)],
    denies: [...denies, ...juniors.flatMap((junior) => junior.denies)],
  };
}

function isCovered(grant: string, key: Key): boolean {
  const { resource, action } = segmentsOf(grant);
  return (resource === "*" || resource === key.resource) && (action === "*" || action === key.action);
}
