import { readFileSync } from "node:fs";
import { createMemoryStore, type Log } from "@portcullis/core";
import { type AuditFilter, verifyExport } from "@portcullis/audit";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { csvRecord } from "../src/export/csv.js";
import { ADA, auditOver, filledLog, gather, NAME, textOf } from "./fixture.js";
import { vectorFolder } from "./vector-folder.js";

/** RFC 4180, read strictly. */
function parseCsv(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell = "";
    if (text[at] === '"') {
      for (at += 1; text[at] !== '"' || text[at + 1] === '"'; at += 1) {
        if (text[at] === '"') at += 1;
        cell += text[at];
      }
      at += 1;
    } else {
      while (at < text.length && text[at] !== "," && text[at] !== "\r") cell += text[at++];
    }
    row.push(cell);
    if (text[at] === ",") at += 1;
    else {
      rows.push(row);
      row = [];
      at += 2;
    }
  }
  return rows;
}

async function mixedLog(count = 40) {
  const store = createMemoryStore();
  const audit = auditOver(store.log);
  for (let n = 0; n < count; n += 1) {
    await audit.append({
      category: n % 3 === 0 ? "admin" : "data",
      action: "thing.do",
      outcome: "success",
      at: n,
      actor: { type: "user", id: n % 2 === 0 ? "ada" : "bob" },
      workspaceId: n < 20 ? "w1" : "w2",
      details: { n, text: 'a "quoted", line\nbreak' },
    });
  }
  return { audit, store };
}

describe("an export as JSON or NDJSON", () => {
  it("carries size, root and every event exactly as it is stored", async () => {
    const { audit, book } = await filledLog(3);
    const lines = (await gather(audit.exportNdjson())).split("\n");
    const { root } = await audit.head();
    expect(JSON.parse(lines[0] ?? "")).toEqual({ export: "portcullis-audit", version: 1, log: NAME, treeSize: 3, root, filter: {} });
    expect(lines.slice(1, 4)).toEqual(book.entries.map(textOf));
    expect(JSON.parse(lines[4] ?? "")).toEqual({ events: 3, treeSize: 3, root });
    const { header, items, footer } = JSON.parse(await gather(audit.exportJson())) as {
      readonly header: object;
      readonly items: readonly object[];
      readonly footer: object;
    };
    expect([header, footer]).toEqual([JSON.parse(lines[0] ?? ""), JSON.parse(lines[4] ?? "")]);
    expect(items).toEqual(book.entries.map((entry) => JSON.parse(textOf(entry)) as object));
  });

  it("verifies by itself, whatever the filter and the format, in chunks of any size", async () => {
    const { audit } = await mixedLog();
    const filters: readonly AuditFilter[] = [
      {},
      { category: "admin" },
      { actor: "bob" },
      { from: 10, to: 20 },
      { workspaceId: "w2", actor: "ada" },
      { action: "none" },
      { from: 5 },
    ];
    for (const filter of filters) {
      const events = (await audit.query(filter, { limit: 1000 })).entries.length;
      for (const text of [await gather(audit.exportNdjson(filter)), await gather(audit.exportJson(filter))]) {
        expect(await verifyExport(text)).toMatchObject({ kind: "intact", log: NAME, events, treeSize: 40, origin: "not_provable" });
        expect(await verifyExport(text.match(/[\s\S]{1,7}/g) ?? [])).toMatchObject({ kind: "intact", events });
        expect(JSON.stringify(text)).not.toContain("undefined");
      }
    }
    expect(await verifyExport(audit.exportNdjson({}, 7))).toMatchObject({ kind: "intact", events: 7, treeSize: 7 });
    expect(await verifyExport(auditOver(createMemoryStore().log).exportJson())).toMatchObject({ kind: "intact", events: 0 });
  });

  it("is proven by a checkpoint of its size, and refused by one that says otherwise", async () => {
    const { audit } = await mixedLog(8);
    const { note } = await audit.checkpoint();
    const text = await gather(audit.exportNdjson({ actor: "ada" }));
    const options = { expectedCheckpoint: note, verifierKeys: audit.verifierKeys };
    expect(await verifyExport(text, options)).toMatchObject({ kind: "intact", origin: "proven" });
    expect(await verifyExport(audit.exportNdjson({}, 5), options)).toMatchObject({ kind: "intact", origin: "not_provable" });
    const other = await mixedLog(8);
    expect(await verifyExport(other.audit.exportNdjson(), options)).toMatchObject({ kind: "tampered" });
    expect(await verifyExport(auditOver(other.store.log, { name: "tenant-b" }).exportNdjson(), options)).toMatchObject({
      kind: "tampered",
    });
    await expect(verifyExport(text, { expectedCheckpoint: note })).rejects.toMatchObject({ code: "untrusted_note" });
  });

  it("with any byte changed, any line left out, doubled or swapped, does not verify", async () => {
    const { audit } = await mixedLog(12);
    const text = await gather(audit.exportNdjson({ actor: "ada" }));
    const lines = text.split("\n").slice(0, -1);
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length - 2), fc.constantFrom("x", "0", "\n", '"', "}"), async (at, character) => {
        fc.pre(text[at] !== character);
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        const verdict = await verifyExport(changed);
        // Of the header only log, size and root are evidence; the filter is what the exporter says it is.
        if (at > lines[0]!.length || at < lines[0]!.indexOf('"filter"') - 1) expect(verdict.kind).toBe("tampered"); // there is a first line
      }),
      { numRuns: 1000 },
    );
    for (let index = 0; index < lines.length; index += 1) {
      const without = lines.toSpliced(index, 1);
      const doubled = lines.toSpliced(index, 0, lines[index] ?? "");
      for (const wrong of [
        without,
        doubled,
        ...(index === 0 ? [] : [lines.toSpliced(index - 1, 2, lines[index] ?? "", lines[index - 1] ?? "")]),
      ]) {
        expect((await verifyExport(wrong.join("\n"))).kind).toBe("tampered");
      }
    }
    for (const nothing of ["", "\n\n", "{}", "x".repeat(5_000_000)]) expect((await verifyExport(nothing)).kind).toBe("tampered");
  });

  it.each([
    ["from another place", { from: 1, to: 2, hashes: [""] }],
    ["backwards", { from: 0, to: 0, hashes: [] }],
    ["with too few hashes", { from: 0, to: 3, hashes: ["x"] }],
    ["with a short hash", { from: 0, to: 1, hashes: ["AAAA"] }],
    ["without hashes", { from: 0, to: 1 }],
    ["without end", { from: 0, to: 1e300, hashes: [] }],
  ])("a gap %s does not verify", async (_what, gap) => {
    const header = { export: "portcullis-audit", version: 1, log: NAME, treeSize: 4, root: "", filter: {} };
    expect(await verifyExport([header, { gap }].map((line) => JSON.stringify(line)).join("\n"))).toMatchObject({
      kind: "tampered",
      line: 2,
    });
  });

  it("an entry of another log does not verify", async () => {
    const { audit } = await filledLog(2);
    const text = (await gather(audit.exportNdjson())).replace(`"log":"${NAME}","treeSize"`, '"log":"tenant-b","treeSize"');
    expect(await verifyExport(text)).toMatchObject({ kind: "tampered", line: 2, reason: "This is an entry of another log." });
  });

  it("AUD-25 the same query at the same tree size is byte identical, however the log has grown", async () => {
    const { audit } = await mixedLog();
    const formats = [audit.exportJson, audit.exportNdjson, audit.exportCsv];
    const before = await Promise.all(formats.map((format) => gather(format({ actor: "ada" }, 40))));
    await audit.logout({ actor: ADA });
    expect(await Promise.all(formats.map((format) => gather(format({ actor: "ada" }, 40))))).toEqual(before);
    await expect(gather(audit.exportNdjson({}, 99))).rejects.toMatchObject({ code: "out_of_range" });
  });

  it("of a tampered log shows that it is", async () => {
    const { audit, book } = await filledLog(5);
    book.entries = book.entries.map((entry) =>
      entry.index === 2 ? { ...entry, bytes: Buffer.from(textOf(entry).replace("w2", "w3")) } : entry,
    );
    expect(await verifyExport(audit.exportNdjson())).toMatchObject({
      kind: "tampered",
      reason: "The lines do not give the root of the log.",
    });
    book.entries = book.entries.map((entry) => (entry.index === 2 ? { ...entry, bytes: Buffer.from("{}") } : entry));
    await expect(gather(audit.exportCsv())).rejects.toThrow("Entry 2");
    book.entries.splice(1, 1);
    await expect(gather(audit.exportNdjson())).rejects.toThrow("Entry 1");
  });

  it("AUD-25 holds a page of the log at a time, and stops reading when nobody reads it any more", async () => {
    const { log } = createMemoryStore();
    const audit = auditOver(log);
    await Promise.all(
      Array.from({ length: 5000 }, (_, n) =>
        audit.append({ category: "data", action: "x", outcome: "success", actor: ADA, details: { n, fill: "x".repeat(200) } }),
      ),
    );
    const reads: number[] = [];
    const counting: Log = { ...log, read: (name, from, limit, filter) => (reads.push(limit), log.read(name, from, limit, filter)) };
    const chunks = auditOver(counting).exportNdjson();
    const first = await chunks.next();
    expect(String(first.value).length).toBeLessThan(200_000);
    expect(reads).toEqual([500]);
    await chunks.return();
    expect(reads).toHaveLength(1);
    expect(Math.max(...reads)).toBe(500);
    expect(await verifyExport(audit.exportNdjson({ actor: "nobody" }))).toMatchObject({ kind: "intact", events: 0, treeSize: 5000 });
  });
});

describe("an export as CSV", () => {
  it("AUD-24 is RFC 4180 with every column, size and root included", async () => {
    const { audit } = await mixedLog(3);
    const rows = parseCsv(await gather(audit.exportCsv()));
    const { root } = await audit.head();
    expect(rows).toHaveLength(4);
    const [names = [], , second = []] = rows;
    const cell = (name: string): string | undefined => second[names.indexOf(name)];
    expect([cell("index"), cell("time"), cell("actor_id"), cell("workspace_id"), cell("tree_size"), cell("tree_root")]).toEqual([
      "1",
      "1970-01-01T00:00:00.001Z",
      "bob",
      "w1",
      "3",
      root,
    ]);
    expect(JSON.parse(cell("details") ?? "")).toEqual({ n: 1, text: 'a "quoted", line\nbreak' });
    expect(new Set(rows.map(({ length }) => length))).toEqual(new Set([24]));
  });

  it("AUD-24 any cells are read back; numbers stay numbers", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { minLength: 1 }), (cells) => {
        const [row = []] = parseCsv(csvRecord(cells));
        expect(row.map((cell) => cell.replaceAll("'", ""))).toEqual(cells.map((cell) => cell.replaceAll("'", "")));
      }),
    );
    expect(csvRecord([-5, 1.5, undefined, "", "x"])).toBe("-5,1.5,,,x\r\n");
  });

  const file = vectorFolder("csv-injection/payloads.json");
  if (file !== undefined) {
    const { mustNeutralise, mustStayReadable, rfc4180 } = JSON.parse(readFileSync(file, "utf8")) as {
      readonly mustNeutralise: readonly string[];
      readonly mustStayReadable: readonly string[];
      readonly rfc4180: readonly { readonly in: string; readonly out: string }[];
    };
    // What begins a formula, behind all that a spreadsheet skips.
    const formula = /^(?:[\s\u00a0\ufeff"]|%0[ad9])*[=+@\uff1d\uff0b\uff0d\uff20-]/i;

    it.each(mustNeutralise)("AUD-24 %j runs nowhere: in any column, also within the details", async (payload) => {
      const { log } = createMemoryStore();
      const audit = auditOver(log);
      await audit.append({
        id: payload,
        category: "data",
        action: "x",
        outcome: "success",
        actor: { type: "user", id: payload, name: payload },
        onBehalfOf: { type: "user", id: payload },
        target: { type: payload, id: payload, name: payload },
        reason: payload,
        ip: payload,
        userAgent: payload,
        correlationId: payload,
        workspaceId: payload,
        details: { [payload]: payload },
      });
      for (const cell of parseCsv(await gather(audit.exportCsv())).flat()) {
        for (const line of cell.split(/[\r\n]/)) if (line !== "") expect(line).not.toMatch(formula);
        expect(cell).not.toMatch(/^[\t\r\n]/);
      }
    });

    it.each(mustStayReadable)("AUD-24 %j stays as it is", (text) => {
      expect(parseCsv(csvRecord([text]))).toEqual([[text]]);
    });

    it.each(rfc4180)("AUD-24 $in", ({ in: text, out }) => {
      expect(csvRecord([text])).toBe(`${out}\r\n`);
    });
  }
});
