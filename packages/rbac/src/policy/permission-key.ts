/** The universe of permissions: the actions of each resource. What is not declared here cannot be granted or checked. */
export interface PermissionTree {
  readonly [resource: string]: readonly string[];
}

/**
 * Every permission of a tree, as `resource.action`; `string` for a tree that the compiler does not know.
 *
 * A mapped type joins each resource with its own actions only; the cross product of two unions would end in TS2590.
 */
export type PermissionKey<Tree extends PermissionTree> = string extends keyof Tree
  ? string
  : { readonly [Resource in keyof Tree & string]: `${Resource}.${Tree[Resource][number]}` }[keyof Tree & string];

/** What a role may be granted or denied: a permission, all of a resource, an action on every resource that has it, or everything. */
export type Grant<Tree extends PermissionTree> = string extends keyof Tree
  ? string
  : "*" | PermissionKey<Tree> | `${keyof Tree & string}.*` | `*.${Tree[keyof Tree & string][number]}`;

/** A permission taken apart once, so that checks compare and look up only. */
export interface Permission {
  readonly key: string;
  /** Position in every mask. */
  readonly bit: number;
  /** `resource.*` and `*.action`: the wildcards that cover it. */
  readonly resourceWildcard: string;
  readonly actionWildcard: string;
}
