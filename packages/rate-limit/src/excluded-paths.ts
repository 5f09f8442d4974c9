import { type GuardRequest, invalidOption } from "@portcullis/core";

/**
 * Whether a request is for one of the paths that are not limited.
 *
 * Where the framework has routed, the route's pattern decides. Otherwise the path must be the excluded one after decoding
 * once. A path that a server could read in a second way (dot segments, empty segments, encoded slashes, backslashes, `;`)
 * is never excluded: at worst it is counted, whereas the other mistake opens every route behind `/health/..%2f`.
 *
 * @throws {ConfigurationError} `invalid_option`: an entry is not a plain path.
 */
export function createExclusion(exclude: readonly string[]): (request: Pick<GuardRequest, "target" | "route">) => boolean {
  for (const [index, path] of exclude.entries()) {
    if (typeof path !== "string" || !isPlain(path)) throw invalidOption(`exclude[${index}]`, path, "a plain path, e.g. /health");
  }
  const excluded = new Set(exclude);
  if (excluded.size === 0) return () => false;
  return ({ route, target }) => {
    if (route !== undefined) return excluded.has(route);
    // Only "?" ends a path. A request has no "#" (RFC 9112 §3.2); servers disagree about what it means there.
    const end = target.indexOf("?");
    const path = decodeOnce(end === -1 ? target : target.slice(0, end));
    return path !== undefined && excluded.has(path);
  };
}

function decodeOnce(path: string): string | undefined {
  if (!path.includes("%")) return path;
  // What is still encoded after the first decoding, or decodes to a separator, is somebody's second reading.
  if (/%(?:2f|5c|25|00|3b)/i.test(path)) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** One leading slash, no empty, `.` or `..` segments, nothing that separates or ends a path elsewhere. */
function isPlain(path: string): boolean {
  if (path === "/") return true;
  return /^(?:\/(?!\.{1,2}(?:\/|$))[^/\\;?#%*\s]+)+$/.test(path);
}
