import { type EntityJson, preparsePolicySet, preparseSchema, type SchemaJson, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import type { RandomPolicy } from "./random-policies.js";

// Cedar keeps parsed policies by a name that we choose; the next policy takes the place of the one before.
const SLOT = "differential";

/**
 * The policy as Cedar has it: roles are entities with their juniors as parents, resources are entity types, and the schema says
 * which actions apply to which: a request that it refuses is the undeclared permission. The user is asked for by index; only
 * one policy can be asked at a time.
 */
export function cedarChecker({ tree, roles, users }: RandomPolicy): (user: number, resource: string, action: string) => boolean {
  const rule = (role: string, effect: "permit" | "forbid") => (grant: string) => {
    const [resource, action = "*"] = grant.split(".");
    const onAction = action === "*" ? "action" : `action == Action::${JSON.stringify(action)}`;
    const onResource = resource === "*" ? "resource" : `resource is ${resource}`;
    return `${effect} (principal in Role::${JSON.stringify(role)}, ${onAction}, ${onResource});`;
  };
  const policies = Object.entries(roles).flatMap(([name, { grants, denies }]) => [
    ...grants.map(rule(name, "permit")),
    ...denies.map(rule(name, "forbid")),
  ]);
  succeed(preparseSchema(SLOT, schemaOf(tree)));
  succeed(preparsePolicySet(SLOT, { staticPolicies: policies.join("\n") }));

  const parents = (names: readonly string[]) => [...new Set(names)].map((id) => ({ type: "Role", id }));
  const roleEntities = Object.entries(roles).map(([id, { inherits }]): EntityJson => ({
    uid: { type: "Role", id },
    attrs: {},
    parents: parents(inherits),
  }));
  return (user, resource, action) => {
    const principal = { type: "User", id: `${user}` };
    const answer = statefulIsAuthorized({
      principal,
      action: { type: "Action", id: action },
      resource: { type: resource, id: "any" },
      context: {},
      preparsedSchemaName: SLOT,
      validateRequest: true,
      preparsedPolicySetId: SLOT,
      entities: [...roleEntities, { uid: principal, attrs: {}, parents: parents(users[user] ?? []) }],
    });
    const declared = tree[resource]?.includes(action) === true;
    // A failure is the answer to what is not declared, and to nothing else: a mistake in the translation must not pass as a denial.
    if ((answer.type === "success") !== declared || (answer.type === "success" && answer.response.diagnostics.errors.length > 0))
      throw new Error(`${resource}.${action}: ${JSON.stringify(answer)}`);
    return answer.type === "success" && answer.response.decision === "allow";
  };
}

function schemaOf(tree: RandomPolicy["tree"]): SchemaJson<string> {
  const resourcesOf = new Map<string, string[]>();
  for (const [resource, actions] of Object.entries(tree))
    for (const action of actions) resourcesOf.set(action, [...(resourcesOf.get(action) ?? []), resource]);
  return {
    "": {
      entityTypes: {
        User: { memberOfTypes: ["Role"] },
        Role: { memberOfTypes: ["Role"] },
        ...Object.fromEntries(Object.keys(tree).map((resource) => [resource, {}])),
      },
      actions: Object.fromEntries(
        [...resourcesOf].map(([action, resourceTypes]) => [action, { appliesTo: { principalTypes: ["User"], resourceTypes } }]),
      ),
    },
  };
}

function succeed(answer: { readonly type: string }): void {
  if (answer.type !== "success") throw new Error(JSON.stringify(answer));
}
