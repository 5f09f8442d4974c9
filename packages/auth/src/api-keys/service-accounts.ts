import { problems } from "@portcullis/core";
import { type AuthResult, denied, ok } from "../auth-result.js";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { UserAccount } from "../users/user-directory.js";
import type { ApiKeyInfo, CreatedApiKey, NewApiKey, OwnedKeys } from "./api-key-ring.js";

/** A service to be made. */
export interface NewServiceAccount {
  /** 1 to 100 characters. */
  readonly name: string;
  readonly roles: readonly string[];
  readonly orgRoles?: readonly string[];
  readonly orgId?: string;
  readonly workspaceId?: string;
}

/** A program with an account of its own: it has no password and no session, only API keys. */
export interface ServiceAccount {
  readonly id: string;
  readonly name: string | undefined;
  readonly roles: readonly string[];
  readonly orgRoles: readonly string[];
  readonly orgId: string | undefined;
  readonly workspaceId: string | undefined;
  readonly disabled: boolean;
}

/**
 * Accounts of programs. Who may make them, and with which roles, is for the application to decide: it calls these for whoever it lets.
 * Ids of people are `notFound` throughout.
 */
export interface ServiceAccounts {
  /** Denied: `validation`. */
  create(account: NewServiceAccount): Promise<AuthResult<ServiceAccount>>;
  /** Those made here, by id, ascending; `after` is the last id of the page before. @param page `limit`: default 100, at most 1,000. */
  list(page?: { readonly limit?: number; readonly after?: string }): Promise<readonly ServiceAccount[]>;
  /** From this moment on, none of its keys opens anything. `auth.setDisabled(id, false)` lets it in again. */
  disable(serviceId: string): Promise<AuthResult<{ readonly serviceId: string }>>;
  /** A key with some of the service's roles; default: all. Denied: `notFound`, `validation`, `forbidden` (disabled). */
  createKey(serviceId: string, key: NewApiKey): Promise<AuthResult<CreatedApiKey>>;
  /** Newest first, ended ones included. */
  listKeys(serviceId: string): Promise<AuthResult<readonly ApiKeyInfo[]>>;
  revokeKey(serviceId: string, keyId: string): Promise<AuthResult<{ readonly keyId: string }>>;
}

const COLLECTION = "auth-services";
const SCOPE = "services";
const MAX_NAME_CHARACTERS = 100;
const DEFAULT_PAGE = 100;

export function createServiceAccounts(
  settings: AuthSettings,
  keys: OwnedKeys,
  setDisabled: (userId: string, disabled: boolean) => Promise<void>,
  instruments: Instruments,
): ServiceAccounts {
  const { random, store, users } = settings;

  async function serviceOf(id: string): Promise<UserAccount | undefined> {
    const account = await users.byId(id);
    return account?.type === "service" ? account : undefined;
  }

  async function shown(account: UserAccount): Promise<ServiceAccount> {
    const { id, name, roles, orgRoles, orgId, workspaceId } = account;
    const { disabled } = await store.subjects.read(id);
    return Object.freeze({ id, name, roles, orgRoles, orgId, workspaceId, disabled });
  }

  return Object.freeze({
    async create(account: NewServiceAccount): Promise<AuthResult<ServiceAccount>> {
      const { name, roles, orgRoles = [], orgId, workspaceId } = account;
      if (name.trim() === "" || name.length > MAX_NAME_CHARACTERS) {
        const message = `Use 1 to ${MAX_NAME_CHARACTERS} characters.`;
        return denied(problems.validation({ extensions: { errors: [{ in: "body", pointer: "/name", message }] } }));
      }
      // Every account has an address, and nobody receives mail at this one (RFC 6761 §6.4).
      const email = `service-${Buffer.from(random(12)).toString("hex")}@service.invalid`;
      const created = await users.create({
        type: "service",
        email,
        name,
        emailVerified: false,
        passwordHash: undefined,
        mustChangePassword: false,
        roles: [...roles],
        orgRoles: [...orgRoles],
        orgId,
        workspaceId,
      });
      // 96 random bits met twice: the random source is broken.
      if (created === undefined) return denied(problems.internal());
      await store.records.insert(COLLECTION, { id: created.id, scope: SCOPE, value: "{}" });
      instruments.emit({ kind: "account_created", userId: created.id, roles: created.roles });
      return ok(await shown(created));
    },
    async list(page: { readonly limit?: number; readonly after?: string } = {}): Promise<readonly ServiceAccount[]> {
      const { limit = DEFAULT_PAGE, after } = page;
      const { records } = await store.records.list(COLLECTION, { scope: SCOPE, limit, ...(after === undefined ? {} : { after }) });
      const accounts = await Promise.all(records.map(({ id }) => serviceOf(id)));
      return Object.freeze(await Promise.all(accounts.flatMap((account) => (account === undefined ? [] : [shown(account)]))));
    },
    async disable(serviceId: string): Promise<AuthResult<{ readonly serviceId: string }>> {
      if ((await serviceOf(serviceId)) === undefined) return denied(problems.notFound());
      await setDisabled(serviceId, true);
      return ok(Object.freeze({ serviceId }));
    },
    async createKey(serviceId: string, key: NewApiKey): Promise<AuthResult<CreatedApiKey>> {
      const service = await serviceOf(serviceId);
      if (service === undefined) return denied(problems.notFound());
      if ((await store.subjects.read(serviceId)).disabled) return denied(problems.forbidden({ detail: "The service is disabled." }));
      return keys.create({ id: serviceId, roles: service.roles, scopes: undefined }, key);
    },
    async listKeys(serviceId: string): Promise<AuthResult<readonly ApiKeyInfo[]>> {
      return (await serviceOf(serviceId)) === undefined ? denied(problems.notFound()) : ok(await keys.list(serviceId));
    },
    async revokeKey(serviceId: string, keyId: string): Promise<AuthResult<{ readonly keyId: string }>> {
      return (await serviceOf(serviceId)) === undefined ? denied(problems.notFound()) : keys.revoke(serviceId, keyId);
    },
  });
}
