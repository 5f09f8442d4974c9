// Where the logout of an auth is. A guard in front of all routes that lets strangers in must not turn away, for a token that has
// expired, somebody who wants nothing but to end the session: the route has a guard of its own, which looks for a refresh token first.

import type { GuardRequest } from "@portcullis/core";
import type { Auth } from "../create-auth.js";

const paths = new WeakMap<Auth, Set<string>>();

export function rememberLogoutPath(auth: Auth, path: string): void {
  paths.set(auth, (paths.get(auth) ?? new Set()).add(path));
}

/** Whether a request is for the logout of this auth, by exactly its path: what a router might take for the same is not. */
export function isLogout(auth: Auth, request: GuardRequest): boolean {
  return request.method === "POST" && paths.get(auth)?.has(request.target.replace(/\?.*$/s, "")) === true;
}
