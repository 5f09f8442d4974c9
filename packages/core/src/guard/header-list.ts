/** One response header field: lower-case name, value. */
export type HeaderField = readonly [name: string, value: string];

/**
 * Response header fields in order. A name given twice means two field lines.
 * A field from a later list overwrites the same field of an earlier one, except the {@link isAppended} fields.
 */
export type HeaderList = readonly HeaderField[];

// List-valued fields to which several guards contribute (RFC 9110 §5.3); Set-Cookie is the one that must stay separate lines (RFC 6265 §3).
const APPENDED = new Set(["vary", "set-cookie", "www-authenticate", "link", "ratelimit", "ratelimit-policy"]);

/** Whether a field of this lower-case name joins what earlier guards set, instead of overwriting it. */
export function isAppended(name: string): boolean {
  return APPENDED.has(name);
}

/** Whether the field at `index` adds a line to what is there, instead of replacing it: an appended field, or a name given before in this list. */
export function addsLine(headers: HeaderList, index: number): boolean {
  const name = headers[index]?.[0];
  if (name === undefined || isAppended(name)) return true;
  for (let earlier = 0; earlier < index; earlier += 1) if (headers[earlier]?.[0] === name) return true;
  return false;
}

/** Both lists as one, with the fields of `later` overwriting the same fields of `earlier`, the appended ones excepted. */
export function mergeHeaders(earlier: HeaderList, later: HeaderList): HeaderList {
  const overwritten = later.some(([name]) => !isAppended(name) && earlier.some(([other]) => other === name));
  if (!overwritten) return [...earlier, ...later];
  return [...earlier.filter(([name]) => isAppended(name) || !later.some(([other]) => other === name)), ...later];
}
