import { z } from "zod";

const email = z.string().min(3).max(254).meta({ example: "ada@example.com" });
const password = z.string().min(1).max(4096);
const token = z.string().min(1).max(200).meta({ description: "From the link in the letter." });

export const addressBody = z.strictObject({ email });
export const linkBody = z.strictObject({ token });
export const passwordResetBody = z.strictObject({ token, new_password: password });
export const registrationBody = z.strictObject({ token, password, name: z.string().min(1).max(100).optional() });
