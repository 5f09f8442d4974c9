import { z } from "zod";

/** An id of an account, as the directory makes them and as stores can keep it. */
export const userId = z.string().regex(/^[\x21-\x7e]{1,128}$/, "Write the id of a user.");

/** A role as policies name them. */
export const roleName = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "Write the name of a role.");
