import type { Records } from "@portcullis/core";
import type { StoredBackupCodes } from "./backup-codes.js";
import type { SealedSecret } from "./sealed-secret.js";

/** A second factor in force. */
export interface ActiveFactor {
  readonly secret: SealedSecret;
  /** The latest time step whose code was used: neither it nor an earlier one passes again. */
  readonly lastStep: number;
  /** Epoch ms. */
  readonly enrolledAt: number;
  readonly backupCodes: StoredBackupCodes;
}

/** A second factor that waits for its first code. */
export interface FactorToConfirm {
  readonly secret: SealedSecret;
  /** Epoch ms; at this instant it is over. */
  readonly expiresAt: number;
  readonly backupCodes: StoredBackupCodes;
}

/** All that is stored of a user's second factor. */
export interface Factors {
  readonly active?: ActiveFactor | undefined;
  readonly toConfirm?: FactorToConfirm | undefined;
}

/** {@link Factors} as they were read. */
export interface FactorsRead extends Factors {
  /** 0: nothing is stored. */
  readonly revision: number;
}

/** Second factors in the store, one document for each user. */
export interface FactorRecords {
  read(userId: string): Promise<FactorsRead>;
  /** @returns `false`, and nothing was written, when somebody else was faster since `before` was read. */
  write(userId: string, before: FactorsRead, next: Factors): Promise<boolean>;
  /** @returns whether this call removed it, as it was read. */
  remove(userId: string, before: FactorsRead): Promise<boolean>;
}

const COLLECTION = "auth-mfa";
const SCOPE = "factors";
const NONE: FactorsRead = Object.freeze({ revision: 0 });

export function createFactorRecords(records: Records): FactorRecords {
  return Object.freeze({
    async read(userId: string): Promise<FactorsRead> {
      const record = await records.find(COLLECTION, { id: userId });
      return record === undefined ? NONE : { ...(JSON.parse(record.value) as Factors), revision: record.revision }; // written below
    },
    async write(userId: string, before: FactorsRead, next: Factors): Promise<boolean> {
      const value = JSON.stringify({ active: next.active, toConfirm: next.toConfirm } satisfies Factors);
      const written =
        before.revision === 0
          ? await records.insert(COLLECTION, { id: userId, scope: SCOPE, value })
          : await records.replace(COLLECTION, userId, before.revision, value);
      return written !== undefined;
    },
    async remove(userId: string, before: FactorsRead): Promise<boolean> {
      return await records.remove(COLLECTION, userId, before.revision);
    },
  });
}
