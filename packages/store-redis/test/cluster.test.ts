import type { LimitAsk } from "@portcullis/core";
import { openRedisStore } from "@portcullis/store-redis";
import { expect, it } from "vitest";
import { describeWith, redisClusterUrls, redisPrefix } from "../../../tools/test-services/connect.js";
import { startRedisCluster } from "../../../tools/test-services/redis.js";
import { connect, connectCluster } from "./clients.js";

const ASK: LimitAsk = {
  kind: "user",
  id: "ada",
  cells: [{ id: "tier", kind: "bucket", capacity: 100, intervalMs: 60_000, cost: 1 }],
};

describeWith("redis-cluster", "the store on a Cluster", () => {
  it("RL-45 spreads subjects over all masters, with every key of a script in one slot", async () => {
    const cluster = connectCluster();
    const prefix = redisPrefix();
    const { records, sessions } = openRedisStore(cluster, { prefix, deadlineMs: 2_000 });
    for (let subject = 0; subject < 60; subject += 1) {
      await records.insert(`c${subject}`, { id: "one", scope: "s", uniqueKey: "u", value: "{}" });
      await sessions.create(
        { id: `id-${subject}`, subjectId: `user-${subject}`, refreshHash: "h", ttlMs: 60_000, idleMs: 0, data: "{}" },
        { limit: 3, whenFull: "evict-oldest" },
      );
      expect((await sessions.find(`id-${subject}`))?.subjectId).toBe(`user-${subject}`);
    }
    const counts = await Promise.all(redisClusterUrls().map((url) => countOf(url, prefix)));
    expect(counts.every((count) => count > 0)).toBe(true);
  });

  it("RL-45 follows a slot that moves to another master, in the middle and after it", async () => {
    const own = await startRedisCluster();
    const cluster = connectCluster(own.urls);
    const { limits } = openRedisStore(cluster, { prefix: "p:", deadlineMs: 5_000 });
    const used = async () => 100 - ((await limits.consume(ASK)).cells[0]?.remaining ?? Number.NaN);
    expect(await used()).toBe(1);

    const slot = await cluster.cluster("KEYSLOT", "p:rl:u:{ada}");
    const nodes = await Promise.all(
      own.urls.map(async (url) => {
        const client = connect(url);
        const owned = await client.cluster("COUNTKEYSINSLOT", slot).catch(() => 0);
        return { client, port: Number(new URL(url).port), id: await client.cluster("MYID"), isOwner: owned > 0 };
      }),
    );
    const from = nodes.find(({ isOwner }) => isOwner);
    const to = nodes.find(({ isOwner }) => !isOwner);
    if (from === undefined || to === undefined) throw new Error("the slot has no owner");
    await to.client.cluster("SETSLOT", slot, "IMPORTING", from.id);
    await from.client.cluster("SETSLOT", slot, "MIGRATING", to.id);
    // Not moved yet: still served where it is.
    expect(await used()).toBe(2);
    await from.client.migrate("127.0.0.1", to.port, "p:rl:u:{ada}", 0, 5_000);
    // Moved, but not told to anybody: the old master says ASK.
    expect(await used()).toBe(3);
    for (const node of nodes) await node.client.cluster("SETSLOT", slot, "NODE", to.id);
    // The client still believes the old master, which says MOVED.
    expect(await used()).toBe(4);
    await own.stop();
  });
});

async function countOf(url: string, prefix: string): Promise<number> {
  let count = 0;
  for await (const keys of connect(url).scanStream({ match: `${prefix}*`, count: 1_000 })) count += (keys as string[]).length;
  return count;
}
