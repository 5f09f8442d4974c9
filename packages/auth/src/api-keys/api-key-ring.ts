import { createHmac, timingSafeEqual } from "node:crypto";
import {
  freezePrincipal,
  type ApiKeyPrincipal,
  type ApiKeyRecord,
  type MaybePromise,
  type Principal,
  type Problem,
  problems,
} from "@portcullis/core";
import { LRUCache } from "lru-cache";
import { denied, ok, type AuthDenial, type AuthResult } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { RingSecret } from "../jwt/secret-ring.js";
import type { ProgramGate } from "../mfa/program-gate.js";
import { createApiKeyText, parseApiKeyText, type ApiKeyText } from "./api-key-text.js";

/** What a new key may do. Its owner is the caller, never a field. */
export interface NewApiKey {
  /** 1 to 100 characters. */
  readonly name: string;
  /** Some of the caller's roles; default: all of them. */
  readonly roles?: readonly string[];
  /** Some of the caller's scopes where the caller has a bound; default: the caller's. */
  readonly scopes?: readonly string[];
  /** Ms; default: never expires. */
  readonly ttlMs?: number;
}

/** A key as it may be shown: nothing of it opens anything. Instants are epoch ms. */
export interface ApiKeyInfo {
  readonly id: string;
  readonly name: string;
  readonly lastFour: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[] | undefined;
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
  readonly lastUsedAt: number | undefined;
}

/** A key at the one moment when its text exists. */
export interface CreatedApiKey {
  readonly info: ApiKeyInfo;
  /** Show it to its owner now: only its hash is stored, nobody can show it again. */
  readonly key: string;
}

/** Keys for programs. */
export interface ApiKeyRing {
  /**
   * Makes a key that acts for the caller with at most the caller's rights. Only people make keys: a key that leaked must
   * not be able to make itself immortal (denied `forbidden`).
   */
  create(caller: Principal, key: NewApiKey): Promise<AuthResult<CreatedApiKey>>;
  /** The caller's keys, newest first, ended ones included. */
  list(caller: Principal): Promise<AuthResult<readonly ApiKeyInfo[]>>;
  /** Ends a key of the caller at once; `notFound` for any other, whether or not it exists. */
  revoke(caller: Principal, keyId: string): Promise<AuthResult<{ readonly keyId: string }>>;
  /**
   * Exchanges a key of the caller for a new one with its name, rights and end, which the caller must still have; the old one ends at
   * once. `notFound` for a key that is not the caller's, or ended.
   */
  rotate(caller: Principal, keyId: string): Promise<AuthResult<CreatedApiKey>>;
  /** Who calls with this key. @throws {StoreUnavailable} */
  authenticate(key: string): Promise<AuthResult<ApiKeyPrincipal>>;
  /** Who calls with a key that was authenticated before, as the store has it now. @throws {StoreUnavailable} */
  verifyAgain(principal: ApiKeyPrincipal): Promise<AuthResult<ApiKeyPrincipal>>;
  /** Notes that a key was used, at most once a minute. Call it after the response, as `authenticate(auth)` does. */
  noteUse(keyId: string): MaybePromise<void>;
}

/** Whose key it is to be, and the most that it may do. */
export interface KeyOwner {
  readonly id: string;
  readonly roles: readonly string[];
  readonly scopes: readonly string[] | undefined;
}

/** Keys by owner, for whoever has made sure that they may. */
export interface OwnedKeys {
  create(owner: KeyOwner, key: NewApiKey): Promise<AuthResult<CreatedApiKey>>;
  list(ownerId: string): Promise<readonly ApiKeyInfo[]>;
  revoke(ownerId: string, keyId: string): Promise<AuthResult<{ readonly keyId: string }>>;
}

interface KeyData {
  readonly roles: readonly string[];
  readonly scopes: readonly string[] | undefined;
}

const MAX_NAME_CHARACTERS = 100;
const TOUCH_INTERVAL_MS = 60_000;
const TOUCH_ENTRIES = 10_000;

/** @param gate Asked last, where roles may need a second factor. */
export function createApiKeyRing(
  settings: AuthSettings,
  instruments: Instruments,
  gate?: ProgramGate,
): { readonly ring: ApiKeyRing; readonly owned: OwnedKeys } {
  const { clock, peppers, random, store, users } = settings;
  const touched = new LRUCache<string, number>({ max: TOUCH_ENTRIES });

  const refuse = (reason: string, problem: Problem = problems.invalidApiKey()): AuthDenial => {
    instruments.failed("api_key", reason);
    return denied(problem);
  };

  async function principalOf(record: ApiKeyRecord): Promise<AuthResult<ApiKeyPrincipal>> {
    if (record.revokedAt !== undefined) return refuse("revoked");
    if (record.expiresAt !== undefined && clock.now() >= record.expiresAt) return refuse("expired");
    const [state, owner] = await Promise.all([store.subjects.read(record.ownerId), (async () => users.byId(record.ownerId))()]);
    if (owner === undefined || state.disabled) return refuse("owner_disabled");
    // What the owner may not do before changing the password, their keys may not do either.
    if (owner.mustChangePassword) return refuse("password_change_required", problems.passwordChangeRequired());
    const { roles, scopes } = dataOf(record);
    const principal: ApiKeyPrincipal = {
      type: "apiKey",
      id: record.id,
      keyId: record.id,
      ownerId: record.ownerId,
      orgId: owner.orgId,
      workspaceId: owner.workspaceId,
      // A role taken from the owner is taken from the key, in the same moment.
      roles: roles.filter((role) => owner.roles.includes(role)),
      orgRoles: owner.orgRoles,
      scopes,
      authMethod: "apiKey",
    };
    const frozen = freezePrincipal(principal) as ApiKeyPrincipal; // a copy of what went in
    const admitted = await gate?.(frozen, owner.type === "service" ? owner.id : undefined);
    if (admitted?.kind === "denied") return refuse("mfa_required", admitted.problem);
    instruments.succeeded("api_key");
    return admitted ?? ok(frozen);
  }

  async function create(caller: Principal, key: NewApiKey): Promise<AuthResult<CreatedApiKey>> {
    // Nor does a trusted caller for somebody: the key would outlive its say, and may more than it was trusted with.
    if (caller.type !== "user" || caller.via !== undefined)
      return denied(problems.forbidden({ detail: "Only people make API keys. Log in to make one." }));
    return owned.create(caller, key);
  }

  async function mint(owner: KeyOwner, key: NewApiKey): Promise<AuthResult<CreatedApiKey>> {
    const problem = refusalOf(owner, key);
    if (problem !== undefined) return denied(problem);
    const text = createApiKeyText(settings.apiKeys, random);
    const data: KeyData = { roles: key.roles ?? owner.roles, scopes: key.scopes ?? owner.scopes };
    const createdAt = clock.now();
    const record: ApiKeyRecord = {
      id: text.id,
      ownerId: owner.id,
      name: key.name,
      hash: hashOf(text, peppers.current),
      pepperId: peppers.current.id,
      lastFour: text.lastFour,
      createdAt,
      expiresAt: key.ttlMs === undefined ? undefined : createdAt + key.ttlMs,
      revokedAt: undefined,
      lastUsedAt: undefined,
      data: JSON.stringify(data),
    };
    // 96 random bits met twice: the random source is broken, and nothing made with it may be given out.
    if (!(await store.apiKeys.insert(record))) return denied(problems.internal());
    instruments.issuedApiKey();
    instruments.emit({ kind: "api_key_created", userId: owner.id, keyId: text.id });
    return ok(Object.freeze({ info: toInfo(record), key: text.text }));
  }

  const owned: OwnedKeys = Object.freeze({
    create: mint,
    list: async (ownerId: string) => Object.freeze((await store.apiKeys.list(ownerId)).map(toInfo)),
    async revoke(ownerId: string, keyId: string): Promise<AuthResult<{ readonly keyId: string }>> {
      if (!(await store.apiKeys.revoke(keyId, ownerId))) return denied(problems.notFound());
      instruments.revoked("api_key");
      instruments.emit({ kind: "api_key_revoked", userId: ownerId, keyId });
      return ok({ keyId });
    },
  });

  const ring: ApiKeyRing = Object.freeze({
    create,
    async list(caller: Principal): Promise<AuthResult<readonly ApiKeyInfo[]>> {
      if (caller.type !== "user") return denied(problems.forbidden());
      return ok(await owned.list(caller.id));
    },
    async revoke(caller: Principal, keyId: string): Promise<AuthResult<{ readonly keyId: string }>> {
      if (caller.type !== "user") return denied(problems.forbidden());
      return owned.revoke(caller.id, keyId);
    },
    async rotate(caller: Principal, keyId: string): Promise<AuthResult<CreatedApiKey>> {
      if (caller.type !== "user") return denied(problems.forbidden());
      const old = await store.apiKeys.find(keyId);
      const now = clock.now();
      const isLive = old?.revokedAt === undefined && (old?.expiresAt === undefined || now < old.expiresAt);
      if (old === undefined || old.ownerId !== caller.id || !isLive) return denied(problems.notFound());
      const { roles, scopes } = dataOf(old);
      const ttl = old.expiresAt === undefined ? {} : { ttlMs: old.expiresAt - now };
      const created = await create(caller, { name: old.name, roles, ...(scopes === undefined ? {} : { scopes }), ...ttl });
      if (created.kind === "denied") return created;
      // Of parallel rotations one ends the old key; what the others made must not live beside it.
      if (await store.apiKeys.revoke(keyId, caller.id)) {
        instruments.revoked("api_key");
        instruments.emit({ kind: "api_key_revoked", userId: caller.id, keyId });
        return created;
      }
      await store.apiKeys.revoke(created.value.info.id, caller.id);
      return denied(problems.notFound());
    },
    async authenticate(key: string): Promise<AuthResult<ApiKeyPrincipal>> {
      const text = parseApiKeyText(key, settings.apiKeys);
      if (text === undefined) return refuse("malformed");
      const record = await store.apiKeys.find(text.id);
      // A key of a pepper that was dropped fails the comparison like any wrong key.
      const pepper = (record === undefined ? undefined : peppers.byId(record.pepperId)) ?? peppers.current;
      // Always one HMAC and one comparison: an unknown id takes as long as a wrong secret.
      const matches = isSame(hashOf(text, pepper), record?.hash);
      if (record === undefined) return refuse("unknown");
      return matches ? principalOf(record) : refuse("wrong_secret");
    },
    async verifyAgain({ keyId }: ApiKeyPrincipal): Promise<AuthResult<ApiKeyPrincipal>> {
      const record = await store.apiKeys.find(keyId);
      return record === undefined ? refuse("unknown") : principalOf(record);
    },
    noteUse(keyId: string): MaybePromise<void> {
      const now = clock.monotonic();
      const last = touched.get(keyId);
      if (last !== undefined && now - last < TOUCH_INTERVAL_MS) return undefined;
      touched.set(keyId, now);
      return store.apiKeys.touch(keyId, TOUCH_INTERVAL_MS);
    },
  });
  return { ring, owned };
}

function refusalOf(owner: KeyOwner, key: NewApiKey): Problem | undefined {
  const errors: { in: string; pointer: string; message: string }[] = [];
  const refuse = (pointer: string, message: string): void => void errors.push({ in: "body", pointer, message });
  const { name, roles = [], scopes, ttlMs } = key;
  if (name.trim() === "" || name.length > MAX_NAME_CHARACTERS) refuse("/name", `Use 1 to ${MAX_NAME_CHARACTERS} characters.`);
  if (roles.some((role) => !owner.roles.includes(role))) refuse("/roles", "Choose from the owner's roles.");
  const bound = owner.scopes;
  if (bound !== undefined && scopes?.some((scope) => !bound.includes(scope)) === true) refuse("/scopes", "Choose from the owner's scopes.");
  if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs > 0)) refuse("/ttl_seconds", "Use a positive whole number.");
  return errors.length === 0 ? undefined : problems.validation({ extensions: { errors } });
}

// Keyed: who reads the table of keys cannot even test guesses without the pepper.
function hashOf(text: ApiKeyText, pepper: RingSecret): string {
  return createHmac("sha256", pepper.key).update(text.text).digest("base64url");
}

function isSame(computed: string, stored: string | undefined): boolean {
  const expected = Buffer.from(stored ?? computed);
  const given = Buffer.from(computed);
  // timingSafeEqual throws on unequal lengths; the length of a hash is public.
  return given.length === expected.length && timingSafeEqual(given, expected) && stored !== undefined;
}

function toInfo(record: ApiKeyRecord): ApiKeyInfo {
  const { id, name, lastFour, createdAt, expiresAt, revokedAt, lastUsedAt } = record;
  return Object.freeze({ id, name, lastFour, ...dataOf(record), createdAt, expiresAt, revokedAt, lastUsedAt });
}

function dataOf(record: ApiKeyRecord): KeyData {
  const { roles, scopes } = JSON.parse(record.data) as KeyData; // written by create()
  return { roles: Object.freeze(roles), scopes: scopes === undefined ? undefined : Object.freeze(scopes) };
}
