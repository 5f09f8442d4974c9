/** A cookie without its value: what identifies it in browsers and must not differ between setting and taking away. */
export interface CookieShape {
  readonly name: string;
  readonly attributes: string;
}

/** A `Set-Cookie` value. @param maxAgeSeconds Seconds until browsers forget it. */
export function cookieLine({ name, attributes }: CookieShape, value: string, maxAgeSeconds: number): string {
  return `${name}=${value}; ${attributes}; Max-Age=${maxAgeSeconds}`;
}

/** The `Set-Cookie` value that takes a cookie away. `Expires` is for what knows no `Max-Age`. */
export function expiredLine(shape: CookieShape): string {
  return `${cookieLine(shape, "", 0)}; Expires=Thu, 01 Jan 1970 00:00:00 GMT`;
}
