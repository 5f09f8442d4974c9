// What people use instead, each in its best configuration.
//
// CASL and casbin express the policy with its denials. accesscontrol takes denials within a role only, not from one role of a
// user against another, and better-auth has none: both get a role for each set of roles, with the permissions that are left.
import { createMongoAbility, type MongoAbility, type RawRuleOf } from "@casl/ability";
import { AccessControl } from "accesscontrol";
import { createAccessControl } from "better-auth/plugins/access";
import { newEnforcer, newModelFromString, StringAdapter } from "casbin";
import { agreed, type AgreedVariant } from "./agreement.js";
import { type Asked, type Population, QUESTIONS, type RoleSet } from "./questions.js";
import { KEYS, PERMISSIONS, ROLES, segmentsOf, WRITTEN, type Written } from "./universe.js";

export const CASL_CACHED = "CASL, ability of the user's roles at hand";
export const CASL_PER_REQUEST = "CASL, ability built for the question";
export const ACCESSCONTROL = "accesscontrol";
const CASL_LOOKED_UP = "CASL, ability looked up by the user's roles";
const BETTER_AUTH = "better-auth access control";
const CASBIN = "casbin";

/** An ability for each set of roles, already found. */
export function caslCached(population: Population): AgreedVariant {
  const abilities = abilitiesOf(population);
  const held = population.asked.map(({ roleSet }) => abilities.get(roleSet.name) as MongoAbility); // one for each set
  const { asked } = population;
  let next = 0;
  return agreed(population, {
    name: CASL_CACHED,
    // A loop of its own, as all fast ones have: shared, it would call through a pointer what a program has inlined.
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const at = next++ & (QUESTIONS - 1);
        const { permission } = asked[at] as Asked; // masked
        if ((held[at] as MongoAbility).can(permission.action, permission.resource)) yes += 1;
      }
      return yes;
    },
  });
}

/** The same, found by the names of the roles. */
export function caslLookedUp(population: Population): AgreedVariant {
  const abilities = abilitiesOf(population);
  return asking(CASL_LOOKED_UP, population, ({ user, permission }) =>
    (abilities.get(user.roles.join("-")) as MongoAbility).can(permission.action, permission.resource),
  );
}

/** An ability for each question, from rules that are at hand. */
export function caslPerRequest(population: Population): AgreedVariant {
  const rules = new Map(population.roleSets.map((roleSet) => [roleSet, caslRules(roleSet)]));
  return asking(CASL_PER_REQUEST, population, ({ roleSet, permission }) =>
    createMongoAbility(rules.get(roleSet)).can(permission.action, permission.resource),
  );
}

export function betterAuth(population: Population): AgreedVariant {
  const { newRole } = createAccessControl(PERMISSIONS);
  const roles = new Map(population.roleSets.map((roleSet) => [roleSet, newRole(actionsByResource(roleSet))]));
  const held = population.asked.map(({ roleSet }) => roles.get(roleSet));
  return asking(
    BETTER_AUTH,
    population,
    ({ permission: { resource, action } }, at) => held[at]?.authorize({ [resource]: [action] }).success === true,
  );
}

export function accessControl(population: Population): AgreedVariant {
  const grants = population.roleSets.map((roleSet) => [
    roleSet.name,
    Object.fromEntries(
      Object.entries(actionsByResource(roleSet)).map(([resource, actions]) => [
        resource,
        Object.fromEntries(actions.map((action) => [action, [{ possession: "any", attributes: ["*"] }]])),
      ]),
    ),
  ]);
  const control = new AccessControl(Object.fromEntries(grants));
  return asking(
    ACCESSCONTROL,
    population,
    ({ roleSet, permission: { resource, action } }) => control.can(roleSet.name).action(action, resource).granted,
  );
}

const CASBIN_MODEL = `
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act, eft
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && (p.obj == "*" || r.obj == p.obj) && (p.act == "*" || r.act == p.act)
`;

export async function casbin(population: Population): Promise<AgreedVariant> {
  const line = (role: string, grant: string, effect: string): string => {
    const { resource, action } = segmentsOf(grant);
    return `p, ${role}, ${resource}, ${action}, ${effect}`;
  };
  const policy = [
    ...Object.entries(ROLES).flatMap(([role, { inherits = [], grants = [], denies = [] }]) => [
      ...inherits.map((junior) => `g, ${role}, ${junior}`),
      ...grants.map((grant) => line(role, grant, "allow")),
      ...denies.map((grant) => line(role, grant, "deny")),
    ]),
    ...population.users.flatMap(({ user }) => user.roles.map((role) => `g, ${user.id}, ${role}`)),
  ];
  const enforcer = await newEnforcer(newModelFromString(CASBIN_MODEL), new StringAdapter(policy.join("\n")));
  return asking(CASBIN, population, ({ user, permission }) => enforcer.enforceSync(user.id, permission.resource, permission.action));
}

// For those whose decision costs many times what a call through a pointer does.
function asking(name: string, population: Population, ask: (asked: Asked, at: number) => boolean): AgreedVariant {
  const { asked } = population;
  let next = 0;
  return agreed(population, {
    name,
    turn(count) {
      let yes = 0;
      for (let index = 0; index < count; index += 1) {
        const at = next++ & (QUESTIONS - 1);
        if (ask(asked[at] as Asked, at)) yes += 1; // masked
      }
      return yes;
    },
  });
}

function abilitiesOf({ roleSets }: Population): ReadonlyMap<string, MongoAbility> {
  return new Map(roleSets.map((roleSet) => [roleSet.name, createMongoAbility(caslRules(roleSet))]));
}

// Denials last: of CASL's rules the last that matches decides.
function caslRules({ roles }: RoleSet): RawRuleOf<MongoAbility>[] {
  const written = roles.map((role) => WRITTEN.get(role) as Written); // roles of the policy
  const ruleOf = (grant: string): { readonly action: string; readonly subject: string } => {
    const { resource, action } = segmentsOf(grant);
    return { action: action === "*" ? "manage" : action, subject: resource === "*" ? "all" : resource };
  };
  const once = (list: "grants" | "denies"): readonly string[] => [...new Set(written.flatMap((one) => one[list]))];
  return [...once("grants").map(ruleOf), ...once("denies").map((grant) => ({ ...ruleOf(grant), inverted: true }))];
}

function actionsByResource({ allowed }: RoleSet): Readonly<Record<string, readonly string[]>> {
  const byResource: Record<string, string[]> = {};
  for (const { key, resource, action } of KEYS) if (allowed.has(key)) (byResource[resource] ??= []).push(action);
  return byResource;
}
