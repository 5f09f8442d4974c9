import type { ApiKeyRecord } from "@portcullis/core";
import { gap, type PortMutant, sharing, withKeys } from "./port-mutant.js";

export const subjectMutants: readonly PortMutant<"subjects">[] = [
  {
    mistake: "a bump reads, then writes",
    breaks: ["SUBJECTS-02", "SUBJECTS-04"],
    spoil: (subjects) => {
      const versions = new Map<string, number>();
      return {
        ...subjects,
        async bump(subjectId, version) {
          const key = `${version} ${subjectId}`;
          const next = (versions.get(key) ?? 1) + 1;
          await gap();
          versions.set(key, next);
          return { ...(await subjects.read(subjectId)), [version]: next };
        },
      };
    },
  },
  {
    mistake: "versions begin at 0",
    breaks: ["SUBJECTS-01"],
    spoil: (subjects) => ({
      ...subjects,
      async read(subjectId) {
        const state = await subjects.read(subjectId);
        return { ...state, tokenVersion: state.tokenVersion - 1 };
      },
    }),
  },
  {
    mistake: "a bump enables a disabled account",
    breaks: ["SUBJECTS-03"],
    spoil: (subjects) => ({
      ...subjects,
      async bump(subjectId, version) {
        await subjects.setDisabled(subjectId, false);
        return subjects.bump(subjectId, version);
      },
    }),
  },
  {
    mistake: "new claims revoke the tokens",
    breaks: ["SUBJECTS-03", "SUBJECTS-07"],
    spoil: (subjects) => ({
      ...subjects,
      bump: (subjectId, version) => subjects.bump(subjectId, version === "claimsVersion" ? "tokenVersion" : version),
    }),
  },
  {
    mistake: "gives out its own state",
    breaks: ["SUBJECTS-06"],
    spoil: (subjects) => ({ ...subjects, read: sharing((subjectId) => subjects.read(subjectId)) }),
  },
  { mistake: "ids without case", breaks: ["SUBJECTS-05"], spoil: (subjects) => withKeys(subjects, (id) => id.toLowerCase()) },
];

export const apiKeyMutants: readonly PortMutant<"apiKeys">[] = [
  {
    mistake: "insert looks whether the id is free, then stores",
    breaks: ["APIKEYS-01"],
    spoil: (apiKeys) => ({
      ...apiKeys,
      async insert(record) {
        if ((await apiKeys.find(record.id)) !== undefined) return false;
        await gap();
        await apiKeys.insert(record);
        return true;
      },
    }),
  },
  {
    mistake: "find remembers, so a revocation is not seen",
    breaks: ["APIKEYS-03"],
    spoil: (apiKeys) => {
      const seen = new Map<string, ApiKeyRecord>();
      return {
        ...apiKeys,
        async find(id) {
          const found = seen.get(id) ?? (await apiKeys.find(id));
          if (found !== undefined) seen.set(id, found);
          return found;
        },
      };
    },
  },
  {
    mistake: "anyone may revoke",
    breaks: ["APIKEYS-04"],
    spoil: (apiKeys) => ({ ...apiKeys, revoke: async (id) => apiKeys.revoke(id, (await apiKeys.find(id))?.ownerId ?? "") }),
  },
  {
    mistake: "every revocation succeeds",
    breaks: ["APIKEYS-03"],
    spoil: (apiKeys) => ({
      ...apiKeys,
      revoke: async (id, ownerId) => (await apiKeys.revoke(id, ownerId)) || (await apiKeys.find(id))?.ownerId === ownerId,
    }),
  },
  {
    mistake: "revoked keys are not listed",
    breaks: ["APIKEYS-03"],
    spoil: (apiKeys) => ({
      ...apiKeys,
      list: async (ownerId) => (await apiKeys.list(ownerId)).filter(({ revokedAt }) => revokedAt === undefined),
    }),
  },
  {
    mistake: "listed oldest first",
    breaks: ["APIKEYS-05"],
    spoil: (apiKeys) => ({ ...apiKeys, list: async (ownerId) => (await apiKeys.list(ownerId)).toReversed() }),
  },
  { mistake: "every use is noted", breaks: ["APIKEYS-06"], spoil: (apiKeys) => ({ ...apiKeys, touch: (id) => apiKeys.touch(id, 0) }) },
  {
    mistake: "a use is noted an instant late",
    breaks: ["APIKEYS-06"],
    spoil: (apiKeys) => ({ ...apiKeys, touch: (id, minIntervalMs) => apiKeys.touch(id, minIntervalMs + 1) }),
  },
  {
    mistake: "ids without case",
    breaks: ["APIKEYS-07"],
    spoil: (apiKeys) => ({ ...apiKeys, insert: (record) => apiKeys.insert({ ...record, id: record.id.toLowerCase() }) }),
  },
  {
    mistake: "keeps the record that it was given",
    breaks: ["APIKEYS-08"],
    spoil: (apiKeys) => {
      const given = new Map<string, ApiKeyRecord>();
      return {
        ...apiKeys,
        insert(record) {
          given.set(record.id, record);
          return apiKeys.insert(record);
        },
        find: (id) => given.get(id),
      };
    },
  },
  {
    mistake: "null for none",
    breaks: ["APIKEYS-02"],
    spoil: (apiKeys) => ({
      ...apiKeys,
      async find(id) {
        const found = await apiKeys.find(id);
        // What a driver gives for an empty column.
        return found && ({ ...found, expiresAt: found.expiresAt ?? null } as unknown as ApiKeyRecord);
      },
    }),
  },
];

export const recordMutants: readonly PortMutant<"records">[] = [
  {
    mistake: "insert looks whether the id is free, then stores",
    breaks: ["RECORDS-01"],
    spoil: (records) => ({
      ...records,
      async insert(collection, record) {
        if ((await records.find(collection, { id: record.id })) !== undefined) return undefined;
        await gap();
        return (await records.insert(collection, record)) ?? records.find(collection, { id: record.id });
      },
    }),
  },
  {
    mistake: "the unique key is not unique",
    breaks: ["RECORDS-02"],
    spoil: (records) => ({ ...records, insert: (collection, { id, scope, value }) => records.insert(collection, { id, scope, value }) }),
  },
  {
    mistake: "collections share their unique keys",
    breaks: ["RECORDS-03"],
    spoil: (records) => {
      const taken = new Set<string>();
      return {
        ...records,
        insert(collection, record) {
          if (record.uniqueKey !== undefined && taken.has(record.uniqueKey)) return undefined;
          if (record.uniqueKey !== undefined) taken.add(record.uniqueKey);
          return records.insert(collection, record);
        },
      };
    },
  },
  {
    mistake: "the last writer wins",
    breaks: ["RECORDS-04"],
    spoil: (records) => ({
      ...records,
      replace: async (collection, id, _expectedRevision, value) =>
        records.replace(collection, id, (await records.find(collection, { id }))?.revision ?? 0, value),
    }),
  },
  {
    mistake: "remove asks for no revision",
    breaks: ["RECORDS-05"],
    spoil: (records) => ({ ...records, remove: (collection, id) => records.remove(collection, id) }),
  },
  {
    mistake: "listed in the order of UTF-16 units",
    breaks: ["RECORDS-06"],
    spoil: (records) => ({
      ...records,
      async list(collection, page) {
        const { scope, limit, after, offset = 0 } = page;
        const all = (await records.list(collection, { scope, limit: 1_000_000 })).records.toSorted((a, b) => (a.id < b.id ? -1 : 1));
        const rest = all.filter(({ id }) => after === undefined || id > after);
        return { records: rest.slice(offset, offset + limit), total: all.length };
      },
    }),
  },
  {
    mistake: "total counts the page",
    breaks: ["RECORDS-06"],
    spoil: (records) => ({
      ...records,
      async list(collection, page) {
        const { records: found } = await records.list(collection, page);
        return { records: found, total: found.length };
      },
    }),
  },
  {
    mistake: "unique keys without case",
    breaks: ["RECORDS-07"],
    spoil: (records) => ({
      ...records,
      insert: (collection, record) =>
        records.insert(collection, record.uniqueKey === undefined ? record : { ...record, uniqueKey: record.uniqueKey.toLowerCase() }),
    }),
  },
  {
    mistake: "gives out its own list",
    breaks: ["RECORDS-08"],
    spoil: (records) => ({ ...records, list: sharing((collection, page) => records.list(collection, page)) }),
  },
];
