import type { Guard, JsonValue, Method, Route } from "@portcullis/core";
import type { PermissionRequirement } from "./require-permission.js";

/** What guards one route, as far as its guards say so in their `meta`. */
export interface ManifestEntry {
  readonly method: Method;
  readonly path: string;
  readonly operationId: string;
  /** Every permission guard's requirement; all of them must be met. */
  readonly permissions: readonly PermissionRequirement[];
  /** For every role guard the roles of which one is needed. */
  readonly roles: readonly (readonly string[])[];
  readonly authentication: boolean;
  readonly mfa: boolean;
  readonly audit: boolean;
  readonly approval: boolean;
  /** Declared open to everybody by `secureEndpoint({ requireAuth: false })`. */
  readonly public: boolean;
}

/**
 * Lists every route with what guards it. Snapshot it in a test, and a change of who may do what shows in review.
 *
 * @param routes In order; each gives one entry.
 * @param outer Guards mounted around all routes.
 */
export function manifest(routes: readonly Route[], outer: readonly Guard[] = []): readonly ManifestEntry[] {
  return Object.freeze(routes.map((route) => describeRoute(route, [...outer, ...route.guards].flatMap(withParts))));
}

/**
 * The routes that change something and that nobody guards: neither a permission nor a role is required, nor are they declared
 * public. A test that expects `[]` keeps it so.
 *
 * @param except `operationId`s that have their own protection, e.g. the login.
 */
export function unguardedRoutes(entries: readonly ManifestEntry[], except: readonly string[] = []): readonly ManifestEntry[] {
  return Object.freeze(
    entries.filter(
      (entry) =>
        entry.method !== "GET" &&
        entry.permissions.length === 0 &&
        entry.roles.length === 0 &&
        !entry.public &&
        !except.includes(entry.operationId),
    ),
  );
}

/** The permission that a guard requires, itself or in one of its parts; `undefined` where it requires none. */
export function permissionOf(guard: Guard): PermissionRequirement | undefined {
  return withParts(guard)
    .map((part) => requirementIn(part.meta?.["permission"]))
    .find((requirement) => requirement !== undefined);
}

function describeRoute({ method, path, operationId }: Route, guards: readonly Guard[]): ManifestEntry {
  const says = (name: string): boolean => guards.some(({ meta }) => meta?.[name] !== undefined && meta[name] !== false);
  const permissions = guards.map(({ meta }) => requirementIn(meta?.["permission"])).filter((requirement) => requirement !== undefined);
  const roles = guards.map(({ meta }) => stringsIn(meta?.["roles"])).filter((list) => list !== undefined);
  return Object.freeze({
    method,
    path,
    operationId,
    permissions: Object.freeze(permissions),
    roles: Object.freeze(roles),
    // Permission and role guards deny the unauthenticated themselves.
    authentication: says("authentication") || permissions.length > 0 || roles.length > 0,
    mfa: says("mfa"),
    audit: says("audit"),
    approval: says("approval"),
    public: says("public"),
  });
}

function withParts(guard: Guard): readonly Guard[] {
  return [guard, ...(guard.parts ?? []).flatMap(withParts)];
}

function requirementIn(value: JsonValue | undefined): PermissionRequirement | undefined {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { any, all } = value as { readonly [name: string]: JsonValue }; // an object, by the line above
  const anyKeys = stringsIn(any);
  if (anyKeys !== undefined) return { any: anyKeys };
  const allKeys = stringsIn(all);
  return allKeys === undefined ? undefined : { all: allKeys };
}

function stringsIn(value: JsonValue | undefined): readonly string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
}
