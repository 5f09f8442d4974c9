import { OAuthRefused } from "./oauth-failure.js";
import type { ProviderFetch } from "./provider-fetch.js";
import { type ProviderProfile, toProfile } from "./provider-profile.js";
import type { OAuthProvider } from "./providers/provider.js";

const HEADERS = Object.freeze({
  accept: "application/vnd.github+json",
  // GitHub refuses requests without one.
  "user-agent": "portcullis",
  "x-github-api-version": "2022-11-28",
});

/** Asks GitHub who an access token belongs to. @throws {OAuthRefused} */
export async function readGitHubProfile(
  provider: OAuthProvider & { readonly protocol: { readonly kind: "github" } },
  accessToken: string,
  fetch: ProviderFetch,
): Promise<ProviderProfile> {
  const { userUrl, emailsUrl } = provider.protocol;
  const headers = { ...HEADERS, authorization: `Bearer ${accessToken}` };
  const [user, addresses] = await Promise.all([fetch(userUrl, { headers }), fetch(emailsUrl, { headers })]);
  if (user.status !== 200) throw new OAuthRefused("userinfo_invalid");
  const { id, name, login } = recordOf(await jsonOf(user));
  // A number, never the login: that can be changed, and taken by somebody else.
  if (typeof id !== "number" || !Number.isSafeInteger(id) || id <= 0) throw new OAuthRefused("userinfo_invalid");
  // Without the scope `user:email` the addresses are not ours to read: the login works, a new account does not.
  const list = addresses.status === 200 ? await jsonOf(addresses) : [];
  const primary = (Array.isArray(list) ? list : []).map(recordOf).find((entry) => entry["primary"] === true);
  return toProfile(provider, String(id), { email: primary?.["email"], isVerified: primary?.["verified"], name: name ?? login });
}

async function jsonOf(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch (cause) {
    throw new OAuthRefused("userinfo_invalid", undefined, { cause });
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
