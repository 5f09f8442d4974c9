// Where an auth lets people in and out. A guard in front of all routes that lets strangers in must not turn away, for an access token
// that has expired, somebody who wants to refresh it, to log in or to log out: clients attach what they have to every request. These
// routes prove by themselves who is calling.

import type { GuardRequest } from "@portcullis/core";
import type { Auth } from "../create-auth.js";

const paths = new WeakMap<Auth, Set<string>>();

export function rememberOpenPath(auth: Auth, path: string): void {
  paths.set(auth, (paths.get(auth) ?? new Set()).add(path));
}

/** Whether a request is for one of them, by exactly its path: what a router might take for the same is not. */
export function isOpenPath(auth: Auth, { method, target }: GuardRequest): boolean {
  return method === "POST" && paths.get(auth)?.has(target.replace(/\?.*$/s, "")) === true;
}
