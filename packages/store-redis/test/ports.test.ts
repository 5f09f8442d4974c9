import { openRedisStore, type RedisPorts, type RedisStore } from "@portcullis/store-redis";
import { createManualClock, type PortName, portLawsFor, type StoreHost } from "@portcullis/testkit";
import { describe, it } from "vitest";
import { describeWith, redisPrefix } from "../../../tools/test-services/connect.js";
import { CLIENTS } from "./clients.js";

const PORTS = Object.keys({
  tickets: true,
  counters: true,
  limits: true,
  subjects: true,
  sessions: true,
  apiKeys: true,
  leases: true,
  records: true,
  bus: true,
} satisfies Record<keyof RedisPorts, true>) as PortName[]; // its keys are checked by the line above

for (const { name, service, open } of CLIENTS) {
  describeWith(service, `the ports with ${name}`, () => {
    const client = { opened: undefined as ReturnType<typeof open> | undefined };
    const hostOf = (clock: ReturnType<typeof createManualClock> | undefined): StoreHost => ({
      ports: PORTS,
      ...(clock === undefined ? {} : { clock }),
      open: () =>
        openRedisStore((client.opened ??= open()), {
          prefix: redisPrefix(),
          deadlineMs: 10_000,
          ...(clock === undefined ? {} : { clock }),
        }),
      close: (store) => (store as RedisStore).close(),
    });

    describe("on a manual clock", () => {
      const host = hostOf(createManualClock());
      for (const law of portLawsFor(host)) it(`${law.id} ${law.title}`, () => law.run(host), 20_000);
    });

    describe("on the server's clock", () => {
      const host = hostOf(undefined);
      for (const law of portLawsFor(host)) it(`${law.id} ${law.title}`, () => law.run(host), 20_000);
    });
  });
}
