// The service of oauth-stores.test.ts and of its processes, and of oauth-frameworks.test.ts: the same secrets, whichever store.
import { type AuthStore, authRoutes, createAuth, createUserDirectory } from "@portcullis/auth";
import { createOAuth, github, type OAuth, type OAuthOptions, oauthRoutes } from "@portcullis/auth/oauth";
import { type App, createApp, securityHeaders } from "@portcullis/core";
import { openRedisStore } from "@portcullis/store-redis";
import { openSqlStore } from "@portcullis/store-sql";
import { Redis } from "ioredis";
import { GITHUB_CLIENT } from "../../packages/auth/test/github-server.js";

/** A request that one process is to serve. */
export interface Hit {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What came of it. */
export interface HitAnswer {
  readonly status: number;
  readonly location: string | null;
}

export interface OAuthService {
  readonly app: App;
  readonly oauth: OAuth;
  readonly store: AuthStore;
  readonly users: ReturnType<typeof createUserDirectory>;
}

export const API = "https://api.example.test";
export const LANDING = "https://app.example.test/login";
const DEADLINE_MS = 30_000;
const secret = (purpose: string): string => `${purpose}-secret-0123456789-abcdefghijklmnop`;

export function oauthServiceOn(store: AuthStore, githubUrl: string, options: Partial<OAuthOptions> = {}): OAuthService {
  const users = createUserDirectory({ store });
  const auth = createAuth({ store, users, secrets: secret("token"), apiKeyPeppers: secret("pepper") });
  const oauth = createOAuth({
    auth,
    providers: { github: github({ ...GITHUB_CLIENT, baseUrl: githubUrl }) },
    baseUrl: API,
    redirects: { allow: [LANDING], default: LANDING },
    delivery: "fragment",
    onUnknown: { create: { roles: ["member"] } },
    insecureLocalhost: true,
    ...options,
  });
  const app = createApp({ guards: [securityHeaders()], routes: [...authRoutes(auth), ...oauthRoutes(oauth)] });
  return { app, oauth, store, users };
}

/** @param target A file or database of store-sql, or `redis://…#prefix`. */
export async function openAuthStore(target: string): Promise<{ readonly store: AuthStore; readonly close: () => Promise<void> }> {
  if (!target.startsWith("redis:")) {
    const store = await openSqlStore(target, { deadlineMs: DEADLINE_MS });
    return { store, close: () => store.close() };
  }
  const [url = "", prefix = ""] = target.split("#");
  const client = new Redis(url);
  return { store: openRedisStore(client, { prefix, deadlineMs: DEADLINE_MS }), close: async () => void (await client.quit()) };
}
