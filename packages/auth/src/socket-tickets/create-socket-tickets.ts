// A browser cannot send an Authorization header with a WebSocket handshake, cookies go along from any page, and a token in the URL
// ends up in logs: so a page that is logged in gets a ticket that works once, for half a minute, for the page's origin.

import { createHash } from "node:crypto";
import { problems, type SubjectState, type UserPrincipal } from "@portcullis/core";
import { internalsOf } from "../auth-internals.js";
import { denied, ok, type AuthDenial, type AuthResult } from "../auth-result.js";
import type { AccessToken } from "../tokens/access-token.js";
import type { SocketTicketRefusal } from "./socket-ticket-event.js";
import { readSocketTicketOptions, type SocketTicketOptions } from "./socket-ticket-settings.js";
import { createSocketWatch, type SocketWatch } from "./socket-watch.js";
import { handshakeOf, type UpgradeRequest } from "./upgrade-request.js";
import { type Holder, holderFrom, holderText } from "./ticket-holder.js";

/** A ticket at the one moment when its text exists. */
export interface SocketTicket {
  readonly ticket: string;
  /** Ms from now. */
  readonly expiresInMs: number;
}

/** From where the holder of a ticket will come. */
export interface SocketOrigin {
  /** The `Origin` header of the request; `undefined` for a program, which sends none. */
  readonly origin: string | undefined;
  /** Path of the socket's URL, when the ticket is for that one only. */
  readonly path?: string | undefined;
}

/** Who opened a socket. */
export interface SocketAdmission {
  readonly principal: UserPrincipal;
  readonly sessionId: string;
}

/** Tickets for WebSocket handshakes, and the end of sockets whose session ended. */
export interface SocketTickets {
  /**
   * Makes a ticket for the session of a token. It dies with the session, the token version, the password and the claims it was made
   * under. Denied: `originRefused` for a page that is not in `origins`, `sessionRevoked`.
   *
   * Call it behind `authenticate`, which asks sessions from cookies for CSRF's proof.
   */
  mint(token: AccessToken, from: SocketOrigin): Promise<AuthResult<SocketTicket>>;
  /**
   * Takes a ticket: of any number of parallel calls one gets it, and it is used up whatever is found after that. Denied:
   * `invalidToken` for every cause that lies with the ticket, `sessionRevoked` for what ended since. @throws {StoreUnavailable}
   */
  redeem(ticket: string, from: { readonly origin: string | undefined; readonly path: string }): Promise<AuthResult<SocketAdmission>>;
  /**
   * {@link SocketTickets.redeem} for a handshake: reads the ticket from `Sec-WebSocket-Protocol` (`portcullis.ticket.<ticket>`), where no
   * log sees it, or from the query (`?ticket=`). Several of either, or both, are denied.
   */
  admit(request: UpgradeRequest): Promise<AuthResult<SocketAdmission>>;
  /**
   * Has a socket closed when its session ends, in this process or, over the bus, in any other; at the latest after `recheckMs`.
   *
   * @param close Called once. What it throws is dropped.
   * @returns a function for when the socket closed by itself.
   */
  watch(admission: SocketAdmission, close: () => void): () => void;
  /** Looks up the sessions of all watched sockets now. A store that does not answer closes nothing; the next look comes. */
  recheck(): Promise<void>;
  /** Stops watching; closes no socket. */
  close(): void;
}

const TICKET_BYTES = 32;
const TICKET = /^[A-Za-z0-9_-]{43}$/;
const KEY = "auth:socket-ticket:";

/**
 * Builds tickets for WebSockets.
 *
 * @throws {ConfigurationError} `invalid_option`
 * @example
 * ```ts
 * import { randomBytes } from "node:crypto";
 * import { createAuth, createSocketTickets, createUserDirectory } from "@portcullis/auth";
 * import { createMemoryStore } from "@portcullis/core";
 *
 * const store = createMemoryStore();
 * const secret = (): string => randomBytes(48).toString("base64");
 * const auth = createAuth({ store, users: createUserDirectory({ store }), secrets: secret(), apiKeyPeppers: secret() });
 * const tickets = createSocketTickets({ auth, origins: ["https://app.example.com"] });
 *
 * const { accessToken } = await auth.createTokenPair({ userId: "ada", role: "member" });
 * const verified = await auth.verifyAccessToken(accessToken);
 * if (verified.kind === "ok") {
 *   const minted = await tickets.mint(verified.value, { origin: "https://app.example.com" });
 *   if (minted.kind === "ok") {
 *     const handshake = { url: `/live?ticket=${minted.value.ticket}`, headers: { origin: "https://app.example.com" } };
 *     console.log((await tickets.admit(handshake)).kind, (await tickets.admit(handshake)).kind); // ok denied
 *   }
 * }
 * ```
 */
export function createSocketTickets(options: SocketTicketOptions): SocketTickets {
  const { auth } = options;
  const { settings, instruments } = internalsOf("createSocketTickets.auth", auth);
  const { store, random } = settings;
  const { origins, ttlMs, recheckMs } = readSocketTicketOptions(options);
  const watch: SocketWatch = createSocketWatch(auth, settings, instruments, recheckMs);

  const refuse = (reason: SocketTicketRefusal, holder?: Holder): AuthDenial => {
    instruments.failed("socket_ticket", reason);
    instruments.emit({ kind: "socket_ticket_refused", reason, userId: holder?.principal.id });
    return denied(reason === "session_ended" || reason === "revoked" ? problems.sessionRevoked() : problems.invalidToken());
  };

  async function redeem(
    ticket: string,
    from: { readonly origin: string | undefined; readonly path: string },
  ): Promise<AuthResult<SocketAdmission>> {
    if (typeof ticket !== "string" || !TICKET.test(ticket)) return refuse("malformed");
    // Taken before anything is checked: a ticket that was tried from the wrong page is known to somebody it was not made for.
    const stored = await store.tickets.take(keyOf(ticket));
    if (stored === undefined) return refuse("unknown_or_used");
    const holder = holderFrom(stored);
    const { principal, sessionId } = holder;
    if (holder.origin !== from.origin) return refuse("origin", holder);
    if (holder.path !== undefined && holder.path !== from.path) return refuse("path", holder);
    const [state, session] = await Promise.all([store.subjects.read(principal.id), store.sessions.find(sessionId)]);
    if (session === undefined || session.subjectId !== principal.id) return refuse("session_ended", holder);
    if (!isUnchanged(holder, state)) return refuse("revoked", holder);
    instruments.succeeded("socket_ticket");
    return ok(Object.freeze({ principal, sessionId }));
  }

  return Object.freeze({
    async mint(token: AccessToken, { origin, path }: SocketOrigin): Promise<AuthResult<SocketTicket>> {
      if (origin !== undefined && !origins.has(origin)) return denied(problems.originRefused());
      const { principal, sessionId } = token;
      const state = await store.subjects.read(principal.id);
      // Whoever revoked the token a moment ago must not meet a ticket that is younger than the revocation.
      if (state.disabled || state.tokenVersion !== principal.tokenVersion) return denied(problems.sessionRevoked());
      const { tokenVersion, passwordVersion, claimsVersion } = state;
      const ticket = Buffer.from(random(TICKET_BYTES)).toString("base64url");
      const holder = holderText({ principal, sessionId, origin, path, tokenVersion, passwordVersion, claimsVersion });
      // 256 random bits met twice: the random source is broken.
      if (!(await store.tickets.put(keyOf(ticket), holder, ttlMs))) return denied(problems.internal());
      return ok(Object.freeze({ ticket, expiresInMs: ttlMs }));
    },
    redeem,
    async admit(request: UpgradeRequest): Promise<AuthResult<SocketAdmission>> {
      const handshake = handshakeOf(request);
      return handshake === undefined ? refuse("malformed") : redeem(handshake.ticket, handshake);
    },
    watch: watch.add,
    recheck: watch.recheck,
    close: watch.close,
  });
}

// The store, its dumps and whoever reads its traffic learn nothing that opens a socket.
function keyOf(ticket: string): string {
  return KEY + createHash("sha256").update(ticket).digest("base64url");
}

function isUnchanged(holder: Holder, state: SubjectState): boolean {
  return (
    !state.disabled &&
    holder.tokenVersion === state.tokenVersion &&
    holder.passwordVersion === state.passwordVersion &&
    holder.claimsVersion === state.claimsVersion
  );
}
