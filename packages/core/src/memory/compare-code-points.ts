/** The order of the UTF-8 bytes, which databases sort by; `<` on strings puts surrogate pairs before U+E000. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index += 1) {
    if (a.charCodeAt(index) !== b.charCodeAt(index)) return (a.codePointAt(index) ?? 0) - (b.codePointAt(index) ?? 0) || 0;
  }
  return a.length - b.length;
}
