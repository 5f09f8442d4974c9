import { z } from "zod";

// Bounds on what a stranger can make us read; what a value means is checked where it is used.
const email = z.string().min(3).max(254).meta({ example: "ada@example.com" });
const password = z.string().min(1).max(4096);
const name = z.string().min(1).max(100);
const epochMs = z.number().int();

const deviceToken = z.string().max(200).meta({ description: "Of an earlier login: says that this device is known." });
/** Where a login wants the tokens. */
export const delivery = z.enum(["body", "cookie"]).optional().meta({ description: "Where the tokens go; default body." });

export const loginBody = z.strictObject({ email, password, delivery, device_token: deviceToken.optional() });
const refreshToken = z.string().min(1).max(8192);
export const refreshBody = z.strictObject({ refresh_token: refreshToken });
export const optionalRefreshBody = z.strictObject({ refresh_token: refreshToken.optional() }).optional();
export const changePasswordBody = z.strictObject({ current_password: password, new_password: password });
export const setupBody = z.strictObject({ setup_token: z.string().min(1).max(1024), email, password, name: name.optional() });
export const apiKeyBody = z.strictObject({
  name,
  roles: z.array(z.string().min(1).max(100)).max(100).optional(),
  scopes: z.array(z.string().min(1).max(200)).max(200).optional(),
  ttl_seconds: z.number().int().min(1).max(315_360_000).optional(),
});
export const apiKeyParams = z.object({ id: z.string().min(1).max(64) });

export const tokensResponse = z.object({
  access_token: z.string(),
  refresh_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.number().int().meta({ description: "Seconds until the access token expires." }),
  refresh_expires_in: z.number().int().meta({ description: "Seconds until the session ends." }),
});

export const userResponse = z.object({
  id: z.string(),
  email: z.string(),
  name: z.string().nullable(),
  roles: z.array(z.string()),
  org_roles: z.array(z.string()),
  org_id: z.string().nullable(),
  workspace_id: z.string().nullable(),
  must_change_password: z.boolean(),
});

export const mfaRequiredResponse = z.object({
  mfa_required: z.literal(true),
  mfa_token: z.string().meta({ description: "Opens the routes of the second factor, and nothing else." }),
  mfa_token_expires_at: epochMs,
  mfa_enrolled: z.boolean().meta({ description: "Whether there is a second factor to verify; otherwise enrol one." }),
});
const loginDetails = z.object({ user: userResponse, device_token: deviceToken.optional() });
export const loginResponse = tokensResponse.extend(loginDetails.shape);
export const csrfResponse = z.object({
  csrf_token: z.string().meta({ description: "Also in the readable cookie; send it in x-csrf-token." }),
});
export const cookieTokensResponse = tokensResponse.pick({ expires_in: true, refresh_expires_in: true }).extend(csrfResponse.shape);
export const cookieLoginResponse = cookieTokensResponse.extend(loginDetails.shape);
export const meResponse = userResponse.extend({ credential: z.enum(["access_token", "api_key"]), session_id: z.string().nullable() });
export const messageResponse = z.object({ message: z.string() });
export const logoutAllResponse = messageResponse.extend({ sessions_invalidated: z.literal(true), token_version: z.number().int() });

export const apiKeyResponse = z.object({
  id: z.string(),
  name: z.string(),
  last_four: z.string(),
  roles: z.array(z.string()),
  scopes: z.array(z.string()).nullable(),
  created_at: epochMs,
  expires_at: epochMs.nullable(),
  revoked_at: epochMs.nullable(),
  last_used_at: epochMs.nullable(),
});
export const apiKeysResponse = z.object({ api_keys: z.array(apiKeyResponse) });
export const createdApiKeyResponse = apiKeyResponse.extend({ key: z.string().meta({ description: "Shown this once." }) });
