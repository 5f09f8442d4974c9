/** A caller's certificate that the TLS handshake verified. */
export interface ClientCertificate {
  /** The distinguished name as RFC 4514 text, e.g. `CN=billing,O=Acme`; empty where the certificate names its owner in `subjectAltNames` alone. */
  readonly subject: string;
  /** Each name with its kind, e.g. `DNS:billing.internal`, `URI:spiffe://acme/billing`. One that contains a comma is still one. */
  readonly subjectAltNames: readonly string[];
  /** SHA-256 of the certificate: 64 lower-case hex digits. */
  readonly fingerprint256: string;
}
