/**
 * What the store needs of a Redis client: an ioredis 5 or 6 `Redis` or `Cluster` has it.
 *
 * The client stays yours: its options, its error listener, its end. With ioredis's `autoResendUnfulfilledCommands` on (its default),
 * a command whose connection broke is sent again and may count twice; turn it off where that matters.
 */
export interface RedisClient {
  /** The connection's state, as ioredis names it. */
  readonly status: string;
  evalsha(sha: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  eval(source: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  ping(): Promise<unknown>;
}
