// A Fastify app of your own, and the two lines that limit each client address. Refused is 429 with Retry-After.
import Fastify from "fastify";
import { clientIp, createMemoryStore } from "@portcullis/core";
import { guard } from "@portcullis/fastify";
import { createRateLimiter, limitPresets } from "@portcullis/rate-limit";

const app = Fastify();

const limiter = createRateLimiter({ store: createMemoryStore(), floor: limitPresets.address }); // 120 a minute, 240 at once
app.addHook("onRequest", guard(clientIp(), limiter.limitFloor()));

app.get("/", () => "hello");
await app.listen({ port: Number(process.env.PORT ?? 3000) });
console.log(app.server.address());
