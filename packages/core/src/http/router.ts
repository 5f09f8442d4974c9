import { ConfigurationError } from "../problem/errors.js";
import type { Method, Route } from "./route.js";

/** What a path and method lead to. */
export type RouteMatch =
  | {
      readonly kind: "found";
      readonly route: Route;
      readonly params: Readonly<Record<string, string>>;
    }
  | { readonly kind: "wrong_method"; readonly allow: readonly string[] }
  | { readonly kind: "malformed" }
  | { readonly kind: "not_found" };

/** Finds routes by path; a literal segment beats a parameter, whatever the order of definition. */
export interface Router {
  match(method: string, path: string): RouteMatch;
}

interface Node {
  readonly literals: Map<string, Node>;
  param: Node | undefined;
  /** Routes that end here, with their parameter names in order. */
  readonly ends: Map<Method, { readonly route: Route; readonly names: readonly string[] }>;
}

const NOT_FOUND: RouteMatch = Object.freeze({ kind: "not_found" });
const MALFORMED: RouteMatch = Object.freeze({ kind: "malformed" });

/**
 * Compiles routes into a tree of segments. Paths are matched segment by segment as sent and only then decoded, once:
 * an encoded slash stays inside its segment, and `..` is a name like any other.
 *
 * @throws {ConfigurationError} `duplicate_route`: two routes have the same method and path shape, or the same operation id.
 */
export function createRouter(routes: readonly Route[]): Router {
  const root = createNode();
  const operations = new Set<string>();
  for (const route of routes) {
    if (operations.has(route.operationId))
      throw new ConfigurationError("duplicate_route", `Two routes have the operation id "${route.operationId}". Rename one.`);
    operations.add(route.operationId);
    addRoute(root, route);
  }
  return {
    match(method, path) {
      const values: string[] = [];
      const node = descend(root, segmentsOf(path), 0, values);
      if (node === undefined) return NOT_FOUND;
      // HEAD is GET without the body (RFC 9110 §9.3.2).
      const end = node.ends.get((method === "HEAD" ? "GET" : method) as Method); // an unknown method finds nothing
      if (end === undefined) return { kind: "wrong_method", allow: allowedMethods(node) };
      const params: Record<string, string> = {};
      for (const [index, name] of end.names.entries()) {
        const value = decodeSegment(values[index] ?? "");
        if (value === undefined) return MALFORMED;
        params[name] = value;
      }
      return { kind: "found", route: end.route, params };
    },
  };
}

function createNode(): Node {
  return { literals: new Map(), param: undefined, ends: new Map() };
}

function addRoute(root: Node, route: Route): void {
  let node = root;
  const names: string[] = [];
  for (const segment of segmentsOf(route.path)) {
    if (segment.startsWith(":")) {
      names.push(segment.slice(1));
      node.param ??= createNode();
      node = node.param;
    } else {
      let next = node.literals.get(segment);
      if (next === undefined) node.literals.set(segment, (next = createNode()));
      node = next;
    }
  }
  if (node.ends.has(route.method))
    throw new ConfigurationError("duplicate_route", `Two routes answer ${route.method} ${route.path}. Remove one.`);
  node.ends.set(route.method, { route, names });
}

function descend(node: Node, segments: readonly string[], depth: number, values: string[]): Node | undefined {
  const segment = segments[depth];
  if (segment === undefined) return node.ends.size > 0 ? node : undefined;
  const literal = node.literals.get(segment);
  const found = literal === undefined ? undefined : descend(literal, segments, depth + 1, values);
  // An empty segment is no value: `/workflows/` is not `/workflows/:id`.
  if (found !== undefined || node.param === undefined || segment === "") return found;
  values.push(segment);
  const viaParam = descend(node.param, segments, depth + 1, values);
  if (viaParam === undefined) values.pop();
  return viaParam;
}

function segmentsOf(path: string): readonly string[] {
  return path === "/" ? [] : path.slice(1).split("/");
}

function allowedMethods(node: Node): readonly string[] {
  const methods: string[] = [...node.ends.keys()];
  return methods.includes("GET") ? [...methods, "HEAD"] : methods;
}

function decodeSegment(segment: string): string | undefined {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined; // not UTF-8, e.g. the overlong %C0%AE
  }
}
