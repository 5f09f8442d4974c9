import type { Problem } from "@portcullis/core";

/** What came of a request: its value, or the problem to answer with. A denial is a value; exceptions are faults. */
export type AuthResult<T> = { readonly kind: "ok"; readonly value: T } | AuthDenial;

/** The request was refused; `problem` says why and what the client can do. */
export interface AuthDenial {
  readonly kind: "denied";
  readonly problem: Problem;
}

export function ok<T>(value: T): AuthResult<T> {
  return Object.freeze({ kind: "ok", value });
}

export function denied(problem: Problem): AuthDenial {
  return Object.freeze({ kind: "denied", problem });
}
