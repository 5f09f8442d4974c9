import { ALLOW, type Guard } from "@portcullis/core";
import type { OAuth } from "@portcullis/auth/oauth";
import { AUTH_PREFIX } from "./create-identity.js";

/**
 * A guard that leaves pages alone which are the same for everybody: a browser whose session has ended must still get the login page,
 * not a 401 in its place.
 *
 * @param paths Exactly as they are requested; what a router might take for the same is asked as everything else is.
 */
export function exceptForPages(paths: ReadonlySet<string>, guard: Guard): Guard {
  return Object.freeze({
    ...guard,
    check(request) {
      const isPage = (request.method === "GET" || request.method === "HEAD") && paths.has(request.target.replace(/\?.*$/s, ""));
      return isPage ? ALLOW : guard.check(request);
    },
  } satisfies Guard);
}

/** Where a login over a provider begins and comes back to; each looks at the cookies that it needs itself. */
export function providerPaths(oauth: OAuth | undefined): readonly string[] {
  return (oauth?.providers ?? []).flatMap(({ id }) => [`${AUTH_PREFIX}/oauth/${id}`, `${AUTH_PREFIX}/oauth/${id}/callback`]);
}
