import { defineRoute, type Guard, ProblemError, problems, type Route } from "@portcullis/core";
import { z } from "zod";
import type { SocketTickets } from "../socket-tickets/create-socket-tickets.js";
import { answer, SMALL_BODY_BYTES, tokenOf, valueOf } from "./route-answer.js";

const ticketBody = z
  .strictObject({
    path: z
      .string()
      .regex(/^\/[!-~]{0,255}$/)
      .optional()
      .meta({ description: "Path of the socket, when the ticket is to open no other." }),
  })
  .optional();
const ticketResponse = z.object({
  ticket: z.string().meta({ description: "Works once." }),
  expires_in: z.number().int().meta({ description: "Seconds." }),
});

/** Tickets for WebSocket handshakes. */
export function socketTicketRoutes(tickets: SocketTickets, prefix: string, signedIn: Guard): readonly Route[] {
  return [
    defineRoute({
      method: "POST",
      path: `${prefix}/ws-ticket`,
      operationId: "authCreateSocketTicket",
      summary: "Get a ticket that opens one WebSocket",
      tags: ["auth"],
      guards: [signedIn],
      input: { body: ticketBody, bodyRequired: false, maxBodyBytes: SMALL_BODY_BYTES },
      responses: { 201: { description: "Send it with the handshake.", schema: ticketResponse } },
      async handle(request, { facts, body }) {
        const origin = request.headers.get("origin") ?? undefined;
        // Hosts join repeated lines with commas; no origin has one.
        if (origin?.includes(",") === true) throw new ProblemError(problems.originRefused());
        const { ticket, expiresInMs } = valueOf(await tickets.mint(tokenOf(facts), { origin, path: body?.path }));
        return answer(201, ticketResponse, { ticket, expires_in: Math.floor(expiresInMs / 1000) });
      },
    }),
  ];
}
