// What a session and a remembered token hold.
import { createMemoryStore } from "@portcullis/core";
import { heldBytes } from "../harness/held-bytes.js";
import { authOn, copyOf, subjectAt } from "./callers.js";

/** Bytes that each holds in this process. */
export interface Footprint {
  /** Of a session in the memory store. */
  readonly session: number;
  /** Of a verified token that is remembered, its text included. */
  readonly token: number;
  /** How long that text is. */
  readonly tokenCharacters: number;
}

/** Run it with `--expose-gc`. */
export async function measureFootprint(count: number): Promise<Footprint> {
  const store = createMemoryStore();
  const issuing = authOn(store, 0);
  // What the first ones make for all of them is not theirs.
  for (let user = 0; user < 100; user += 1) await issuing.createTokenPair(subjectAt(count + user));
  const beforeSessions = heldBytes();
  for (let user = 0; user < count; user += 1) await issuing.createTokenPair(subjectAt(user));
  const session = (heldBytes() - beforeSessions) / count;

  const texts: Buffer[] = [];
  for (let user = 0; user < count; user += 1)
    texts.push(Buffer.from((await issuing.createTokenPair(subjectAt(user))).accessToken, "latin1"));
  const verifying = authOn(store, count + 100);
  const verifyAll = async (): Promise<void> => {
    for (const text of texts) {
      if ((await verifying.verifyAccessToken(text.toString("latin1"))).kind !== "ok") throw new Error("A good token is refused.");
    }
  };
  const beforeTokens = heldBytes();
  await verifyAll();
  const token = (heldBytes() - beforeTokens) / count;
  // Used after the measurement, so that all were held during it.
  await verifyAll();
  return { session, token, tokenCharacters: copyOf(texts[0]?.toString("latin1") ?? "").length };
}
