import type { Facts, JsonValue } from "@portcullis/core";

/** Who would act, in the words of the one who asks. */
export interface AuthzenSubject {
  /** 1 to 128 characters. */
  readonly type: string;
  /** 1 to 512 characters, unique within the type. */
  readonly id: string;
  /** Empty where the request has none. Whoever asks wrote them: roles read from here are roles that the asker gives. */
  readonly properties: Readonly<Record<string, JsonValue>>;
}

/** What would be done. */
export interface AuthzenAction {
  /** 1 to 128 characters. */
  readonly name: string;
  /** Empty where the request has none. */
  readonly properties: Readonly<Record<string, JsonValue>>;
}

/** What it would be done to. */
export interface AuthzenResource {
  /** 1 to 128 characters. */
  readonly type: string;
  /** 1 to 512 characters, unique within the type. */
  readonly id: string;
  /** Empty where the request has none. */
  readonly properties: Readonly<Record<string, JsonValue>>;
}

/** The circumstances of a question. */
export interface AuthzenCircumstances {
  /** The evaluation's `context`; empty where the request has none. */
  readonly context: Readonly<Record<string, JsonValue>>;
  /** What the guards learned of the request: who asks, for one. */
  readonly facts: Facts;
}

/** One question: may the subject do this to the resource? */
export interface Evaluation {
  readonly subject: AuthzenSubject;
  readonly action: AuthzenAction;
  readonly resource: AuthzenResource;
  readonly context: Readonly<Record<string, JsonValue>>;
}

/** How many of a batch are answered: all, those to the first denial, those to the first permission. */
export const SEMANTICS = ["execute_all", "deny_on_first_deny", "permit_on_first_permit"] as const;
export type Semantic = (typeof SEMANTICS)[number];

/** A field of a body that is wrong. */
export interface FieldError {
  /** RFC 6901; empty: the whole body. */
  readonly pointer: string;
  readonly message: string;
}

/** What was read from a body, or every field that is wrong. */
export type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly errors: readonly FieldError[] };

/** A body of the batch endpoint. One without evaluations is a single question. */
export type Batch =
  | { readonly kind: "single"; readonly evaluation: Evaluation }
  | {
      readonly kind: "batch";
      readonly semantic: Semantic;
      /** In the order asked; one that is wrong does not spoil the others. */
      readonly evaluations: readonly Reading<Evaluation>[];
    };
