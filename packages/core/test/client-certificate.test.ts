import { type NodeIncoming, nodeRequest } from "@portcullis/core/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readCertificate } from "../src/node/client-certificate.js";

const FINGERPRINT = "CD:E6:6C";
const namesOf = (subjectAltName: string): readonly string[] | undefined =>
  readCertificate({ subject: "CN=a", subjectAltName, fingerprint256: FINGERPRINT })?.subjectAltNames;

describe("the names of a certificate", () => {
  test.each([
    ["", []],
    ["DNS:a.example", ["DNS:a.example"]],
    [
      "DNS:a.example, URI:spiffe://acme/billing, IP Address:10.0.0.1",
      ["DNS:a.example", "URI:spiffe://acme/billing", "IP Address:10.0.0.1"],
    ],
    [String.raw`DNS:"a.example\u002c DNS:b.example", email:a@b`, ["DNS:a.example, DNS:b.example", "email:a@b"]],
    [String.raw`URI:"spiffe://acme/\", URI:spiffe://acme/admin"`, ['URI:spiffe://acme/", URI:spiffe://acme/admin']],
    [String.raw`DirName:"O=w\u002cCN=q", othername:UPN:"a\\b"`, ["DirName:O=w,CN=q", String.raw`othername:UPN:a\b`]],
    ["DNS:", ["DNS:"]],
  ])("%j", (text, names) => {
    expect(namesOf(text)).toEqual(names);
  });

  test.each(['DNS:"a', 'DNS:a"', String.raw`DNS:"a\x"`, "DNS:a,DNS:b", ", DNS:a", "DNS:a, , DNS:b", 'DNS:"a\nb"'])(
    "of a certificate that cannot be told apart make it none: %j",
    (text) => {
      expect(namesOf(text)).toBeUndefined();
    },
  );

  test("are as many as were quoted, whatever is in them", () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (values) => {
        expect(namesOf(values.map((value) => `DNS:${JSON.stringify(value)}`).join(", "))).toEqual(values.map((value) => `DNS:${value}`));
      }),
    );
  });
});

test.each([
  ["CN=billing", "CN=billing"],
  ["C=DE\nO=Acme\\, Inc\nOU=a + CN=bill\\+ing", "OU=a+CN=bill\\+ing,O=Acme\\, Inc,C=DE"],
  ["CN=a\\\\ \\+ b\\ ", "CN=a\\\\ \\+ b\\ "],
  [undefined, ""],
])("the subject %j is %j", (subject, expected) => {
  expect(readCertificate({ subject, subjectAltName: undefined, fingerprint256: FINGERPRINT })).toEqual({
    subject: expected,
    subjectAltNames: [],
    fingerprint256: "cde66c",
  });
});

describe("a socket's certificate", () => {
  const NOWHERE = { route: () => undefined, param: () => undefined };
  const nothing = (): undefined => undefined;
  const certificate = { subject: "CN=a", subjectAltName: "DNS:a", fingerprint256: FINGERPRINT };
  const requestOn = (socket: NodeIncoming["socket"]) => {
    const stream = {
      read: nothing,
      resume: nothing,
      unshift: nothing,
      on: nothing,
      off: nothing,
      destroyed: false,
      readableDidRead: false,
    };
    const body = {
      readableFlowing: null,
      readableLength: 0,
      [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
    };
    return nodeRequest({ ...stream, ...body, rawHeaders: [], socket }, NOWHERE, undefined);
  };

  test("is read once, frozen, and still known when the connection has closed", () => {
    let reads = 0;
    const socket = { once: nothing, authorized: true, getPeerX509Certificate: () => (reads++ === 0 ? certificate : undefined) };
    const first = requestOn(socket).clientCertificate;
    expect(requestOn(socket).clientCertificate).toBe(first);
    expect(first?.subject).toBe("CN=a");
    expect([Object.isFrozen(first), Object.isFrozen(first?.subjectAltNames)]).toEqual([true, true]);
  });

  test.each([
    [{}],
    [{ authorized: false, getPeerX509Certificate: () => certificate }],
    [{ getPeerX509Certificate: () => certificate }],
    [{ authorized: true }],
    [{ authorized: true, getPeerX509Certificate: nothing }],
    [{ authorized: true, getPeerX509Certificate: () => ({ ...certificate, subjectAltName: 'DNS:"' }) }],
  ])("is undefined where none was verified, shown or understood: %o", (socket) => {
    expect(requestOn({ once: nothing, ...socket }).clientCertificate).toBeUndefined();
  });
});
