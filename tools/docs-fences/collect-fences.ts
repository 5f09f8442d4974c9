// Finds the TypeScript examples in the documentation: ```ts fences of Markdown pages, and of @example in sources.
import type { Repository } from "../repository.js";

export interface Fence {
  /** The page or source, from the root. */
  readonly path: string;
  /** The line of its first line of code; 1 is the first. */
  readonly line: number;
  readonly code: string;
  /** False for ```ts no-run: it is type-checked only. */
  readonly runs: boolean;
}

const PAGE = /^(README|ARCHITECTURE|CONTRIBUTING|SECURITY)\.md$|^docs\/.*\.md$|^packages\/[^/]+\/README\.md$|^examples\/(.*\/)?README\.md$/;

export function collectFences(repository: Repository): readonly Fence[] {
  const pages = repository.files(".", PAGE).filter((path) => !path.startsWith("docs/api/"));
  return [
    ...pages.flatMap((path) => fencesIn(path, repository.read(path))),
    ...repository.packages.flatMap(({ sources }) => sources).flatMap((path) => fencesIn(path, commentsOf(repository.read(path)))),
  ];
}

/** A source with everything blanked but its documentation comments, so that lines stay what they are. */
function commentsOf(source: string): string {
  const kept: string[] = [];
  let inside = false;
  for (const line of source.split("\n")) {
    inside ||= /^\s*\/\*\*/.test(line);
    kept.push(inside ? line.replace(/^\s*(\/\*\*|\*(?!\/)) ?/, "") : "");
    if (line.includes("*/")) inside = false;
  }
  return kept.join("\n");
}

function fencesIn(path: string, text: string): readonly Fence[] {
  const fences: Fence[] = [];
  let open: { line: number; indent: string; marks: string; info: string; code: string[] } | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const [, indent = "", marks, info = ""] = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (open === undefined) {
      if (marks !== undefined) open = { line: index + 2, indent, marks, info: info.trim(), code: [] };
    } else if (marks?.startsWith(open.marks) && info.trim() === "") {
      const [language, ...words] = open.info.split(/\s+/);
      if (language === "ts" || language === "typescript")
        fences.push({ path, line: open.line, code: open.code.join("\n"), runs: !words.includes("no-run") });
      open = undefined;
    } else {
      open.code.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
    }
  }
  return fences;
}
