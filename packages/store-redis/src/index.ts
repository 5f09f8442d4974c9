export { openRedisStore } from "./open-redis-store.js";

export type { RedisPorts, RedisStore, RedisStoreOptions } from "./open-redis-store.js";
export type { RedisClient } from "./redis-client.js";
