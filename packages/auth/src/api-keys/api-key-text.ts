// How a key looks: prefix_environment_id_secret_checksum, letters and digits only, so that a double click selects all of it,
// secret scanners recognise it, and it can never be taken for a JWT (no dots).

import { crc32 } from "node:zlib";
import type { ApiKeySettings } from "./api-key-settings.js";

/** A key's parts that mean something; the checksum was right. */
export interface ApiKeyText {
  readonly id: string;
  /** The whole key: what is hashed. */
  readonly text: string;
  readonly lastFour: string;
}

const ID_BYTES = 12;
const ID_CHARACTERS = 17;
const SECRET_BYTES = 32;
const SECRET_CHARACTERS = 43;
const CHECKSUM_CHARACTERS = 6;
const MAX_CHARACTERS = 128;
const SHAPE = /^([a-z0-9]+)_([a-z0-9]+)_([0-9A-Za-z]{17})_[0-9A-Za-z]{43}_([0-9A-Za-z]{6})$/;

/** A new key with 256 random bits. */
export function createApiKeyText(settings: ApiKeySettings, random: (bytes: number) => Uint8Array): ApiKeyText {
  const id = base62(random(ID_BYTES), ID_CHARACTERS);
  const body = `${settings.prefix}_${settings.environment}_${id}_${base62(random(SECRET_BYTES), SECRET_CHARACTERS)}`;
  return keyText(id, `${body}_${checksum(body)}`);
}

/** @returns `undefined` for what cannot be a key of this environment: a typing error costs no look-up. */
export function parseApiKeyText(text: string, settings: ApiKeySettings): ApiKeyText | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const match = SHAPE.exec(text);
  if (match === null) return undefined;
  const [, prefix, environment, id, sum] = match as unknown as readonly [string, string, string, string, string]; // no group is optional
  if (prefix !== settings.prefix || environment !== settings.environment) return undefined;
  return checksum(text.slice(0, -CHECKSUM_CHARACTERS - 1)) === sum ? keyText(id, text) : undefined;
}

function keyText(id: string, text: string): ApiKeyText {
  // Of the secret, not of the checksum: what people see in a list must tell keys apart.
  const secretEnd = text.length - CHECKSUM_CHARACTERS - 1;
  return { id, text, lastFour: text.slice(secretEnd - 4, secretEnd) };
}

// A checksum, not a MAC: it finds typing errors and false alarms of scanners, and proves nothing.
function checksum(body: string): string {
  const sum = new Uint8Array(4);
  new DataView(sum.buffer).setUint32(0, crc32(body));
  return base62(sum, CHECKSUM_CHARACTERS);
}

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function base62(bytes: Uint8Array, characters: number): string {
  let rest = BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  let text = "";
  for (let index = 0; index < characters; index += 1) {
    text = DIGITS.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return text;
}
