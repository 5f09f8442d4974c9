import { type GuardRequest, JsonRefused, parseStrictJson } from "@portcullis/core";
import type { z } from "zod";
import { SMALL_BODY_BYTES } from "./route-answer.js";

/**
 * A small JSON body, for a guard that depends on it; the route reads it again and says what is wrong with it.
 *
 * @returns `undefined` for no body, and for one that is not as the schema has it.
 */
export async function peekBody<Schema extends z.ZodType>(request: GuardRequest, schema: Schema): Promise<z.output<Schema> | undefined> {
  const bytes = await request.rawBody(SMALL_BODY_BYTES);
  if (bytes.length === 0) return undefined;
  try {
    const body = schema.safeParse(parseStrictJson(bytes));
    return body.success ? body.data : undefined;
  } catch (error) {
    if (error instanceof JsonRefused) return undefined;
    throw error;
  }
}
