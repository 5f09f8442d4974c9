import type { FastifyServerOptions } from "fastify";

// Decodes to U+FFFD, the character that stands for what could not be decoded; no route has it.
const UNDECODABLE = "/%EF%BF%BD";

/**
 * Options that make Fastify leave every answer to the guards: `Fastify(fastifyOptions)`, or spread them into your own.
 *
 * Without them Fastify answers some requests itself, before any hook runs and so without security headers: a path that is
 * not UTF-8 (`/%C0%AE`), a long path parameter, any request during shutdown.
 */
export const fastifyOptions = Object.freeze({
  // Such a path goes to the not-found handler, whose hooks run; guards and App still see the target as sent.
  rewriteUrl: ({ url = "/" }) => (!url.includes("%") || isDecodable(url) ? url : UNDECODABLE),
  // Node bounds the head of a request to 16 KiB.
  routerOptions: Object.freeze({ maxParamLength: 16_384 }),
  return503OnClosing: false,
} satisfies FastifyServerOptions);

function isDecodable(url: string): boolean {
  const end = url.indexOf("?");
  try {
    decodeURI(end === -1 ? url : url.slice(0, end));
    return true;
  } catch {
    return false;
  }
}
