import { z } from "zod";

export const departmentSchema = z.object({ department: z.string(), name: z.string().trim().min(1).max(200) });

/** A part of an organisation. Who has a say in it is a matter of organisation roles. */
export type Department = z.infer<typeof departmentSchema>;
