/** Two tokens: one for calls, one to get the next two. Shown once; never stored or logged by us. */
export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Epoch ms, a whole second. */
  readonly issuedAt: number;
  /** Epoch ms. */
  readonly accessExpiresAt: number;
  /** Epoch ms: the end of the session, which no refresh moves. */
  readonly refreshExpiresAt: number;
  readonly sessionId: string;
}

/** For whom tokens are made. */
export interface TokenSubject {
  /** 1 to 128 characters. */
  readonly userId: string;
  readonly email?: string | undefined;
  readonly orgId?: string | undefined;
  readonly workspaceId?: string | undefined;
  /** One role or several; what `principal.roles` will be. */
  readonly role: string | readonly string[];
  readonly orgRoles?: readonly string[];
  readonly scopedDepartments?: readonly string[] | undefined;
  readonly personas?: readonly string[] | undefined;
  readonly mustChangePassword?: boolean;
}
