import { createHash, timingSafeEqual } from "node:crypto";
import { defineRoute, ProblemError, problems, type Route } from "@portcullis/core";
import type { Auth } from "../create-auth.js";
import { checkSecret } from "../jwt/secret-ring.js";
import { answer, SMALL_BODY_BYTES, userBody, valueOf } from "./route-answer.js";
import * as schemas from "./route-schemas.js";

/** How the first account is made. */
export interface SetupOptions {
  /** At least 32 characters, 8 of them different. */
  readonly token: string;
  /** Roles of the first account. */
  readonly roles: readonly string[];
}

/** Makes the first account for whoever has the token. @throws {ConfigurationError} `invalid_option`: the token is weak. */
export function setupRoute(auth: Auth, path: string, setup: SetupOptions): Route {
  const token = checkSecret("authRoutes.setup.token", setup.token);
  const roles = Object.freeze([...setup.roles]);
  return defineRoute({
    method: "POST",
    path,
    operationId: "authSetup",
    summary: "Make the first account",
    tags: ["auth"],
    input: { body: schemas.setupBody, maxBodyBytes: SMALL_BODY_BYTES },
    responses: { 201: { description: "The first account.", schema: schemas.userResponse } },
    async handle(_request, { body }) {
      const { setup_token: sent, email, password, name } = body;
      if (!isSameSecret(sent, token)) throw new ProblemError(problems.forbidden({ detail: "The setup token is wrong." }));
      const account = valueOf(await auth.setup({ email, password, roles, ...(name === undefined ? {} : { name }) }));
      return answer(201, schemas.userResponse, userBody(account));
    },
  });
}

// Hashed first, so that both sides have one length and the time says nothing about the token's.
function isSameSecret(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
