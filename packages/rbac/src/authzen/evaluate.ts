import type { Facts, MaybePromise } from "@portcullis/core";
import type { CheckOptions, DecisionReason, Identity } from "../decision/decision.js";
import type { AnyRbac } from "../policy/rbac.js";
import type {
  AuthzenAction,
  AuthzenCircumstances,
  AuthzenResource,
  AuthzenSubject,
  Batch,
  Evaluation,
  FieldError,
  Reading,
  Semantic,
} from "./evaluation.js";

/** How a question of AuthZEN becomes one of the policy. */
export interface EvaluationRules {
  readonly rbac: AnyRbac;
  readonly identityOf: (subject: AuthzenSubject, circumstances: AuthzenCircumstances) => MaybePromise<Identity | undefined>;
  readonly permissionOf: (action: AuthzenAction, resource: AuthzenResource) => string;
  readonly checkOptionsOf: ((resource: AuthzenResource, circumstances: AuthzenCircumstances) => MaybePromise<CheckOptions>) | undefined;
  readonly reasons: boolean;
}

/** One answer on the wire. */
export interface DecisionBody {
  readonly decision: boolean;
  readonly context?: { readonly reason: DecisionReason } | { readonly error: { readonly status: 400; readonly message: string } };
}

/** Answers one request. */
export interface Evaluator {
  one(evaluation: Evaluation): Promise<DecisionBody>;
  all(batch: Batch): Promise<DecisionBody | { readonly evaluations: readonly DecisionBody[] }>;
}

// The decision after which the rest is not asked.
const STOPS_AT: { readonly [S in Semantic]: boolean | undefined } = {
  execute_all: undefined,
  deny_on_first_deny: false,
  permit_on_first_permit: true,
};
// A resource whose organisation cannot be told belongs to nobody: the check denies it.
const NOBODYS = Object.freeze({ org: undefined }) as unknown as CheckOptions;

/**
 * Makes the evaluator of one request. Evaluations are answered in order, one after the other: a batch asks no more of a store at
 * once than a single question does.
 *
 * A subject that a batch names once, for all, is looked up once, so that all its answers are about the same identity.
 */
export function createEvaluator(rules: EvaluationRules, facts: Facts): Evaluator {
  const { rbac, permissionOf, checkOptionsOf, reasons } = rules;
  const identityOf = lookUpOnce(rules, facts);

  async function one({ subject, action, resource, context }: Evaluation): Promise<DecisionBody> {
    const permission = permissionOf(action, resource);
    const identity = await identityOf(subject, context);
    const options = checkOptionsOf === undefined ? undefined : boundOf(await checkOptionsOf(resource, { context, facts }));
    const { allowed, reason } = rbac.check(identity, permission, options);
    // Of a permission the context stays out: a client may refuse a permission whose context it does not understand (§5.5).
    return !allowed && reasons ? { decision: false, context: { reason } } : { decision: allowed };
  }

  async function each(semantic: Semantic, evaluations: readonly Reading<Evaluation>[]): Promise<readonly DecisionBody[]> {
    const decisions: DecisionBody[] = [];
    for (const evaluation of evaluations) {
      const decided = evaluation.ok ? await one(evaluation.value) : malformed(evaluation.errors);
      decisions.push(decided);
      if (decided.decision === STOPS_AT[semantic]) break;
    }
    return decisions;
  }

  return {
    one,
    all: async (batch) =>
      batch.kind === "single" ? one(batch.evaluation) : { evaluations: await each(batch.semantic, batch.evaluations) },
  };
}

function lookUpOnce(
  { identityOf }: EvaluationRules,
  facts: Facts,
): (subject: AuthzenSubject, context: Evaluation["context"]) => MaybePromise<Identity | undefined> {
  const latest = new Map<
    AuthzenSubject,
    { readonly context: Evaluation["context"]; readonly identity: MaybePromise<Identity | undefined> }
  >();
  return (subject, context) => {
    const known = latest.get(subject);
    if (known?.context === context) return known.identity;
    const identity = identityOf(subject, { context, facts });
    latest.set(subject, { context, identity });
    return identity;
  };
}

function boundOf(options: CheckOptions): CheckOptions {
  return typeof options === "object" && (options as CheckOptions | null) !== null ? options : NOBODYS;
}

function malformed(errors: readonly FieldError[]): DecisionBody {
  const message = errors.map((error) => `${error.pointer} ${error.message}`).join("; ");
  return { decision: false, context: { error: { status: 400, message } } };
}
