// Why: a code is a promise that somebody looked up what it means. Every problem code and every error code that a package can
// produce has an entry in docs/errors.md (a heading or the first cell of a table row that holds it in backticks), and
// every entry is of a code that exists.
import ts from "typescript";
import type { Repository } from "./repository.js";
import { type Findings, runCheck } from "./run-check.js";

const PAGE = "docs/errors.md";

/** A code, and where it is defined. */
interface Code {
  readonly code: string;
  readonly where: string;
}

export function checkErrorsDocumented(repository: Repository): Findings {
  const { codes, unreadable } = definedCodes(repository);
  const documented = repository.has(PAGE) ? documentedCodes(repository.read(PAGE)) : new Set<string>();
  const defined = new Set(codes.map(({ code }) => code));
  return [
    ...unreadable.map((where) => `${where}: the codes of this union cannot be read; write them as string literals`),
    ...codes.filter(({ code }) => !documented.has(code)).map(({ code, where }) => `${where}: code ${code} has no entry in ${PAGE}`),
    ...[...documented].filter((code) => !defined.has(code)).map((code) => `${PAGE}: no source defines the code ${code}`),
  ];
}

function definedCodes(repository: Repository): { codes: Code[]; unreadable: string[] } {
  const codes: Code[] = [];
  const unreadable: string[] = [];
  for (const path of repository.packages.flatMap(({ sources }) => sources)) {
    const file = ts.createSourceFile(path, repository.read(path), ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      const where = `${path}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1}`;
      const found = codesOf(node);
      if (found?.length === 0) unreadable.push(where);
      for (const code of found ?? []) codes.push({ code, where });
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return { codes, unreadable };
}

/** The codes that this node defines; none if it should define some and does not show them; `undefined` if it defines none. */
function codesOf(node: ts.Node): readonly string[] | undefined {
  if (ts.isTypeAliasDeclaration(node) && node.name.text.endsWith("ErrorCode")) return literalsOf(node.type);
  // class StoreUnavailable { readonly code = "store_unavailable" }
  if (ts.isPropertyDeclaration(node) && node.name.getText() === "code" && node.initializer && ts.isStringLiteral(node.initializer))
    return [node.initializer.text];
  // defineProblem({ code: 4002, … }), but not in a documentation example: those are comments
  if (ts.isCallExpression(node) && node.expression.getText() === "defineProblem") {
    const [definition] = node.arguments;
    const property =
      definition && ts.isObjectLiteralExpression(definition)
        ? definition.properties.find((each) => each.name?.getText() === "code")
        : undefined;
    if (property && ts.isPropertyAssignment(property) && ts.isNumericLiteral(property.initializer)) return [property.initializer.text];
    return [];
  }
  return undefined;
}

/** Of a union, literals and the names of other `…ErrorCode` unions, which are read where they are declared. */
function literalsOf(type: ts.TypeNode): readonly string[] {
  if (ts.isUnionTypeNode(type)) return type.types.flatMap(literalsOf);
  return ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal) ? [type.literal.text] : [];
}

function documentedCodes(page: string): ReadonlySet<string> {
  const entries = page.split("\n").flatMap((line) => /^(?:#+|\|)\s*`([a-z0-9_.-]+)`/.exec(line)?.[1] ?? []);
  return new Set(entries);
}

await runCheck(import.meta.url, checkErrorsDocumented);
