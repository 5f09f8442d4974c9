// Why: rules of style that no linter of ours knows. Each one closes a hole through which something leaked in other
// libraries: types laundered through an alias of `any`, internals through `export *`, settings through the environment, a
// drawer for everything called utils.
import type { Repository } from "./repository.js";
import { type Findings, runCheck } from "./run-check.js";

interface Rule {
  /** What a finding says after its place. */
  readonly because: string;
  readonly applies: (path: string) => boolean;
  /** Where: `code` leaves comments out. */
  readonly forbidden: RegExp;
  readonly in: "code" | "text" | "path";
}

const source = (path: string): boolean => /^packages\/[^/]+\/src\//.test(path);
const typescript = (path: string): boolean => path.endsWith(".ts");
const PUBLIC_TEXT = /\.(ts|mjs|js|json|md|ya?ml|sql|lua|html|css|sh)$/;

const RULES: readonly Rule[] = [
  {
    because: "a disabled rule is how `any` gets past the linter; narrow the type",
    applies: typescript,
    in: "text",
    forbidden: /@ts-(ignore|nocheck)|(ox|es)lint-disable[^\n]*no-explicit-any/,
  },
  { because: "export by name: what is public is a decision", applies: typescript, in: "code", forbidden: /\bexport\s*\*/ },
  {
    because: "no default exports, except where a tool asks for one",
    applies: (path) => typescript(path) && !path.endsWith(".config.ts"),
    in: "code",
    forbidden: /\bexport\s+default\b|\bas default\b/,
  },
  {
    because: "a package reads no environment; take it as a parameter, or parse it in fromEnv",
    applies: (path) => source(path) && !path.startsWith("packages/cli/"),
    in: "code",
    forbidden: /\bprocess\s*\.\s*env\b|\bprocess\s*\[|import\.meta\.env\b/,
  },
  {
    because: "name the file for the one thing that it holds",
    applies: (path) => typescript(path),
    in: "path",
    forbidden: /(^|\/)(utils?|helpers?|common|misc|types)(\.ts$|\/)/,
  },
  {
    because: "a path of one machine",
    applies: (path) => PUBLIC_TEXT.test(path),
    in: "text",
    forbidden: /(?<![\w./:@-])\/(work|tmp)\/\w/,
  },
  {
    because: "a mark that only a person who was there understands; open an issue and name it",
    applies: typescript,
    in: "text",
    forbidden: /\b(TODO|FIXME|XXX)\b(?!\(#\d+\))/,
  },
];

export function checkForbidden(repository: Repository): Findings {
  // This file and its test hold what they forbid.
  const files = repository.files(".", PUBLIC_TEXT).filter((path) => !/check-forbidden(\.test)?\.ts$|pnpm-lock\.yaml$/.test(path));
  return files.flatMap((path) => {
    const text = repository.read(path);
    const code = withoutComments(text);
    return RULES.filter((rule) => rule.applies(path)).flatMap((rule) => {
      if (rule.in === "path") return rule.forbidden.test(path) ? [`${path}: ${rule.because}`] : [];
      return linesMatching(rule.in === "code" ? code : text, rule.forbidden).map((line) => `${path}:${line}: ${rule.because}`);
    });
  });
}

function linesMatching(text: string, pattern: RegExp): readonly number[] {
  return text.split("\n").flatMap((line, index) => (pattern.test(line) ? [index + 1] : []));
}

/** Blanks comments, keeping lines. Strings with `//` in them lose their end, which no rule here minds. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, " ")).replace(/(^|[^:])\/\/.*$/gm, "$1");
}

await runCheck(import.meta.url, checkForbidden);
