import { createMemoryStore } from "@portcullis/core";
import {
  type AccountMailOptions,
  type AccountLetter,
  type AuthOptions,
  createAccountMail,
  createUserDirectory,
  type RegistrationLetter,
  type AccountInfo,
} from "@portcullis/auth";
import { createManualClock } from "@portcullis/testkit";
import { createFixtureWithAda, EMAIL, valueOf } from "./auth-fixture.js";

export const NEW_PASSWORD = "a new and longer one";
export const MINUTE_MS = 60_000;
export const NOBODY = "nobody@example.com";

/** A letter, and which one. */
type Sent =
  | ({ readonly kind: "passwordReset" | "emailVerification" } & AccountLetter)
  | ({ readonly kind: "registration" } & RegistrationLetter)
  | { readonly kind: "alreadyRegistered"; readonly account: AccountInfo };

/** Auth with one account, and its letters as they are sent. */
export async function createMail(options: Partial<AuthOptions> = {}, mailOptions: Partial<AccountMailOptions> = {}) {
  const clock = createManualClock();
  const store = options.store ?? createMemoryStore({ clock });
  const users = createUserDirectory({ store });
  const fixture = await createFixtureWithAda({ clock, store, users, ...options });
  const sent: Sent[] = [];
  const mail = createAccountMail({
    auth: fixture.auth,
    deliver: {
      passwordReset: (letter) => void sent.push({ kind: "passwordReset", ...letter }),
      emailVerification: (letter) => void sent.push({ kind: "emailVerification", ...letter }),
      registration: (letter) => void sent.push({ kind: "registration", ...letter }),
      alreadyRegistered: ({ account }) => void sent.push({ kind: "alreadyRegistered", account }),
    },
    ...mailOptions,
  });
  /** The token of the letter that this request sends. */
  async function letter(request: "reset" | "verify" | "register", email = EMAIL): Promise<string> {
    const before = sent.length;
    if (request === "reset") valueOf(await mail.requestPasswordReset(email));
    else if (request === "verify") valueOf(await mail.requestEmailVerification(email));
    else if (mail.registration !== undefined) valueOf(await mail.registration.request(email));
    await mail.settled();
    const last = sent[before];
    return last !== undefined && "token" in last ? last.token : "none was sent";
  }
  return { ...fixture, clock, store, users, mail, sent, letter };
}

export type Mail = Awaited<ReturnType<typeof createMail>>;
