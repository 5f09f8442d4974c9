// A Hono app of your own, and who may do what in it: nobody known is 401, a known one who may not 403.
import { serve } from "@hono/node-server";
import { ALLOW, type Guard, principalFact, userPrincipal } from "@portcullis/core";
import { guard } from "@portcullis/hono";
import { defineRbac, requirePermission } from "@portcullis/rbac";
import { Hono } from "hono";

const rbac = defineRbac({
  permissions: { notes: ["read", "write"] },
  roles: { viewer: { grants: ["*.read"] }, editor: { inherits: ["viewer"], grants: ["notes.*"] } },
});

// In place of this your own authentication: whoever it finds, it tells the guards.
const users = new Map([
  ["Bearer ada", userPrincipal({ id: "ada", roles: ["editor"] })],
  ["Bearer bob", userPrincipal({ id: "bob", roles: ["viewer"] })],
]);
const authenticate: Guard = {
  name: "authenticate",
  check(request) {
    const user = users.get(request.header("authorization") ?? "");
    if (user !== undefined) request.facts.set(principalFact, user);
    return ALLOW;
  },
};

const app = new Hono();
app.use(guard(authenticate));
app.get("/notes", guard(requirePermission(rbac, "notes.read")), (c) => c.text("all notes"));
app.post("/notes", guard(requirePermission(rbac, "notes.write")), (c) => c.text("written"));

serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000) }, (address) => console.log(address));
