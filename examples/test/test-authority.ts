// A certificate authority for tests over real TLS.
import { X509Certificate } from "node:crypto";

// @peculiar/x509 demands a reflection polyfill when it is loaded; what one would tell it does not need.
const nothing = (): undefined => undefined;
Object.assign(Reflect, { getMetadata: nothing, getOwnMetadata: nothing, defineMetadata: nothing });
const x509 = await import("@peculiar/x509");

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;

/** A key with its certificate, as PEM. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
}

/** A name in a certificate. */
export interface AltName {
  readonly type: "dns" | "url";
  readonly value: string;
}

/** Signs certificates. */
export interface Authority {
  /** Its own certificate, as PEM. */
  readonly ca: string;
  /** @param subject In the order of the certificate: the reverse of RFC 4514's. */
  issue(subject: string, names: readonly AltName[]): Promise<Credentials>;
}

/** An authority that nobody trusts but who is told to. */
export async function createAuthority(): Promise<Authority> {
  const notBefore = new Date(Date.now() - DAY_MS);
  const notAfter = new Date(Date.now() + DAY_MS);
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const dates = { notBefore, notAfter, signingAlgorithm: ALGORITHM };
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    ...dates,
    name: "CN=Authority of a test",
    keys,
    extensions: [new x509.BasicConstraintsExtension(true)],
  });
  return {
    ca: own.toString("pem"),
    async issue(subject, names) {
      const { publicKey, privateKey } = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
      const certificate = await x509.X509CertificateGenerator.create({
        ...dates,
        subject,
        issuer: own.subject,
        signingKey: keys.privateKey,
        publicKey,
        extensions: names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension([...names])],
      });
      const key = Buffer.from(await crypto.subtle.exportKey("pkcs8", privateKey)).toString("base64");
      return { cert: certificate.toString("pem"), key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` };
    },
  };
}

/** SHA-256 of a certificate, in lower-case hex. */
export function fingerprintOf({ cert }: Credentials): string {
  return new X509Certificate(cert).fingerprint256.replaceAll(":", "").toLowerCase();
}
