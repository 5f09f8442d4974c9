/** Why a ticket opened nothing. */
export type SocketTicketRefusal = "malformed" | "unknown_or_used" | "origin" | "path" | "session_ended" | "revoked";

/** What happened with tickets for sockets. */
export type SocketTicketEvent =
  | { readonly kind: "socket_ticket_refused"; readonly reason: SocketTicketRefusal; readonly userId: string | undefined }
  | { readonly kind: "socket_closed"; readonly userId: string; readonly sessionId: string };
