// docs/design/encryption-format.md, and nothing else: no line of this file is taken from the package.
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";

export interface ReferencePlace {
  readonly namespace: string;
  readonly tenant?: string;
  readonly table: string;
  readonly recordId?: string | number | bigint;
  readonly field: string;
  readonly purpose: "value" | "field";
  readonly context?: unknown;
}

const expand = (key: Buffer, ...info: Buffer[]): Buffer =>
  createHmac("sha512", key)
    .update(Buffer.concat([...info, Buffer.of(1)]))
    .digest();
const text = (value: string): Buffer => Buffer.from(value, "utf8");

export const keyId = (key: Buffer): Buffer => expand(key, text("portcullis.encryption.v1 key-id")).subarray(0, 8);

function item(value: unknown): Buffer {
  const framed = (type: number, content: Buffer): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt8(type, 0);
    head.writeUInt32BE(content.length, 1);
    return Buffer.concat([head, content]);
  };
  if (value === undefined) return framed(0, Buffer.alloc(0));
  if (value === null) return framed(1, Buffer.alloc(0));
  if (typeof value === "boolean") return framed(2, Buffer.of(Number(value)));
  if (typeof value === "number" || typeof value === "bigint") return framed(3, text(String(value)));
  if (typeof value === "string") return framed(4, text(value));
  if (Array.isArray(value)) return framed(5, Buffer.concat(value.map(item)));
  const pairs = Object.entries(value).map(([name, member]) => Buffer.concat([item(name), item(member)]));
  return framed(6, Buffer.concat(pairs.sort((a, b) => Buffer.compare(a, b)))); // names differ, so the pairs sort as their names do
}

const associated = (header: Buffer, place: ReferencePlace): Buffer =>
  Buffer.concat([
    header,
    ...[place.namespace, place.tenant, place.table, place.recordId, place.field, place.purpose, place.context].map(item),
  ]);

export function open(envelope: string, key: Buffer, place: ReferencePlace): unknown {
  const bytes = Buffer.from(envelope.replace("enc:v1:", ""), "base64url");
  const block = expand(key, text("portcullis.encryption.v1 message"), bytes.subarray(0, 26));
  if (!block.subarray(32).equals(bytes.subarray(38, 70))) throw new Error("commitment");
  const decipher = createDecipheriv("aes-256-gcm", block.subarray(0, 32), bytes.subarray(26, 38), { authTagLength: 16 });
  decipher.setAAD(associated(bytes.subarray(0, 70), place)).setAuthTag(bytes.subarray(-16));
  return decode(Buffer.concat([decipher.update(bytes.subarray(70, -16)), decipher.final()]));
}

export function seal(plaintext: Buffer, key: Buffer, id: Buffer, salt: Buffer, nonce: Buffer, place: ReferencePlace): string {
  const derived = Buffer.concat([Buffer.of(1, 1), id, salt]);
  const block = expand(key, text("portcullis.encryption.v1 message"), derived);
  const header = Buffer.concat([derived, nonce, block.subarray(32)]);
  const cipher = createCipheriv("aes-256-gcm", block.subarray(0, 32), nonce, { authTagLength: 16 });
  cipher.setAAD(associated(header, place));
  return `enc:v1:${Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]).toString("base64url")}`;
}

function decode(bytes: Buffer): unknown {
  const body = bytes.subarray(1);
  const parts = (): unknown[] => {
    const found: unknown[] = [];
    for (let at = 0; at < body.length; at += 4 + body.readUInt32BE(at))
      found.push(decode(body.subarray(at + 4, at + 4 + body.readUInt32BE(at))));
    return found;
  };
  switch (bytes[0]) {
    case 0x00:
      return undefined;
    case 0x01:
      return null;
    case 0x02:
    case 0x03:
      return bytes[0] === 0x03;
    case 0x04:
      return body.readDoubleBE(0);
    case 0x05:
      return BigInt(body.toString("latin1"));
    case 0x06:
      return body.toString("utf8");
    case 0x07:
      return body.toString("utf16le");
    case 0x08:
      return new Date(body.readDoubleBE(0));
    case 0x09:
    case 0x0a:
      return new Uint8Array(body);
    case 0x0b:
      return parts();
    case 0x0c: {
      const flat = parts();
      return Object.fromEntries(flat.flatMap((name, index) => (index % 2 === 0 ? [[String(name), flat[index + 1]]] : [])));
    }
    case 0x10:
      return decode(body.subarray(4, 4 + body.readUInt32BE(0)));
    default:
      throw new Error("tag");
  }
}
