import { lookup as lookupAll } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { invalidOption } from "@portcullis/core";
import { Agent, buildConnector } from "undici";
import { egressBlocked } from "../errors.js";
import { bareHost, createEgressRules, type EgressOptions, type EgressRules } from "./egress-rules.js";

/**
 * An undici agent that opens sockets to public addresses only, decided at the moment of connecting.
 *
 * The name is resolved once, every answer is judged (one blocked answer blocks the name), and the socket is opened to those very
 * answers, so that a name which changes between check and use reaches nothing. Redirects are not followed: do not compose it
 * with undici's redirect interceptor. Environment variables for proxies are not read.
 *
 * A blocked request rejects with `WebhookError` `egress_blocked`.
 *
 * @throws {ConfigurationError} `invalid_option`: the allow list is malformed or too wide.
 * @example
 * ```ts
 * import { createGuardedAgent } from "@portcullis/webhooks";
 * import { request } from "undici";
 *
 * const dispatcher = createGuardedAgent();
 * const failure: unknown = await request("https://127.0.0.1/", { dispatcher }).catch((error: unknown) => error);
 * console.log(failure); // WebhookError: The address may not be called from here. …
 * await dispatcher.close();
 * ```
 */
export function createGuardedAgent(options: EgressOptions = {}): Agent {
  return agentFor(createEgressRules(options), options);
}

/** The agent of prepared rules. */
export function agentFor(rules: EgressRules, options: EgressOptions): Agent {
  const { resolve = resolveAll, connectTimeoutMs = 10_000 } = options;
  if (!Number.isInteger(connectTimeoutMs) || connectTimeoutMs < 1)
    throw invalidOption("egress.connectTimeoutMs", connectTimeoutMs, "1 or more");
  // One for each port: a socket's lookup is told the name but not the port. There are as many as the rules let through.
  const connectors = new Map<number, buildConnector.connector>();

  const connectorFor = (port: number): buildConnector.connector => {
    const known = connectors.get(port);
    if (known !== undefined) return known;
    const made = buildConnector({ timeout: connectTimeoutMs, allowH2: false, lookup: guardedLookup(rules, resolve, port) });
    connectors.set(port, made);
    return made;
  };

  const connect: buildConnector.connector = (target, callback) => {
    const hostname = bareHost(target.hostname);
    const port = target.port === "" ? (target.protocol === "https:" ? 443 : 80) : Number(target.port);
    if (!rules.allowsEndpoint(target.protocol, hostname, port)) return callback(egressBlocked(), null);
    // For a literal address no lookup is ever called: it must be judged here.
    if (isIP(hostname) !== 0 && !rules.allowsAddress(hostname, hostname, port)) return callback(egressBlocked(), null);
    connectorFor(port)(target, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      // What counts is where the socket ended up.
      if (rules.allowsAddress(socket.remoteAddress, hostname, port)) return callback(null, socket);
      socket.destroy();
      callback(egressBlocked(), null);
    });
  };

  // Deadlines are the caller's, by AbortSignal over the whole exchange: undici's own count only the pauses between chunks.
  return new Agent({ connect, headersTimeout: 0, bodyTimeout: 0, allowH2: false });
}

function guardedLookup(rules: EgressRules, resolve: (hostname: string) => Promise<readonly string[]>, port: number): LookupFunction {
  // A resolver of the application's may throw at once or answer anything: both must end in the callback, never beside it.
  const judged = async (hostname: string): Promise<readonly [string, ...string[]]> => {
    const [first, ...others] = await resolve(hostname);
    if (first === undefined) throw Object.assign(new Error("The name has no address."), { code: "ENOTFOUND" });
    if (![first, ...others].every((address) => rules.allowsAddress(address, hostname, port))) throw egressBlocked();
    return [first, ...others];
  };
  return (hostname, options, callback) => {
    judged(hostname).then(
      (addresses) => {
        // Node asks for all of them to race IPv6 against IPv4, or for one.
        if (options.all === true)
          callback(
            null,
            addresses.map((address) => ({ address, family: isIP(address) })),
          );
        else callback(null, addresses[0], isIP(addresses[0]));
      },
      (error: unknown) => callback(error instanceof Error ? error : new Error("The resolver failed."), "", 0),
    );
  };
}

async function resolveAll(hostname: string): Promise<readonly string[]> {
  return (await lookupAll(hostname, { all: true })).map(({ address }) => address);
}
