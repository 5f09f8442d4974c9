// PostgreSQL's text holds no U+0000, and UTF-8 no lone surrogate: a driver would refuse the one and turn all of the other
// into U+FFFD, so that two keys become one. Both are written as pairs that begin with U+0001 or U+E000, which are doubled in
// turn. Distinct strings stay distinct, and the order of code points stays as it is.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const ODD = /[\0\u0001\uE000\p{Surrogate}]/gu;
// oxlint-disable-next-line no-control-regex -- as above
const WRITTEN = /\u0001[\u0001\u0002]|\uE000\uE000[\uE000-\uE7FF]|\uE000\uE001/gu;
// oxlint-disable-next-line no-control-regex -- as above
const HAS_WRITTEN = /[\u0001\uE000]/u;
const FIRST_SURROGATE = 0xd800;
const FIRST_PRIVATE = 0xe000;

/** Any string as one that every database keeps as it is. */
export function escapeText(text: string): string {
  return text.replace(ODD, (odd) => {
    if (odd === "\0") return "\u0001\u0001";
    if (odd === "\u0001") return "\u0001\u0002";
    if (odd === "\uE000") return "\uE000\uE001";
    return `\uE000\uE000${String.fromCharCode(FIRST_PRIVATE + odd.charCodeAt(0) - FIRST_SURROGATE)}`;
  });
}

/** The string that was escaped. */
export function unescapeText(text: string): string {
  if (!HAS_WRITTEN.test(text)) return text;
  return text.replace(WRITTEN, (written) => {
    if (written === "\u0001\u0001") return "\0";
    if (written === "\u0001\u0002") return "\u0001";
    if (written.length === 2) return "\uE000";
    return String.fromCharCode(FIRST_SURROGATE + written.charCodeAt(2) - FIRST_PRIVATE);
  });
}
