import { ConfigurationError } from "@portcullis/core";
import { RbacError } from "@portcullis/rbac";

/** The code of the mistake that a definition is refused for. An error without a code is thrown on: nobody could look it up. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof RbacError || error instanceof ConfigurationError) return error.code;
    throw error;
  }
  return "nothing was thrown";
}
