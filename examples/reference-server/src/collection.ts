import type { MaybePromise, Records, StoredRecord } from "@portcullis/core";
import type { z } from "zod";

/** A document with what the store knows of it. */
export interface Document<T> {
  readonly id: string;
  readonly revision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly value: T;
}

/** Documents of one kind, each in a workspace: another workspace's are as if they did not exist. */
export interface Collection<T> {
  insert(workspaceId: string, id: string, value: T): Promise<Document<T> | undefined>;
  find(workspaceId: string, id: string): Promise<Document<T> | undefined>;
  /** `undefined`: someone else changed or removed it first. */
  replace(workspaceId: string, id: string, expectedRevision: number, value: T): Promise<Document<T> | undefined>;
  remove(workspaceId: string, id: string, expectedRevision?: number): Promise<boolean>;
  list(
    workspaceId: string,
    page: { readonly limit: number; readonly offset: number },
  ): Promise<{ readonly documents: readonly Document<T>[]; readonly total: number }>;
}

/** What a collection stores into: the records port itself, or one that encrypts fields on the way. */
export type CollectionStore = Pick<Records, "insert" | "find" | "replace" | "remove" | "list">;

/** Typed documents over the records port; what is read is validated, since other versions may have written it. */
export function createCollection<T>(records: CollectionStore, name: string, schema: z.ZodType<T>): Collection<T> {
  const toDocument = ({ id, revision, createdAt, updatedAt, value }: StoredRecord): Document<T> => ({
    id,
    revision,
    createdAt,
    updatedAt,
    value: schema.parse(JSON.parse(value)),
  });
  const optional = async (record: MaybePromise<StoredRecord | undefined>): Promise<Document<T> | undefined> => {
    const found = await record;
    return found === undefined ? undefined : toDocument(found);
  };
  const findIn = async (workspaceId: string, id: string): Promise<StoredRecord | undefined> => {
    const record = await records.find(name, { id });
    return record?.scope === workspaceId ? record : undefined;
  };
  return {
    insert: (workspaceId, id, value) => optional(records.insert(name, { id, scope: workspaceId, value: JSON.stringify(value) })),
    find: (workspaceId, id) => optional(findIn(workspaceId, id)),
    async replace(workspaceId, id, expectedRevision, value) {
      if ((await findIn(workspaceId, id)) === undefined) return undefined;
      return optional(records.replace(name, id, expectedRevision, JSON.stringify(value)));
    },
    async remove(workspaceId, id, expectedRevision) {
      return (await findIn(workspaceId, id)) !== undefined && records.remove(name, id, expectedRevision);
    },
    async list(workspaceId, { limit, offset }) {
      const { records: found, total } = await records.list(name, { scope: workspaceId, limit, offset });
      return { documents: found.map(toDocument), total };
    },
  };
}
