// A Hono app of your own whose users log in with cookies: sessions, CSRF, and a second factor for whoever enrols one.
import { randomBytes } from "node:crypto";
import { authenticate, authRoutes, createAuth, createUserDirectory } from "@portcullis/auth";
import { clientIp, createApp, createMemoryStore, principalFact, securityHeaders } from "@portcullis/core";
import { facts, guard, listen, mount } from "@portcullis/hono";
import { Hono } from "hono";

const store = createMemoryStore(); // or openSqlStore(...), or a Redis store: everything below stays as it is
const secret = (): string => randomBytes(48).toString("base64"); // from your configuration, so that logins outlive a restart
const auth = createAuth({
  store,
  users: createUserDirectory({ store }),
  secrets: secret(),
  apiKeyPeppers: secret(),
  cookies: { secure: false, development: true }, // {} behind https: Secure, __Host- and __Secure-
  mfa: { keys: secret(), issuerName: "Notes", requiredRoles: ["admin"] }, // admins must, everybody else may
});
await auth.setup({ email: "ada@example.com", password: "correct horse battery", roles: ["member"] });
const signedIn = authenticate(auth, { required: true }); // asks unsafe requests that come by cookie for x-csrf-token

const app = new Hono();
app.use(guard(securityHeaders(), clientIp()));
app.get("/notes", guard(signedIn), (c) => c.text(`notes of ${facts(c).get(principalFact)?.id}`));
app.post("/notes", guard(signedIn), (c) => c.text("written"));

// POST /auth/login { email, password, delivery: "cookie" }, /auth/refresh, /auth/logout, GET /auth/sessions, POST /auth/mfa/enroll, …
const server = await listen(mount(app, createApp({ routes: authRoutes(auth) })), { port: Number(process.env.PORT ?? 3000) });
console.log(`POST /auth/login, then GET /notes, on port: ${server.port}`);
