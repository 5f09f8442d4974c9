// The login page: cookies hold the session, so that this script never sees a token of one. What it shows goes through textContent.

const API = "/api/auth";
const STATE_KEY = "oauth-state";
const byId = (id) => document.getElementById(id);

// What the address brought is taken out of it, and out of the history, before anything else happens.
const fragment = new URLSearchParams(location.hash.slice(1));
const query = new URLSearchParams(location.search);
history.replaceState(null, "", location.pathname);
const expectedState = sessionStorage.getItem(STATE_KEY);
sessionStorage.removeItem(STATE_KEY);

/** Of a login that waits for its second factor: opens nothing else. `undefined` where the session itself proves one. */
let pendingToken;
/** Whether somebody who needs no second factor is making one. */
let isVoluntary = false;
/** From the link of a letter. */
let resetToken;

class Refused extends Error {
  constructor(status, problem) {
    super(problem?.detail ?? "The server did not answer as expected. Try again.");
    this.status = status;
    this.code = problem?.code;
  }
}

function csrfToken() {
  return /(?:^|; )(?:__Host-)?csrf=([^;]*)/.exec(document.cookie)?.[1];
}

async function call(method, path, body) {
  const csrf = csrfToken();
  const response = await fetch(`${API}${path}`, {
    method,
    credentials: "same-origin",
    headers: {
      accept: "application/json",
      ...(csrf === undefined ? {} : { "x-csrf-token": csrf }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = await response.json().catch(() => undefined);
  if (!response.ok) throw new Refused(response.status, answer?.errorDetail);
  return answer.data;
}

/** A call of a session, whose access token may have expired meanwhile. */
async function callSignedIn(method, path, body) {
  try {
    return await call(method, path, body);
  } catch (error) {
    // 1003: the access token has expired; without its cookie, 1001.
    if (!(error instanceof Refused) || (error.code !== 1003 && error.code !== 1001)) throw error;
    await call("POST", "/refresh");
    return call(method, path, body);
  }
}

function show(view, title) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== view;
  document.querySelector("main").classList.toggle("wide", view === "account-view");
  byId("title").textContent = title;
  document.title = `${title} – Portcullis reference server`;
  const first = [...byId(view).querySelectorAll("input")].find((input) => input.offsetParent !== null);
  (first ?? byId("title")).focus();
}

function say(text) {
  byId("alert").textContent = "";
  byId("status").textContent = text;
}

function complain(text) {
  byId("status").textContent = "";
  byId("alert").textContent = text;
}

/** Runs what a button or a form does: one at a time, and what goes wrong is told. */
function on(id, event, work) {
  const element = typeof id === "string" ? byId(id) : id;
  element?.addEventListener(event, async (happened) => {
    happened.preventDefault();
    const button = happened.submitter ?? element;
    if (button.disabled) return;
    button.disabled = true;
    byId("alert").textContent = "";
    try {
      await work(element);
    } catch (error) {
      complain(error instanceof Refused ? error.message : "The server cannot be reached. Try again.");
    } finally {
      button.disabled = false;
    }
  });
}

function showLogin() {
  isVoluntary = false;
  pendingToken = undefined;
  byId("password").value = "";
  forgetEnrolment();
  show("password-view", "Log in");
}

function forgetEnrolment() {
  byId("secret").textContent = "";
  byId("otpauth").removeAttribute("href");
  byId("backup-codes").replaceChildren();
  byId("code").value = "";
  byId("enrolment").hidden = true;
}

/** Asks for a code; makes the second factor first where there is none. */
async function askForCode(enrolled) {
  forgetEnrolment();
  if (!enrolled) {
    const made = await call("POST", "/mfa/enroll", pendingToken === undefined ? {} : { mfa_token: pendingToken });
    byId("secret").textContent = made.secret.replace(/(.{4})(?=.)/g, "$1 ");
    byId("otpauth").href = made.otpauth_uri;
    byId("backup-codes").replaceChildren(...made.backup_codes.map((code) => elementOf("li", code)));
    byId("enrolment").hidden = false;
  }
  byId("code-hint").hidden = !enrolled;
  show("code-view", enrolled ? "Your second factor" : "Set up a second factor");
}

async function showAccount() {
  const me = await callSignedIn("GET", "/me");
  byId("who").textContent = me.email;
  // For whatever keeps passwords.
  byId("username").value = me.email;
  const factor = await callSignedIn("GET", "/mfa");
  // Somebody was given a role that needs a second factor while logged in.
  if (factor.required && factor.verified_at === null) {
    say("Your role needs a second factor.");
    pendingToken = undefined;
    isVoluntary = false;
    return askForCode(factor.enrolled);
  }
  if (me.must_change_password) return askForNewPassword("Choose a new password");
  byId("factor").textContent = factor.enrolled
    ? `Second factor in force, ${factor.backup_codes_left} backup codes left.`
    : "No second factor.";
  byId("enrol").hidden = factor.enrolled;
  forgetEnrolment();
  await showSessions();
  return show("account-view", "Your account");
}

async function showSessions() {
  const { sessions } = await callSignedIn("GET", "/sessions");
  byId("sessions").replaceChildren(...sessions.map(sessionItem));
  byId("end-others").hidden = sessions.length < 2;
}

function sessionItem(session) {
  const about = document.createElement("div");
  about.append(
    session.current ? elementOf("strong", "This browser") : document.createTextNode(programOf(session.user_agent)),
    elementOf("span", `since ${new Date(session.created_at).toLocaleString()}${session.ip === null ? "" : `, from ${session.ip}`}`),
  );
  const item = document.createElement("li");
  item.append(about);
  if (!session.current) {
    const button = elementOf("button", "End");
    button.type = "button";
    button.setAttribute("aria-label", `End the session since ${new Date(session.created_at).toLocaleString()}`);
    on(button, "click", async () => {
      await callSignedIn("DELETE", `/sessions/${encodeURIComponent(session.id)}`);
      await showSessions();
      say("The session is ended.");
    });
    item.append(button);
  }
  return item;
}

function programOf(userAgent) {
  if (userAgent === null) return "An unknown program";
  const name = ["Edg", "Firefox", "Chrome", "Safari", "curl"].find((each) => userAgent.includes(each));
  return name === undefined ? userAgent.slice(0, 80) : `A session of ${name === "Edg" ? "Edge" : name}`;
}

function elementOf(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

function askForNewPassword(title) {
  byId("current-field").hidden = resetToken !== undefined;
  byId("current-password").required = resetToken === undefined;
  show("new-password-view", title);
}

on("password-form", "submit", async () => {
  say("");
  const email = byId("email").value;
  const login = await call("POST", "/login", { email, password: byId("password").value, delivery: "cookie" });
  byId("password").value = "";
  if (login.mfa_required !== true) return showAccount();
  pendingToken = login.mfa_token;
  return askForCode(login.mfa_enrolled);
});

on("code-form", "submit", async () => {
  const code = byId("code").value;
  const proof = pendingToken === undefined ? { code } : { mfa_token: pendingToken, code, delivery: "cookie" };
  try {
    await call("POST", "/mfa/verify", proof);
  } catch (error) {
    byId("code").select();
    throw error;
  }
  pendingToken = undefined;
  forgetEnrolment();
  say("");
  await showAccount();
});

on("new-password-form", "submit", async () => {
  const password = byId("new-password").value;
  if (resetToken === undefined) {
    await callSignedIn("POST", "/change-password", { current_password: byId("current-password").value, new_password: password });
  } else {
    await call("POST", "/password-reset/confirm", { token: resetToken, new_password: password });
  }
  byId("new-password-form").reset();
  if (resetToken === undefined) return showAccount();
  resetToken = undefined;
  say("The password is set. Log in with it.");
  return showLogin();
});

on("forgot", "click", async () => {
  const email = byId("email");
  if (!email.reportValidity()) return;
  const { message } = await call("POST", "/password-reset/request", { email: email.value });
  say(message);
});

on("start-over", "click", async () => {
  say("");
  const hasSession = pendingToken === undefined && csrfToken() !== undefined;
  if (hasSession && isVoluntary) return showAccount();
  // A session that has yet to prove its second factor ends: there is no other way out of it.
  if (hasSession) await call("POST", "/logout");
  return showLogin();
});

on("enrol", "click", async () => {
  isVoluntary = true;
  await askForCode(false);
});

on("log-out", "click", async () => {
  await call("POST", "/logout");
  say("You are logged out.");
  showLogin();
});

on("end-others", "click", async () => {
  await callSignedIn("POST", "/sessions/revoke-others");
  await showSessions();
  say("All other sessions are ended.");
});

for (const button of document.querySelectorAll("[data-provider]")) {
  on(button, "click", async () => {
    const state = crypto.randomUUID();
    sessionStorage.setItem(STATE_KEY, state);
    location.assign(`${API}/oauth/${button.dataset.provider}?${new URLSearchParams({ state, redirect: location.pathname })}`);
  });
}

const PROVIDER_REFUSALS = {
  account_unknown: "No account here belongs to that identity.",
  account_exists: "There is an account with this address already. Log in to it with its password.",
  account_refused: "This account cannot log in.",
  email_unverified: "The provider has not verified your address.",
  access_denied: "The login was cancelled at the provider.",
};

async function begin() {
  // A hand-over that this page did not ask for would log its visitor in as somebody else.
  const isExpected = expectedState !== null && (fragment.get("state") ?? query.get("state")) === expectedState;
  if (fragment.has("mfa_token") && isExpected) {
    pendingToken = fragment.get("mfa_token");
    return askForCode(fragment.get("mfa_enrolled") === "true");
  }
  if (fragment.has("reset")) {
    resetToken = fragment.get("reset");
    return askForNewPassword("Set a new password");
  }
  if (fragment.has("verify")) {
    await call("POST", "/email-verification/confirm", { token: fragment.get("verify") });
    say("Your address is verified.");
  }
  if (query.has("error")) {
    showLogin();
    // Only our own words: whatever else stands in an address is somebody's who made the link.
    const reason = query.get("error");
    return complain(Object.hasOwn(PROVIDER_REFUSALS, reason) ? PROVIDER_REFUSALS[reason] : "The login with the provider did not work.");
  }
  // The cookie that scripts can read tells whether there may be a session.
  return csrfToken() === undefined ? showLogin() : showAccount();
}

try {
  await begin();
} catch (error) {
  showLogin();
  // A session that is over is nothing to complain about.
  if (!(error instanceof Refused)) complain("The server cannot be reached. Try again.");
  else if (error.status !== 401) complain(error.message);
}
