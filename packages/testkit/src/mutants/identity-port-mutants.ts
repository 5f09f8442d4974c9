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
    mistake: "gives out its own state",
    breaks: ["SUBJECTS-06"],
    spoil: (subjects) => ({ ...subjects, read: sharing((subjectId) => subjects.read(subjectId)) }),
  },
  { mistake: "ids without case", breaks: ["SUBJECTS-05"], spoil: (subjects) => withKeys(subjects, (id) => id.toLowerCase()) },
];

export const sessionMutants: readonly PortMutant<"sessions">[] = [
  {
    mistake: "parallel logins pass the cap",
    breaks: ["SESSIONS-02"],
    spoil: (sessions) => ({
      ...sessions,
      async create(session, cap) {
        const live = await sessions.list(session.subjectId);
        await gap();
        const evicted = cap > 0 ? live.toReversed().slice(0, Math.max(0, live.length + 1 - cap)) : [];
        for (const { id } of evicted) await sessions.revoke(session.subjectId, id);
        await sessions.create(session, 0);
        return evicted.map(({ id }) => id);
      },
    }),
  },
  {
    mistake: "the newest goes first",
    breaks: ["SESSIONS-03"],
    spoil: (sessions) => ({
      ...sessions,
      async create(session, cap) {
        const live = await sessions.list(session.subjectId);
        const evicted = cap > 0 ? live.slice(0, Math.max(0, live.length + 1 - cap)) : [];
        for (const { id } of evicted) await sessions.revoke(session.subjectId, id);
        await sessions.create(session, 0);
        return evicted.map(({ id }) => id);
      },
    }),
  },
  {
    mistake: "the cap is forgotten",
    breaks: ["SESSIONS-02", "SESSIONS-03"],
    spoil: (sessions) => ({ ...sessions, create: (session) => sessions.create(session, 0) }),
  },
  {
    mistake: "rotation compares, then stores",
    breaks: ["SESSIONS-01"],
    spoil: (sessions) => ({
      ...sessions,
      async rotate(id, expectedHash, nextHash) {
        const found = await sessions.find(id);
        if (found === undefined || found.refreshHash !== expectedHash) return false;
        await gap();
        await sessions.rotate(id, (await sessions.find(id))?.refreshHash ?? "", nextHash);
        return true;
      },
    }),
  },
  {
    mistake: "rotation compares nothing",
    breaks: ["SESSIONS-01"],
    spoil: (sessions) => ({
      ...sessions,
      rotate: async (id, _expectedHash, nextHash) => sessions.rotate(id, (await sessions.find(id))?.refreshHash ?? "", nextHash),
    }),
  },
  {
    mistake: "rotation is no use",
    breaks: ["SESSIONS-05"],
    spoil: (sessions) => ({
      ...sessions,
      async find(id) {
        const found = await sessions.find(id);
        return found && { ...found, lastUsedAt: found.createdAt };
      },
    }),
  },
  {
    mistake: "an id given again leaves the earlier session listed",
    breaks: ["SESSIONS-08"],
    spoil: (sessions) => {
      const idsOf = new Map<string, Set<string>>();
      return {
        ...sessions,
        create(session, cap) {
          idsOf.set(session.subjectId, (idsOf.get(session.subjectId) ?? new Set()).add(session.id));
          return sessions.create(session, cap);
        },
        async list(subjectId) {
          const found = await Promise.all([...(idsOf.get(subjectId) ?? [])].map(async (id) => sessions.find(id)));
          return found.filter((session) => session !== undefined).toReversed();
        },
      };
    },
  },
  {
    mistake: "ids without case",
    breaks: ["SESSIONS-09"],
    spoil: (sessions) => ({
      ...sessions,
      create: (session, cap) => sessions.create({ ...session, id: session.id.toLowerCase() }, cap),
      find: (id) => sessions.find(id.toLowerCase()),
    }),
  },
  {
    mistake: "gives out its own list",
    breaks: ["SESSIONS-10"],
    spoil: (sessions) => ({ ...sessions, list: sharing((subjectId) => sessions.list(subjectId)) }),
  },
  {
    mistake: "a session is live at its end still",
    breaks: ["SESSIONS-06"],
    spoil: (sessions) => ({ ...sessions, create: (session, cap) => sessions.create({ ...session, ttlMs: session.ttlMs + 1 }, cap) }),
  },
  {
    mistake: "rotation extends the session",
    breaks: ["SESSIONS-06"],
    spoil: (sessions) => ({
      ...sessions,
      async rotate(id, expectedHash, nextHash) {
        const found = await sessions.find(id);
        if (found === undefined || !(await sessions.rotate(id, expectedHash, nextHash))) return false;
        await sessions.create({ ...found, refreshHash: nextHash, ttlMs: found.expiresAt - found.createdAt }, 0);
        return true;
      },
    }),
  },
  {
    mistake: "revoke ends another's session",
    breaks: ["SESSIONS-07"],
    spoil: (sessions) => ({
      ...sessions,
      revoke: async (subjectId, id) =>
        sessions.revoke(id === undefined ? subjectId : ((await sessions.find(id))?.subjectId ?? subjectId), id),
    }),
  },
  {
    mistake: "listed oldest first",
    breaks: ["SESSIONS-04"],
    spoil: (sessions) => ({ ...sessions, list: async (subjectId) => (await sessions.list(subjectId)).toReversed() }),
  },
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
