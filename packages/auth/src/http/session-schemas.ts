import { z } from "zod";
import { messageResponse } from "./route-schemas.js";

const epochMs = z.number().int();

export const logoutBody = z.strictObject({ refresh_token: z.string().min(1).max(8192) });
export const sessionParams = z.object({ id: z.string().min(1).max(128) });
export const sessionResponse = z.object({
  id: z.string(),
  created_at: epochMs,
  last_used_at: epochMs,
  expires_at: epochMs,
  idle_ends_at: epochMs.nullable().meta({ description: "When it ends unless it is used before." }),
  ip: z.string().nullable(),
  user_agent: z.string().nullable(),
  amr: z.array(z.string()).meta({ description: "How the login was proven (RFC 8176)." }),
  current: z.boolean().meta({ description: "Whether it is the one that asks." }),
});
export const sessionsResponse = z.object({ sessions: z.array(sessionResponse) });
export const othersRevokedResponse = messageResponse.extend({ sessions_ended: z.number().int() });
