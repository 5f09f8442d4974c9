import type { IsSecretName } from "./secret-names.js";

/** Stands for a secret. */
export const REDACTED = "[redacted]";

// Secrets that show by their shape, whatever they are called.
const SHAPES: readonly { readonly shape: RegExp; readonly replacement: string }[] = [
  // An Authorization header's value; not "basic knowledge": there is a capital, a digit or a sign in it.
  { shape: /\b([Bb]earer|BEARER|[Bb]asic|BASIC) +(?=\S*[A-Z0-9=._~+/-])[A-Za-z0-9._~+/=-]{6,}/g, replacement: `$1 ${REDACTED}` },
  { shape: /\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)*/g, replacement: REDACTED },
  { shape: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z0-9 ]{0,40}-----)?/g, replacement: REDACTED },
  { shape: /PRIVATE\+KEY\+\S+/g, replacement: REDACTED },
  // https://user:password@host
  { shape: /(:\/\/[^\s/:@]{0,256}:)[^\s/@]{1,256}(?=@)/g, replacement: `$1${REDACTED}` },
];

// `name=value`, `name: value`, `"name":"value"`, in query strings, headers, forms and broken JSON. Percent-encoded names count.
const NAME = /(?<![A-Za-z0-9_%.-])([A-Za-z%][A-Za-z0-9_%.-]{1,63})\\?["']?\]?\s{0,4}[:=]\s{0,4}/g;
const VALUE = /(\\?")(?:[^"\\]|\\(?!"))*(?:\\?"|\\?$)|'[^']*'?|[^\s&;,"'}\])]+/y;
// A header takes its whole line: it may hold several words.
const HEADER_LINE = /^([ \t]{0,8})((?:proxy-)?authorization|(?:set-)?cookie)(\s{0,4}:\s{0,4})[^\r\n]+/gim;

/**
 * The text without the secrets in it: by their shape, and by the names they stand under.
 *
 * @param text At most some ten thousand characters: the patterns are linear, their constant is not small.
 */
export function redactText(text: string, isSecretName: IsSecretName): string {
  if (!/[:=.+ ]/.test(text)) return text;
  let redacted = text.replace(HEADER_LINE, `$1$2$3${REDACTED}`);
  for (const { shape, replacement } of SHAPES) redacted = redacted.replace(shape, replacement);
  return redactNamed(redacted, isSecretName);
}

// Name by name, not pair by pair: in "login failed: password=x" the value of the first is the pair that matters.
function redactNamed(text: string, isSecretName: IsSecretName): string {
  let result = "";
  let copiedTo = 0;
  NAME.lastIndex = 0;
  for (let named = NAME.exec(text); named !== null; named = NAME.exec(text)) {
    const valueAt = NAME.lastIndex;
    if (!isSecretName(decoded(named[1] ?? "")) || text.startsWith(REDACTED, valueAt)) continue;
    VALUE.lastIndex = valueAt;
    const value = VALUE.exec(text);
    if (value === null) continue;
    const quote = value[1] ?? "";
    result += `${text.slice(copiedTo, valueAt)}${quote}${REDACTED}${quote}`;
    copiedTo = VALUE.lastIndex;
    NAME.lastIndex = copiedTo;
  }
  return result + text.slice(copiedTo);
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
