// An Express app of your own, and the two lines that limit each client address. Refused is 429 with Retry-After.
import express from "express";
import { clientIp, createMemoryStore } from "@portcullis/core";
import { guard } from "@portcullis/express";
import { createRateLimiter, limitPresets } from "@portcullis/rate-limit";

const app = express();

const limiter = createRateLimiter({ store: createMemoryStore(), floor: limitPresets.address }); // 120 a minute, 240 at once
app.use(guard(clientIp(), limiter.limitFloor()));

app.get("/", (_request, response) => void response.send("hello"));
const server = app.listen(Number(process.env.PORT ?? 3000), () => console.log(server.address()));
