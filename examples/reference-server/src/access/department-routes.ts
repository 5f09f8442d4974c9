import { defineRoute, type Facts, parsePage, ProblemError, problems, type Route } from "@portcullis/core";
import { checkedScopeFact, requireOrgMutation } from "@portcullis/rbac";
import { z } from "zod";
import type { Document } from "../collection.js";
import { ok, okPage } from "../envelope.js";
import { callerOf } from "../workspace.js";
import type { AccessServices } from "./access-services.js";
import { type Department, departmentSchema } from "./department.js";

const TAGS = ["organisation"];
const departmentView = departmentSchema.extend({ revision: z.int() });

/** `/api/organisation/departments`: changed by who has a role in the organisation, or for that department. */
export function departmentRoutes({ policy, permit, departments, record }: AccessServices): readonly Route[] {
  /** Creates or replaces: of two at once the later one stays. */
  const put = async (orgId: string, value: Department): Promise<Document<Department>> => {
    // The name of a department has no colon, so no two organisations share an id.
    const id = `${orgId}:${value.department}`;
    for (;;) {
      const known = await departments.find(orgId, id);
      const stored =
        known === undefined ? await departments.insert(orgId, id, value) : await departments.replace(orgId, id, known.revision, value);
      if (stored !== undefined) return stored;
    }
  };

  return [
    defineRoute({
      method: "GET",
      path: "/api/organisation/departments",
      operationId: "listDepartments",
      summary: "Lists the departments of the caller's organisation",
      tags: TAGS,
      guards: [permit("organisation.read")],
      input: { query: z.object({ limit: z.string().optional(), offset: z.string().optional() }) },
      responses: { 200: { description: "A page of departments", schema: z.array(departmentView) } },
      async handle(_request, { facts, query }) {
        const { limit, offset } = parsePage(query);
        const { documents, total } = await departments.list(callerOf(facts).orgId ?? "", { limit, offset });
        return okPage(documents.map(view), { limit, offset, total });
      },
    }),
    defineRoute({
      method: "PUT",
      path: "/api/organisation/departments/:department",
      operationId: "putDepartment",
      summary: "Creates or renames a department",
      tags: TAGS,
      guards: [requireOrgMutation(policy, { departmentParam: "department" })],
      input: { body: departmentSchema.pick({ name: true }).strict() },
      responses: { 200: { description: "The department, under the name that was checked", schema: departmentView } },
      async handle(_request, { facts, body }) {
        const department = checkedDepartment(facts);
        await record(facts, { action: "department.put", target: { type: "department", id: department }, details: body });
        // The guard lets nobody pass who belongs to no organisation.
        return ok(view(await put(callerOf(facts).orgId ?? "", { department, ...body })));
      },
    }),
  ];
}

// What the guard compared. The parameter may be spelt otherwise, and of who may change everything it may be no name at all.
function checkedDepartment(facts: Facts): string {
  const department = facts.get(checkedScopeFact)?.department;
  if (department !== undefined) return department;
  const errors = [{ in: "path", pointer: "/department", message: "Write 1 to 64 of a-z, 0-9, - and _." }];
  throw new ProblemError(problems.validation({ extensions: { errors } }));
}

function view({ revision, value }: Document<Department>): z.input<typeof departmentView> {
  return { ...value, revision };
}
