/** The permissions of a workflow: `workflows.{read,create,update,delete,execute,approve}`. */
export const workflowPermissions = Object.freeze({
  workflows: Object.freeze(["read", "create", "update", "delete", "execute", "approve"] as const),
});

/** A starting set of permissions for {@link standardRoles}; spread it into your own. */
export const standardPermissions = Object.freeze({
  ...workflowPermissions,
  debates: Object.freeze(["read", "create", "vote", "participate"] as const),
  organisation: Object.freeze(["read", "manage", "delete"] as const),
  users: Object.freeze(["read", "manage"] as const),
  billing: Object.freeze(["manage"] as const),
});

/**
 * Four roles over {@link standardPermissions}, each with all of the one before:
 * - `viewer` reads: every permission whose action is `read`, those you declare beside them too.
 * - `member` creates, votes and participates; updates and executes workflows.
 * - `admin` manages the organisation, its users and billing; deletes and approves workflows.
 * - `owner` may do everything, deleting the organisation included.
 *
 * Spread them into your own roles; a role of the same name replaces the preset's.
 */
export const standardRoles = Object.freeze({
  viewer: Object.freeze({ grants: Object.freeze(["*.read"] as const) }),
  member: Object.freeze({
    inherits: Object.freeze(["viewer"] as const),
    grants: Object.freeze(["*.create", "*.vote", "*.participate", "workflows.update", "workflows.execute"] as const),
  }),
  admin: Object.freeze({
    inherits: Object.freeze(["member"] as const),
    grants: Object.freeze(["workflows.*", "organisation.manage", "users.*", "billing.*"] as const),
  }),
  owner: Object.freeze({ inherits: Object.freeze(["admin"] as const), grants: Object.freeze(["*"] as const) }),
});

/**
 * Four roles within an organisation, over its configuration: `owner` and `editor` change all of it, `department_admin` the
 * departments it is held for, `viewer` nothing. They grant no permissions; add `grants` to give some.
 */
export const standardOrgRoles = Object.freeze({
  owner: Object.freeze({ mutates: true }),
  editor: Object.freeze({ mutates: true }),
  department_admin: Object.freeze({ extent: "departments", mutates: true } as const),
  viewer: Object.freeze({}),
});

/**
 * Who people are in an organisation: `ceo` and `manager` write and approve, `board_member` approves, `pair_programmer` writes,
 * `observer` reads. `system` is the application itself, which passes only where a guard names it.
 */
export const standardPersonas = Object.freeze({
  ceo: Object.freeze({ writes: true, approves: true }),
  manager: Object.freeze({ writes: true, approves: true }),
  board_member: Object.freeze({ approves: true }),
  pair_programmer: Object.freeze({ writes: true }),
  observer: Object.freeze({}),
  system: Object.freeze({ internal: true }),
});
