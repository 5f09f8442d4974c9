// GitHub is not reachable from a test. This speaks its documented endpoints over real HTTP: the web application flow (authorize,
// access_token with PKCE), GET /user and GET /user/emails, under the paths of a GitHub Enterprise Server.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const GITHUB_CLIENT = { clientId: "Iv1.0123456789abcdef", clientSecret: "a secret of GitHub's making" };
export const GITHUB_TOKEN = "gho_16C7e42F292c6912E7710c838347Ae178B4a";

interface ApiAnswer {
  status: number;
  body: unknown;
}

/** What it answers can be changed at any time. */
export interface GitHubServer {
  readonly url: string;
  user: ApiAnswer;
  emails: ApiAnswer;
  /** The `iss` that it sends back with the code, if it does. */
  iss: string | undefined;
  seen: { readonly path: string; readonly headers: IncomingMessage["headers"] }[];
  /** As after the start. */
  reset(): void;
  close(): Promise<void>;
}

export async function startGitHub(): Promise<GitHubServer> {
  const challenges = new Map<string, string>();
  let codes = 0;
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const running: GitHubServer = {
    url: `http://localhost:${(server.address() as AddressInfo).port}`,
    ...truth(),
    reset: () => void Object.assign(running, truth()),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(String(request.url), running.url);
    running.seen.push({ path: url.pathname, headers: request.headers });
    const json = ({ status, body }: ApiAnswer): void =>
      void response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
    switch (url.pathname) {
      case "/login/oauth/authorize": {
        const code = `code-${(codes += 1)}`;
        challenges.set(code, String(url.searchParams.get("code_challenge")));
        const back = new URL(String(url.searchParams.get("redirect_uri")));
        back.searchParams.set("code", code);
        back.searchParams.set("state", String(url.searchParams.get("state")));
        if (running.iss !== undefined) back.searchParams.set("iss", running.iss);
        return void response.writeHead(302, { location: back.href }).end();
      }
      case "/login/oauth/access_token": {
        const body = await formOf(request);
        const challenge = challenges.get(String(body.get("code")));
        challenges.delete(String(body.get("code")));
        const isRight =
          createHash("sha256")
            .update(String(body.get("code_verifier")))
            .digest("base64url") === challenge;
        const isClient = body.get("client_id") === GITHUB_CLIENT.clientId && body.get("client_secret") === GITHUB_CLIENT.clientSecret;
        // GitHub answers its errors with 200.
        if (!isRight || !isClient)
          return json({ status: 200, body: { error: "bad_verification_code", error_description: "It is incorrect." } });
        return json({ status: 200, body: { access_token: GITHUB_TOKEN, scope: "read:user,user:email", token_type: "bearer" } });
      }
      case "/api/v3/user":
      case "/api/v3/user/emails": {
        const isLetIn = request.headers.authorization === `Bearer ${GITHUB_TOKEN}` && request.headers["user-agent"] !== undefined;
        if (!isLetIn) return json({ status: 403, body: { message: "Forbidden" } });
        return json(url.pathname.endsWith("/emails") ? running.emails : running.user);
      }
      default:
        return json({ status: 404, body: { message: "Not Found" } });
    }
  }
  return running;
}

function truth(): Pick<GitHubServer, "user" | "emails" | "iss" | "seen"> {
  return {
    user: { status: 200, body: { id: 583_231, login: "octocat", name: "The Octocat", email: "public@example.com" } },
    emails: {
      status: 200,
      body: [
        { email: "old@example.com", primary: false, verified: true, visibility: null },
        { email: "Octocat@Example.com", primary: true, verified: true, visibility: "private" },
      ],
    },
    iss: undefined,
    seen: [],
  };
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new URLSearchParams(Buffer.concat(chunks).toString());
}
