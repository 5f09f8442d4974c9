// A Hono app of your own, and the two lines that limit each client address. Refused is 429 with Retry-After.
import { serve } from "@hono/node-server";
import { clientIp, createMemoryStore } from "@portcullis/core";
import { guard } from "@portcullis/hono";
import { createRateLimiter, limitPresets } from "@portcullis/rate-limit";
import { Hono } from "hono";

const app = new Hono();

const limiter = createRateLimiter({ store: createMemoryStore(), floor: limitPresets.address }); // 120 a minute, 240 at once
app.use(guard(clientIp(), limiter.limitFloor()));

app.get("/", (c) => c.text("hello"));
serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, (address) => console.log(address));
