import type { JsonSchema, JsonValue } from "@portcullis/core";

/**
 * The API as a page: generated from the OpenAPI document, on the server, so that it needs no script and nothing from
 * elsewhere, and works under the strictest policy.
 */
export function renderDocsPage(document: JsonSchema): string {
  const info = members(document.info);
  const operations = Object.entries(members(document.paths)).flatMap(([path, methods]) =>
    Object.entries(members(methods)).map(([method, operation]) => ({ path, method, operation: members(operation) })),
  );
  const tags = [...new Set(operations.map(({ operation }) => tagOf(operation)))].toSorted();
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(info.title)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<header><h1>${escape(info.title)}</h1><p>${escape(info.description)} Version ${escape(info.version)}. <a href="/openapi.json">OpenAPI document</a></p></header>
<nav aria-label="Sections"><ul>${tags.map((tag) => `<li><a href="#${escape(tag)}">${escape(tag)}</a></li>`).join("")}</ul></nav>
<main>
${tags
  .map((tag) =>
    section(
      tag,
      operations.filter(({ operation }) => tagOf(operation) === tag),
    ),
  )
  .join("\n")}
</main>
</body>
</html>
`;
}

interface Operation {
  readonly path: string;
  readonly method: string;
  readonly operation: { readonly [name: string]: JsonValue };
}

function section(tag: string, operations: readonly Operation[]): string {
  return `<section aria-labelledby="${escape(tag)}"><h2 id="${escape(tag)}">${escape(tag)}</h2>${operations.map(renderOperation).join("")}</section>`;
}

function renderOperation({ path, method, operation }: Operation): string {
  const permission = operation["x-permission"];
  const stability = operation["x-stability"];
  const badges = [
    permission === undefined ? "" : `<span class="badge">${escape(permission)}</span>`,
    stability === "stable" ? "" : `<span class="badge">${escape(stability)}</span>`,
  ].join("");
  return `<details><summary><code class="method ${escape(method)}">${escape(method.toUpperCase())}</code> <code>${escape(path)}</code> <span>${escape(operation.summary)}</span>${badges}</summary>
${parameters(operation.parameters)}${content("Body", members(operation.requestBody).content)}${responses(members(operation.responses))}</details>`;
}

function parameters(value: JsonValue | undefined): string {
  if (!Array.isArray(value) || value.length === 0) return "";
  const rows = value.map((entry) => {
    const { name, in: place, required, schema } = members(entry);
    return `<tr><td><code>${escape(name)}</code></td><td>${escape(place)}${required === true ? ", required" : ""}</td><td><code>${escape(JSON.stringify(schema))}</code></td></tr>`;
  });
  return `<table><thead><tr><th>Parameter</th><th>In</th><th>Schema</th></tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

function responses(value: { readonly [name: string]: JsonValue }): string {
  return Object.entries(value)
    .map(
      ([status, response]) =>
        `<p><strong>${escape(status)}</strong> ${escape(members(response).description)}</p>${status === "default" ? "" : content("", members(response).content)}`,
    )
    .join("");
}

function content(label: string, value: JsonValue | undefined): string {
  const schema = members(members(value)["application/json"]).schema;
  if (schema === undefined) return "";
  return `${label === "" ? "" : `<p><strong>${label}</strong></p>`}<pre tabindex="0">${escape(JSON.stringify(schema, undefined, 2))}</pre>`;
}

function tagOf(operation: { readonly [name: string]: JsonValue }): string {
  return Array.isArray(operation.tags) ? String(operation.tags[0]) : "other";
}

function members(value: JsonValue | undefined): { readonly [name: string]: JsonValue } {
  // Checked: an object that is no array.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as { readonly [name: string]: JsonValue }) : {};
}

function escape(value: JsonValue | undefined): string {
  const text = typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Served as `/docs/style.css`. */
export const DOCS_STYLE = `:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent);--soft:color-mix(in srgb,currentColor 6%,transparent)}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:60rem;padding:1.5rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;text-transform:capitalize}
nav ul{display:flex;flex-wrap:wrap;gap:.75rem;list-style:none;padding:0;margin:1rem 0}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;padding:0 1rem}
summary{cursor:pointer;padding:.6rem 0;overflow-wrap:anywhere}
details[open]{padding-bottom:1rem}
code,pre{font:.9em ui-monospace,monospace}
.method{display:inline-block;min-width:4.5em;font-weight:700}
.badge{border:1px solid var(--line);border-radius:1em;font-size:.8rem;margin-left:.5rem;padding:0 .6em;white-space:nowrap}
pre{background:var(--soft);border-radius:.4rem;overflow:auto;padding:.75rem}
table{border-collapse:collapse;display:block;overflow-x:auto}th,td{border-bottom:1px solid var(--line);padding:.3rem .75rem .3rem 0;text-align:left;vertical-align:top}
`;
