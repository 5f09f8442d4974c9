import { ALLOW, createApp, createMemoryStore, deny, type Guard, problems, StoreUnavailable, toFetchHandler } from "@portcullis/core";
import { AuditError, auditRoutes, type AuditRoutesOptions, openCheckpoint, verifyExport, verifyInclusion } from "@portcullis/audit";
import { describe, expect, it } from "vitest";
import { ADA, auditOver, filledLog } from "./fixture.js";

const ANYONE: Guard = { name: "anyone", check: () => ALLOW };
const NOBODY: Guard = { name: "nobody", check: () => deny(problems.forbidden()) };

async function service(options: Partial<AuditRoutesOptions> = {}) {
  const store = createMemoryStore();
  const audit = auditOver(store.log);
  for (let n = 0; n < 10; n += 1) {
    await audit.append({
      category: n % 2 === 0 ? "admin" : "data",
      action: "x",
      outcome: "success",
      at: Date.UTC(2026, 10, n + 1),
      actor: ADA,
      workspaceId: n < 5 ? "w1" : "w2",
    });
  }
  const handler = toFetchHandler(createApp({ routes: auditRoutes(audit, { guards: [ANYONE], ...options }) }));
  return { audit, store, get: (path: string) => handler(new Request(`http://localhost${path}`)) };
}

interface Page {
  readonly events: readonly { readonly index: number; readonly action: string }[];
  readonly pagination: { readonly limit: number; readonly nextCursor?: string };
  readonly tree: { readonly size: number };
}
const page = async (response: Response): Promise<Page> => (await response.json()) as Page; // the route's own answer
const indexes = async (response: Response): Promise<readonly number[]> => (await page(response)).events.map(({ index }) => index);

describe("GET /audit", () => {
  it("lists in order, filtered, a page at a time, and records that it did before it answers", async () => {
    const { get, audit } = await service();
    const first = await page(await get("/audit?category=admin&limit=2&to=2026-11-10"));
    expect(first.events.map(({ index }) => index)).toEqual([0, 2]);
    expect(first).toMatchObject({ pagination: { limit: 2, nextCursor: "4" }, tree: { size: 11 } });
    expect(await indexes(await get("/audit?category=admin&limit=2&cursor=4&to=2026-11-10"))).toEqual([4, 6]);
    expect((await audit.query({ action: "audit.read" })).entries.map(({ event }) => event.details)).toEqual([
      { filter: { to: Date.UTC(2026, 10, 10), category: "admin" } },
      { filter: { to: Date.UTC(2026, 10, 10), category: "admin" } },
    ]);
  });

  it("AUD-25 instants are half-open, carry their offset, and a date is midnight UTC", async () => {
    const { get } = await service();
    expect(await indexes(await get("/audit?from=2026-11-03&to=2026-11-05"))).toEqual([2, 3]);
    expect(await indexes(await get("/audit?start_date=2026-11-03T00:00:00Z&end_date=2026-11-03T00:00:00.001Z"))).toEqual([2]);
    expect(await indexes(await get(`/audit?from=${encodeURIComponent("2026-11-03T02:00:00+02:00")}&to=2026-11-04`))).toEqual([2]);
    expect(await indexes(await get("/audit?from=2026-11-03&to=2026-11-03"))).toEqual([]);
  });

  it.each([
    "from=yesterday",
    "from=2026-13-01",
    "from=2026-11-03T00:00:00",
    "from=2026-11-05&to=2026-11-03",
    "from=2026-11-05&start_date=2026-11-05",
    "category=admin'--",
    "category=admin&category=data",
    "actor=",
    "cursor=-1",
    "cursor=x",
    "unknown=1",
  ])("AUD-25 %s is refused with the field named", async (query) => {
    const { get, audit } = await service();
    const response = await get(`/audit?${query}`);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: 2002, errors: [{ in: "query" }] });
    expect((await audit.head()).size).toBe(10);
  });

  it("AUD-25 is for those whom the guards let in", async () => {
    const { get } = await service({ guards: [NOBODY], prefix: "/api" });
    for (const path of ["", "/export", "/checkpoint", "/verify", "/proof/0"]) expect((await get(`/api/audit${path}`)).status).toBe(403);
    const split = await service({ exportGuards: [NOBODY] });
    expect([(await split.get("/audit")).status, (await split.get("/audit/export")).status]).toEqual([200, 403]);
    const { audit } = split;
    expect(() => auditRoutes(audit, { guards: [] })).toThrow("guards");
    expect(() => auditRoutes(audit, { guards: [ANYONE], prefix: "api/" })).toThrow("prefix");
  });

  it("shows a caller of one workspace that workspace only, and nothing about the whole log", async () => {
    const { get } = await service({ workspaceOf: () => "w2" });
    expect(await indexes(await get("/audit"))).toEqual([5, 6, 7, 8, 9]);
    expect((await get("/audit?workspace_id=w1")).status).toBe(403);
    expect(await verifyExport(await (await get("/audit/export?workspace_id=w2")).text())).toMatchObject({ kind: "intact", events: 5 });
    for (const path of ["checkpoint", "verify", "proof/0"]) expect((await get(`/audit/${path}`)).status).toBe(403);
  });
});

describe("GET /audit/export", () => {
  it.each([
    ["json", "application/json"],
    ["ndjson", "application/x-ndjson"],
    ["csv", "text/csv; charset=utf-8; header=present"],
  ])("AUD-25 streams %s with size and root, and records that it did", async (format, type) => {
    const { get, audit } = await service();
    const { root } = await audit.head();
    const response = await get(`/audit/export?format=${format}&category=admin`);
    const text = await response.text();
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": type,
      "content-disposition": `attachment; filename="audit.${format}"`,
      "x-audit-tree-size": "10",
      "x-audit-root": root,
    });
    if (format !== "csv") expect(await verifyExport(text)).toMatchObject({ kind: "intact", events: 5, treeSize: 10, root });
    expect((await audit.query({ action: "audit.export" })).entries.map(({ event }) => event.details)).toEqual([
      { format, filter: { category: "admin" }, treeSize: 10 },
    ]);
    expect(await (await get(`/audit/export?format=${format}&category=admin&tree_size=10`)).text()).toBe(text);
  });

  it("a client that leaves ends the export; a log that cannot be read is a 500 without detail", async () => {
    const { audit, get } = await service();
    const response = await get("/audit/export");
    await response.body?.cancel();
    expect((await get("/audit")).status).toBe(200);
    const corrupt = { ...audit, openExport: () => Promise.reject(new AuditError("log_corrupt", "Entry 7")) };
    const handler = toFetchHandler(createApp({ routes: auditRoutes(corrupt, { guards: [ANYONE] }) }));
    const failed = await handler(new Request("http://localhost/audit/export"));
    expect([failed.status, (await failed.text()).includes("Entry")]).toEqual([500, false]);
  });

  it("a format or size that there is not is refused", async () => {
    const { get } = await service();
    expect((await get("/audit/export?format=xml")).status).toBe(422);
    expect((await get("/audit/export?tree_size=99")).status).toBe(404);
  });

  it("without a store answers 503 and exports nothing", async () => {
    const { audit } = await filledLog(1);
    const dead = { ...audit, admin: () => Promise.reject(new StoreUnavailable("log.append")) };
    const handler = toFetchHandler(createApp({ routes: auditRoutes(dead, { guards: [ANYONE] }) }));
    for (const path of ["/audit", "/audit/export"]) {
      const response = await handler(new Request(`http://localhost${path}`));
      expect(response.status).toBe(503);
      expect(await response.text()).not.toContain("ada");
    }
  });
});

describe("GET /audit/checkpoint, /verify and /proof", () => {
  it("give a signed note, a verdict and a proof that fit together", async () => {
    const { get, audit } = await service();
    const note = await (await get("/audit/checkpoint")).text();
    const { size, root } = openCheckpoint(note, audit.verifierKeys);
    expect(size).toBe(10);
    expect(await (await get("/audit/verify")).json()).toMatchObject({ verdict: "intact", size: 10, tail: "not_provable" });
    const proof = (await (await get(`/audit/proof/3?tree_size=${size}`)).json()) as Awaited<ReturnType<typeof audit.proveInclusion>>; // the route's own answer
    const bytes = (text: string): Buffer => Buffer.from(text, "base64");
    expect(verifyInclusion({ index: 3, size, leafHash: bytes(proof.leafHash), root, proof: proof.hashes.map(bytes) })).toBe(true);
  });

  it("say 404 for what is not there, and 422 for what is no number", async () => {
    const { get, store } = await service();
    expect((await get("/audit/proof/10")).status).toBe(404);
    expect((await get("/audit/proof/x")).status).toBe(422);
    const unsigned = toFetchHandler(createApp({ routes: auditRoutes(auditOver(store.log, { signer: [] }), { guards: [ANYONE] }) }));
    expect((await unsigned(new Request("http://localhost/audit/checkpoint"))).status).toBe(404);
  });
});
