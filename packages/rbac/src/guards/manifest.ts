import type { Guard, JsonValue, Method, Route } from "@portcullis/core";
import { RbacError } from "../errors.js";
import { hasFromClass, own } from "../own-options.js";
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
  /** For every persona guard what is needed: an access (`read`, `write`, `approve`), or one of the personas named. */
  readonly personas: readonly (string | readonly string[])[];
  /** Whether an organisation role that changes the organisation, or the department, is needed. */
  readonly orgMutation: boolean;
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
 * The routes that change something and that nobody guards: neither a permission nor a role, one of the organisation included,
 * is required, nor are they declared public. A persona alone is no guard. A test that expects `[]` keeps it so.
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
        !entry.orgMutation &&
        !entry.public &&
        !except.includes(entry.operationId),
    ),
  );
}

/**
 * Refuses to go on while something that changes data is open: call it where the application is put together.
 *
 * @param except `operationId`s that have their own protection, e.g. the login.
 * @throws {RbacError} `unguarded_route`, naming each of them.
 */
export function assertGuarded(entries: readonly ManifestEntry[], except: readonly string[] = []): void {
  const open = unguardedRoutes(entries, except);
  if (open.length === 0) return;
  const named = open.map(({ method, path, operationId }) => `${method} ${path} (${operationId})`).join(", ");
  throw new RbacError(
    "unguarded_route",
    `These routes change something and nobody guards them: ${named}. Give them a permission, declare them public with secureEndpoint({ requireAuth: false }), or name them in "except".`,
  );
}

/** The permission that a guard requires, itself or in one of its parts; `undefined` where it requires none. */
export function permissionOf(guard: Guard): PermissionRequirement | undefined {
  return withParts(guard)
    .map((part) => requirementIn(saidBy(part, "permission")))
    .find((requirement) => requirement !== undefined);
}

function describeRoute({ method, path, operationId }: Route, guards: readonly Guard[]): ManifestEntry {
  const all = (name: string): readonly (JsonValue | undefined)[] => guards.map((guard) => saidBy(guard, name));
  const says = (name: string): boolean => all(name).some((said) => said !== undefined && said !== false);
  const permissions = all("permission")
    .map(requirementIn)
    .filter((requirement) => requirement !== undefined);
  const roles = all("roles")
    .map(stringsIn)
    .filter((list) => list !== undefined);
  const personas = all("persona")
    .map(personaIn)
    .filter((persona) => persona !== undefined);
  return Object.freeze({
    method,
    path,
    operationId,
    permissions: Object.freeze(permissions),
    roles: Object.freeze(roles),
    personas: Object.freeze(personas),
    orgMutation: says("orgMutation"),
    // These guards deny the unauthenticated themselves.
    authentication: says("authentication") || says("orgMutation") || permissions.length + roles.length + personas.length > 0,
    mfa: says("mfa"),
    audit: says("audit"),
    approval: says("approval"),
    public: says("public"),
  });
}

function withParts(guard: Guard): readonly Guard[] {
  return [guard, ...(isIts(guard, "parts") ? (guard.parts ?? []) : []).flatMap(withParts)];
}

// Nothing that every object has by a polluted prototype (CWE-1321): an open route would be listed as guarded.
function saidBy(guard: Guard, name: string): JsonValue | undefined {
  const meta = isIts(guard, "meta") ? guard.meta : undefined;
  return meta === undefined ? undefined : (own(meta, name) as JsonValue | undefined); // as meta has them
}

function isIts(guard: Guard, name: keyof Guard): boolean {
  return Object.hasOwn(guard, name) || hasFromClass(guard, name);
}

function requirementIn(value: JsonValue | undefined): PermissionRequirement | undefined {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const anyKeys = stringsIn(own(value, "any"));
  if (anyKeys !== undefined) return { any: anyKeys };
  const allKeys = stringsIn(own(value, "all"));
  return allKeys === undefined ? undefined : { all: allKeys };
}

function personaIn(value: JsonValue | undefined): string | readonly string[] | undefined {
  return typeof value === "string" ? value : stringsIn(value);
}

function stringsIn(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
}
