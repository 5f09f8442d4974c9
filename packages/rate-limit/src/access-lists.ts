import { invalidOption, type IpBlock, parseIp, parseIpBlock } from "@portcullis/core";
import type { LimitCheck } from "./limit-check.js";

/** Callers by name. */
export interface AccessLists {
  /** IP addresses and CIDR blocks. */
  readonly addresses?: readonly string[];
  /** `subjectOf(principal)`. */
  readonly subjects?: readonly string[];
}

/** What the lists say of a check: `undefined` where its caller is on none. */
export type Listed = (check: LimitCheck) => "allowed" | "denied" | undefined;

/**
 * Reads both lists; who is on both is refused.
 *
 * @returns `undefined` where they are empty.
 * @throws {ConfigurationError} `invalid_option`: an entry is no address or block, or no subject.
 */
export function createListed(allow: AccessLists = {}, deny: AccessLists = {}): Listed | undefined {
  const [allowed, denied] = [createAccessList("allow", allow), createAccessList("deny", deny)];
  if (allowed.isEmpty && denied.isEmpty) return undefined;
  return (check) => {
    const by = check.phase === "operation" ? check.by : check;
    const subject = "subject" in by ? by.subject : undefined;
    const ipKey = "ipKey" in by ? by.ipKey : undefined;
    const address = check.address;
    const isOn = (list: AccessList): boolean => subject !== undefined && list.hasSubject(subject);
    if (isOn(denied) || [ipKey, address].some((from) => from !== undefined && denied.hasAddress(from))) return "denied";
    // To be let off is trust, and a key is less than an address: that of 2002:7f00:1:: is 127.0.0.1.
    const from = address ?? ipKey;
    return isOn(allowed) || (from !== undefined && allowed.hasAddress(from)) ? "allowed" : undefined;
  };
}

/** Whether a caller is on a list. */
interface AccessList {
  readonly isEmpty: boolean;
  /** @param ipKey An address, or the block that limits go by (`2001:db8:1:2::/64`): listed only as a whole. */
  hasAddress(ipKey: string): boolean;
  hasSubject(subject: string): boolean;
}

const MOST_REMEMBERED = 4_096;

function createAccessList(option: string, { addresses = [], subjects = [] }: AccessLists = {}): AccessList {
  const blocks = addresses.map((text, index) => readBlock(`${option}.addresses[${index}]`, text));
  for (const [index, subject] of subjects.entries()) {
    if (typeof subject !== "string" || subject === "") throw invalidOption(`${option}.subjects[${index}]`, subject, "a subject's id");
  }
  const listed = new Set(subjects);
  // Emptied when full, so that rotating addresses costs time, not memory.
  const known = new Map<string, boolean>();
  return Object.freeze({
    isEmpty: blocks.length === 0 && listed.size === 0,
    hasAddress(ipKey: string): boolean {
      if (blocks.length === 0) return false;
      const remembered = known.get(ipKey);
      if (remembered !== undefined) return remembered;
      if (known.size >= MOST_REMEMBERED) known.clear();
      const isListed = blocks.some((block) => contains(block, ipKey));
      known.set(ipKey, isListed);
      return isListed;
    },
    hasSubject: (subject: string): boolean => listed.has(subject),
  });
}

function readBlock(option: string, text: string): IpBlock {
  const block = typeof text === "string" ? parseIpBlock(text) : undefined;
  if (block === undefined) throw invalidOption(option, text, "an IP address or a CIDR block");
  return block;
}

function contains(block: IpBlock, ipKey: string): boolean {
  const [text = "", length] = ipKey.split("/");
  const address = parseIp(text);
  if (address === undefined) return false;
  return block.contains(address) && (length === undefined || block.prefixLength <= Number(length));
}
