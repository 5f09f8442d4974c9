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

/** How a field gets into a response. */
export type WriteField<Response> = (response: Response, name: string, value: string) => void;

/**
 * Writes each field into a response: with `add` where it joins what is there (an appended field, or a name given before in
 * this list), with `set` where it replaces it.
 */
export function writeFields<Response>(response: Response, headers: HeaderList, set: WriteField<Response>, add: WriteField<Response>): void {
  // Lengths of the names so far, a bit for each: names are compared only where two could be the same.
  let lengths = 0;
  for (let index = 0; index < headers.length; index += 1) {
    const [name, value] = headers[index] as HeaderField; // index < length
    const length = 1 << (name.length & 31);
    if (isAppended(name) || ((lengths & length) !== 0 && isGiven(headers, name, index))) add(response, name, value);
    else set(response, name, value);
    lengths |= length;
  }
}

/** Both lists as one, with the fields of `later` overwriting the same fields of `earlier`, the appended ones excepted. */
export function mergeHeaders(earlier: HeaderList, later: HeaderList): HeaderList {
  const merged = [...earlier];
  addFields(merged, later);
  return merged;
}

/** {@link mergeHeaders} into the first list. */
export function addFields(merged: HeaderField[], later: HeaderList): void {
  const earlierCount = merged.length;
  for (const field of later) {
    if (!isAppended(field[0]) && isGiven(merged, field[0], earlierCount)) return overwrite(merged, later);
  }
  for (const field of later) merged.push(field);
}

function overwrite(merged: HeaderField[], later: HeaderList): void {
  const kept = merged.filter(([name]) => isAppended(name) || !isGiven(later, name, later.length));
  merged.splice(0, merged.length, ...kept, ...later);
}

/** Whether one of the first `count` fields has that name. */
function isGiven(headers: HeaderList, name: string, count: number): boolean {
  for (let index = 0; index < count; index += 1) if (headers[index]?.[0] === name) return true;
  return false;
}
