// What can end a token before its time, as the store has it.

import type { MaybePromise, SessionRecord, SubjectState } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import { noteUseAfterMs } from "../sessions/session-settings.js";
import type { Blacklist } from "./blacklist.js";

/** Which token, by its claims. */
export interface TokenIdentity {
  readonly subjectId: string;
  readonly sessionId: string;
  readonly tokenId: string;
  readonly blacklistKey: string;
}

/** What was read of a token. */
export interface Standing {
  readonly state: SubjectState;
  /** Whether it is on the blacklist. */
  readonly isRevoked: boolean;
  /** `undefined`: the session is over. */
  readonly session: SessionRecord | undefined;
}

/** Reads the standing of a token; synchronous where the store is. @throws {StoreUnavailable} */
export type StandingReader = (token: TokenIdentity) => MaybePromise<Standing>;

export function createStandingReader(settings: AuthSettings, blacklist: Blacklist): StandingReader {
  const { subjects, sessions } = settings.store;
  const noteAfterMs = noteUseAfterMs(settings);
  const settled = async ({ sessionId, blacklistKey }: TokenIdentity, state: MaybePromise<SubjectState>): Promise<Standing> => {
    // A store behind a network is asked for everything at once.
    const [stateRead, isRevoked, session] = await Promise.all([
      state,
      (async () => blacklist.hasKey(blacklistKey))(),
      (async () => sessions.find(sessionId, noteAfterMs))(),
    ]);
    return { state: stateRead, isRevoked, session };
  };

  return (token) => {
    const state = subjects.read(token.subjectId);
    if (state instanceof Promise) return settled(token, state);
    const isRevoked = blacklist.hasKey(token.blacklistKey);
    if (isRevoked instanceof Promise) {
      return Promise.all([isRevoked, (async () => sessions.find(token.sessionId, noteAfterMs))()]).then(([read, session]) => ({
        state,
        isRevoked: read,
        session,
      }));
    }
    const session = sessions.find(token.sessionId, noteAfterMs);
    return session instanceof Promise ? session.then((found) => ({ state, isRevoked, session: found })) : { state, isRevoked, session };
  };
}
