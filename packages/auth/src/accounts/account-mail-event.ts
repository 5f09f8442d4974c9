/** What a letter to an account's address is for. */
export type MailPurpose = "password_reset" | "email_verification" | "registration" | "already_registered";

/** What happened around letters to the addresses of accounts; see `AuthEvent`. */
export type AccountMailEvent =
  | { readonly kind: "account_mail_sent"; readonly purpose: MailPurpose; readonly userId: string | undefined }
  /** `deliver` or a store failed, after the request was answered: nobody was told. `deliver` itself knows why. */
  | { readonly kind: "account_mail_failed"; readonly purpose: MailPurpose; readonly userId: string | undefined }
  /** More letters were asked for than an address may get; nothing was sent. */
  | { readonly kind: "account_mail_limited"; readonly purpose: MailPurpose; readonly identifierHash: string }
  | { readonly kind: "password_reset"; readonly userId: string }
  | { readonly kind: "email_verified"; readonly userId: string };
