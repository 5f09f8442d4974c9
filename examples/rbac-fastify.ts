// A Fastify app of your own, and who may do what in it: nobody known is 401, a known one who may not 403.
import Fastify from "fastify";
import { ALLOW, type Guard, principalFact, userPrincipal } from "@portcullis/core";
import { guard } from "@portcullis/fastify";
import { defineRbac, requirePermission } from "@portcullis/rbac";

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

const app = Fastify();
app.addHook("onRequest", guard(authenticate));
app.get("/notes", { onRequest: guard(requirePermission(rbac, "notes.read")) }, () => "all notes");
app.post("/notes", { onRequest: guard(requirePermission(rbac, "notes.write")) }, () => "written");

await app.listen({ port: Number(process.env.PORT ?? 3000) });
console.log(app.server.address());
