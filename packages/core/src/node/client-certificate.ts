import type { ClientCertificate } from "../guard/client-certificate.js";
import type { NodeSocket } from "./incoming.js";

/** The part of Node's `crypto.X509Certificate` that is read. */
export interface NodeCertificate {
  /** One line for each part of the name, the values escaped as in RFC 4514 §2.4. */
  readonly subject: string | undefined;
  /** Names joined by `, `; what is not plain is quoted as JSON. */
  readonly subjectAltName: string | undefined;
  /** Upper-case hex, bytes joined by colons. */
  readonly fingerprint256: string;
}

// Parsed once for all requests of a connection.
const known = new WeakMap<NodeSocket, ClientCertificate>();

/** The certificate that a socket's handshake verified; `undefined` where it verified none. */
export function clientCertificateOf(socket: NodeSocket): ClientCertificate | undefined {
  // A resumed TLS 1.3 session counts as authorised even if it began without a certificate: both are asked for.
  if (socket.authorized !== true) return undefined;
  const parsed = known.get(socket);
  if (parsed !== undefined) return parsed;
  const certificate = socket.getPeerX509Certificate?.();
  const read = certificate === undefined ? undefined : readCertificate(certificate);
  if (read !== undefined) known.set(socket, read);
  return read;
}

/** A certificate as guards see it; `undefined` where its names cannot be told apart for certain. */
export function readCertificate({ subject = "", subjectAltName = "", fingerprint256 }: NodeCertificate): ClientCertificate | undefined {
  const names = splitNames(subjectAltName);
  if (names === undefined) return undefined;
  return Object.freeze({
    subject: distinguishedName(subject),
    subjectAltNames: Object.freeze(names),
    fingerprint256: fingerprint256.replaceAll(":", "").toLowerCase(),
  });
}

// RFC 4514 §2.1: the last part of the certificate's name comes first, and `+` joins the values of one part. Node has escaped the
// values, so a line break or a plus between spaces is never part of one.
function distinguishedName(lines: string): string {
  return lines
    .split("\n")
    .reverse()
    .map((part) => part.replaceAll(" + ", "+"))
    .join(",");
}

// oxlint-disable-next-line no-control-regex -- JSON text has none: RFC 8259 §7
const QUOTED = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/g;
const NAME = new RegExp(`((?:[^",]|${QUOTED.source})+)(?:, |$)`, "y");

// CVE-2021-44532: a comma inside a name must not make a second name of its rest, so whoever may have one certificate signed cannot
// be somebody else as well. Node quotes such values (as in its own check of server names); text that is quoted otherwise is refused.
function splitNames(text: string): string[] | undefined {
  const names: string[] = [];
  for (let index = 0; index < text.length; index = NAME.lastIndex) {
    NAME.lastIndex = index;
    const name = NAME.exec(text)?.[1];
    if (name === undefined) return undefined;
    names.push(name.replace(QUOTED, (quoted) => String(JSON.parse(quoted))));
  }
  return names;
}
