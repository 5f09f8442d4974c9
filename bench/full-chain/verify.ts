// Before anything is timed: every configuration does what it is compared for.
import type { Configuration } from "./configurations.js";
import { CREATE_PATH, NEW_WORKFLOW, ORIGINS, READ_PATH, type Served } from "./service.js";

/** Fields that a configuration with all duties sends with every answer. */
const DUTIES = [
  "strict-transport-security",
  "content-security-policy",
  "x-content-type-options",
  "x-frame-options",
  "referrer-policy",
  "cross-origin-opener-policy",
  "cross-origin-resource-policy",
  "cross-origin-embedder-policy",
  "x-permitted-cross-domain-policies",
  "cache-control",
  "access-control-allow-origin",
  "access-control-expose-headers",
  "vary",
  "x-request-id",
];
/** Each library has its own draft of these. */
const LIMIT_FIELD = /^(x-)?ratelimit/;

/** @throws {Error} The configuration does not answer as it must. */
export async function verify(
  configuration: Configuration,
  { listening, tokens }: Pick<Served, "tokens"> & { readonly listening: { readonly port: number } },
): Promise<void> {
  const { name, authenticates, authorises } = configuration;
  const url = `http://127.0.0.1:${listening.port}`;
  const expect = async (what: string, answer: Promise<Response>, status: number): Promise<Response> => {
    const response = await answer;
    const body = await response.clone().text();
    if (response.status !== status) throw new Error(`${name}: ${what} is answered ${response.status}, not ${status}: ${body}`);
    return response;
  };
  const read = (token: string): Promise<Response> => fetch(url + READ_PATH, { headers: headersOf(token) });
  const create = (token: string): Promise<Response> =>
    fetch(url + CREATE_PATH, {
      method: "POST",
      headers: { ...headersOf(token), "content-type": "application/json" },
      body: JSON.stringify(NEW_WORKFLOW),
    });
  const good = tokens.good[0] ?? "";

  const answer = await expect("GET with a good token", read(good), 200);
  if (!(await answer.text()).includes('"owner"')) throw new Error(`${name}: GET has another body.`);
  const made = await expect("POST with a good token", create(good), 200);
  if (!(await made.text()).includes('"steps":2')) throw new Error(`${name}: POST has not read the body.`);
  if (authenticates) {
    await expect("a forged token", read(tokens.bad), 401);
    await expect("no token", fetch(url + READ_PATH), 401);
  }
  if (!authorises) return;
  await expect("GET of a role that may not", read(tokens.forbidden), 403);
  await expect("POST of a role that may not", create(tokens.forbidden), 403);
  const missing = DUTIES.filter((field) => !answer.headers.has(field));
  if (![...answer.headers.keys()].some((field) => LIMIT_FIELD.test(field))) missing.push("ratelimit");
  if (missing.length > 0) throw new Error(`${name}: a good answer lacks ${missing.join(", ")}.`);
  const preflight = { origin: ORIGINS[0], "access-control-request-method": "POST" };
  await expect("a preflight", fetch(url + CREATE_PATH, { method: "OPTIONS", headers: preflight }), 204);
}

/** The fields of the requests that are measured, as a page of an allowed origin sends them. */
export function headersOf(token: string): Record<string, string> {
  return {
    accept: "application/json",
    "accept-encoding": "gzip, deflate, br",
    "accept-language": "en-GB,en;q=0.9",
    authorization: `Bearer ${token}`,
    origin: ORIGINS[0],
    referer: `${ORIGINS[0]}/`,
    "sec-fetch-dest": "empty",
    "sec-fetch-mode": "cors",
    "sec-fetch-site": "cross-site",
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  };
}
