import type { OAuth } from "@portcullis/auth/oauth";
import { defineRoute, type Route, securityHeaders } from "@portcullis/core";
import { readFileSync } from "node:fs";
import { LOGIN_PATH } from "./create-identity.js";

/** What the page offers. */
export interface LoginPageOptions {
  readonly oauth: OAuth | undefined;
  /** Whether letters are sent: without them nobody can ask for one. */
  readonly hasMail: boolean;
}

/**
 * `/login`: password, second factor, other providers; for who is logged in, the sessions. Everything comes from this server, no script
 * or style stands in the page itself, and nothing that a request brings is written into it.
 */
export function loginPageRoutes(options: LoginPageOptions): readonly Route[] {
  const guards = [securityHeaders({ preset: "document", hstsMaxAgeSeconds: false })];
  const served = (path: string, operationId: string, summary: string, type: string, body: string): Route =>
    defineRoute({
      ...{ method: "GET", path, operationId, summary, guards },
      tags: ["system"],
      handle: () => new Response(body, { headers: { "content-type": `${type}; charset=utf-8` } }),
    });
  return [
    served(LOGIN_PATH, "loginPage", "Where people log in", "text/html", renderLoginPage(options)),
    served(`${LOGIN_PATH}/login.css`, "loginStyle", "Style of the page", "text/css", fileOf("login.css")),
    served(`${LOGIN_PATH}/login.js`, "loginScript", "Script of the page", "text/javascript", fileOf("login.js")),
  ];
}

function fileOf(name: string): string {
  return readFileSync(new URL(`../../pages/${name}`, import.meta.url), "utf8");
}

function renderLoginPage({ oauth, hasMail }: LoginPageOptions): string {
  const providers = oauth?.providers ?? [];
  const buttons = providers.map(
    ({ id, name }) => `<button type="button" class="wide" data-provider="${escape(id)}">Continue with ${escape(name)}</button>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in – Portcullis reference server</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${LOGIN_PATH}/login.css">
<script src="${LOGIN_PATH}/login.js" type="module"></script>
</head>
<body>
<main>
<p class="brand">Portcullis reference server</p>
<h1 id="title" tabindex="-1">Log in</h1>
<p id="alert" class="alert" role="alert"></p>
<p id="status" class="status" role="status"></p>
<noscript><p>This page needs JavaScript. Programs log in with POST /api/auth/login.</p></noscript>

<section id="password-view" hidden>
<form id="password-form">
<label for="email">E-mail address</label>
<input id="email" type="email" autocomplete="username" required maxlength="254" autocapitalize="none" spellcheck="false">
<label for="password">Password</label>
<input id="password" type="password" autocomplete="current-password" required maxlength="4096">
<button class="primary wide" type="submit">Log in</button>
</form>
${hasMail ? '<button class="link" type="button" id="forgot">Forgot your password?</button>' : ""}
${buttons.length === 0 ? "" : `<p class="or">or</p>\n${buttons.join("\n")}`}
</section>

<section id="code-view" hidden>
<div id="enrolment" hidden>
<p>Add an account to your authenticator app with this secret, then enter the code that it shows.</p>
<p id="secret-label" class="hint">Secret</p>
<code id="secret" class="secret" aria-labelledby="secret-label"></code>
<p><a id="otpauth">Open in an authenticator on this device</a></p>
<h2>Backup codes</h2>
<p class="hint">Each works once if you lose the authenticator. They are shown this once: keep them somewhere safe.</p>
<ul id="backup-codes" class="codes"></ul>
</div>
<p id="code-hint" class="hint">Enter the six digits of your authenticator app, or a backup code.</p>
<form id="code-form">
<label for="code">Code</label>
<input id="code" class="code" autocomplete="one-time-code" required maxlength="64" autocapitalize="characters" spellcheck="false">
<button class="primary wide" type="submit">Continue</button>
</form>
<button class="link" type="button" id="start-over">Start over</button>
</section>

<section id="new-password-view" hidden>
<form id="new-password-form">
<input id="username" type="email" autocomplete="username" readonly hidden>
<div id="current-field">
<label for="current-password">Current password</label>
<input id="current-password" type="password" autocomplete="current-password" maxlength="4096">
</div>
<label for="new-password">New password</label>
<input id="new-password" type="password" autocomplete="new-password" required maxlength="4096">
<button class="primary wide" type="submit">Set password</button>
</form>
</section>

<section id="account-view" hidden>
<p>Logged in as <strong id="who"></strong></p>
<p id="factor" class="hint"></p>
<button type="button" id="enrol" hidden>Set up a second factor</button>
<h2>Your sessions</h2>
<ul id="sessions" class="sessions"></ul>
<div class="row">
<button type="button" id="log-out" class="primary">Log out</button>
<button type="button" id="end-others">End all other sessions</button>
</div>
</section>
</main>
</body>
</html>
`;
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
