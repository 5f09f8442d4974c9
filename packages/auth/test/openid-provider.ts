// A real OpenID provider on this machine: oidc-provider, with a login page that says yes.

import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, type JWK } from "jose";
import { type Configuration, Provider } from "oidc-provider";

/** Somebody with an account there. */
export interface Person {
  readonly sub: string;
  readonly email: string;
  readonly email_verified: boolean;
  readonly name: string;
}

export interface RunningProvider {
  readonly issuer: string;
  /** Who sits at the browser. */
  person: Person;
  /** What the person does at the consent page. */
  consents: boolean;
  /** Requests by path, in order. */
  readonly requests: string[];
  /** New signing keys, and only those: what the old ones signed verifies no more. */
  rotate(): Promise<void>;
  close(): Promise<void>;
}

export async function startOpenIdProvider(clients: Configuration["clients"], options: Configuration = {}): Promise<RunningProvider> {
  let listener: RequestListener = () => {};
  const requests: string[] = [];
  const server: Server = createServer((request, response) => {
    requests.push(String(request.url).replace(/\?.*/, ""));
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "localhost", resolve));
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`;

  const running: RunningProvider = {
    issuer,
    person: { sub: "ada-1", email: "ada@example.com", email_verified: true, name: "Ada" },
    consents: true,
    requests,
    async rotate() {
      listener = provide(await signingKeys());
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };

  function provide(keys: readonly JWK[]): RequestListener {
    const provider = new Provider(issuer, {
      ...(clients === undefined ? {} : { clients }),
      jwks: { keys: [...keys] },
      claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
      pkce: { required: () => true },
      cookies: { keys: ["of a provider that lives for a test"] },
      ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
      findAccount: (_context, id) => ({ accountId: id, claims: () => ({ ...running.person, sub: id }) }),
      ...options,
    });
    const callback = provider.callback();
    return (request, response) => {
      if (request.url?.startsWith("/interaction/") !== true) return void callback(request, response);
      return void (async () => {
        const { prompt, params, session } = await provider.interactionDetails(request, response);
        if (!running.consents) {
          return provider.interactionFinished(request, response, { error: "access_denied", error_description: "<b>No, thank you</b>" });
        }
        if (prompt.name === "login") {
          return provider.interactionFinished(request, response, { login: { accountId: running.person.sub } });
        }
        const grant = new provider.Grant({ accountId: String(session?.accountId), clientId: String(params["client_id"]) });
        grant.addOIDCScope(String(params["scope"]));
        return provider.interactionFinished(
          request,
          response,
          { consent: { grantId: await grant.save() } },
          { mergeWithLastSubmission: true },
        );
      })();
    };
  }

  await running.rotate();
  return running;
}

let keysMade = 0;
async function signingKeys(): Promise<readonly JWK[]> {
  const { privateKey } = await generateKeyPair("RS256", { extractable: true });
  return [{ ...(await exportJWK(privateKey)), alg: "RS256", use: "sig", kid: `key-${(keysMade += 1)}` }];
}
