/** One field of a request; repeated lines joined, so that they match nothing. @param name Lower case. */
export type ReadField = (name: string) => string | null | undefined;

/**
 * Whether a page of another origin sent the request, by what its browser says of it: the rules of Go's `CrossOriginProtection`
 * (net/http, 1.25). Without both fields it came from no browser that could be abused: `Origin` goes with every POST since 2020.
 *
 * @param trusted Origins that count as ours.
 */
export function isCrossOrigin(field: ReadField, trusted: ReadonlySet<string>): boolean {
  const site = field("sec-fetch-site") ?? undefined;
  // "none": the user did it, from the address bar or a bookmark.
  if (site === "same-origin" || site === "none") return false;
  const origin = field("origin") ?? undefined;
  if (origin !== undefined && trusted.has(origin)) return false;
  // "same-site" is a neighbour, who is not us: a forgotten subdomain can be somebody else's.
  if (site !== undefined) return true;
  return origin !== undefined && !isOwnHost(origin, field("host") ?? undefined);
}

// The scheme is not compared: behind a proxy that ends TLS it is not known here.
function isOwnHost(origin: string, host: string | undefined): boolean {
  return host !== undefined && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
