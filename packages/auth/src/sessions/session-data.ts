// What a session's record keeps beside its tokens: how the user proved itself, and what a list of sessions shows.

/** How somebody proved who they are. */
export interface LoginProof {
  /** In the words of RFC 8176 (`pwd`, `otp`, `mfa`), or `fed` for another provider's word. */
  readonly amr: readonly string[];
  /** Epoch ms of the second factor's proof; `undefined` without one. */
  readonly mfaAt: number | undefined;
}

/** From where a login came. Shown to the user; decides nothing. */
export interface ClientContext {
  readonly ip?: string | undefined;
  readonly userAgent?: string | undefined;
}

/** What is stored with a session. */
export interface SessionDetails extends LoginProof {
  readonly client: ClientContext;
}

const MAX_SHOWN_CHARACTERS = 256;

/** The text stored. What a stranger sent is cut to a bounded length. */
export function writeSessionDetails({ amr, mfaAt, client }: SessionDetails): string {
  return JSON.stringify({
    amr,
    mfaAt,
    ip: client.ip?.slice(0, MAX_SHOWN_CHARACTERS),
    userAgent: client.userAgent?.slice(0, MAX_SHOWN_CHARACTERS),
  });
}

/** @param data Written by {@link writeSessionDetails}. */
export function readSessionDetails(data: string): SessionDetails {
  const { amr = [], mfaAt, ip, userAgent } = JSON.parse(data) as Partial<LoginProof> & ClientContext; // only this file writes it
  return Object.freeze({ amr: Object.freeze(amr), mfaAt, client: Object.freeze({ ip, userAgent }) });
}
