import type { JsonValue } from "@portcullis/core";
import { own } from "../own-options.js";
import { type Batch, type Evaluation, type FieldError, type Reading, type Semantic, SEMANTICS } from "./evaluation.js";

/** The members that each entity must have, with the most characters of each. */
export const MEMBERS = {
  subject: { type: 128, id: 512 },
  action: { name: 128 },
  resource: { type: 128, id: 512 },
} as const;

type Kind = keyof typeof MEMBERS;
type JsonObject = Readonly<Record<string, JsonValue>>;

/** What a batch says once for all of its evaluations. */
interface Defaults {
  readonly body: JsonObject;
  readonly subject: Reading<Evaluation["subject"]>;
  readonly action: Reading<Evaluation["action"]>;
  readonly resource: Reading<Evaluation["resource"]>;
  readonly context: Reading<JsonObject>;
}

const REQUIRED = "is required";
const EMPTY: JsonObject = Object.freeze({});
// RFC 7493 §2.1. A database that takes UTF-8 only would fail on it: a fault, where the answer is no.
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Reads one question. Members nobody knows are passed over, as the specification wants of forward compatibility.
 *
 * @see Authorization API 1.0 §6.1
 */
export function readEvaluation(body: unknown): Reading<Evaluation> {
  return isObject(body) ? readWith(body, "", undefined) : refused("", "must be an object");
}

/**
 * Reads many questions. What is wrong with the body as a whole refuses it; what is wrong with one evaluation refuses that one.
 *
 * @see Authorization API 1.0 §7.1, §7.2.1
 */
export function readBatch(body: unknown, maxEvaluations: number): Reading<Batch> {
  if (!isObject(body)) return refused("", "must be an object");
  const semantic = readSemantic(body);
  if (!semantic.ok) return semantic;
  const list = Object.hasOwn(body, "evaluations") ? body.evaluations : [];
  if (!Array.isArray(list)) return refused("/evaluations", "must be an array");
  if (list.length > maxEvaluations) return refused("/evaluations", `must have at most ${maxEvaluations} elements`);
  if (list.length === 0) {
    const evaluation = readEvaluation(body);
    return evaluation.ok ? { ok: true, value: { kind: "single", evaluation: evaluation.value } } : evaluation;
  }
  const defaults: Defaults = {
    body,
    subject: readEntity("subject", own(body, "subject"), "/subject"),
    action: readEntity("action", own(body, "action"), "/action"),
    resource: readEntity("resource", own(body, "resource"), "/resource"),
    context: readObject(own(body, "context"), "/context"),
  };
  // A default may lack what every evaluation says for itself. What it has must be right.
  const { subject, action, resource, context } = defaults;
  const errors = errorsOf([subject, action, resource, context]).filter(({ message }) => message !== REQUIRED);
  if (errors.length > 0) return { ok: false, errors };
  const evaluations = (list as readonly unknown[]).map((item, index) =>
    isObject(item) ? readWith(item, `/evaluations/${index}`, defaults) : refused(`/evaluations/${index}`, "must be an object"),
  );
  return { ok: true, value: { kind: "batch", semantic: semantic.value, evaluations } };
}

function readSemantic(body: JsonObject): Reading<Semantic> {
  const options = readObject(own(body, "options"), "/options");
  if (!options.ok) return options;
  if (!Object.hasOwn(options.value, "evaluations_semantic")) return { ok: true, value: "execute_all" };
  const semantic = SEMANTICS.find((known) => known === options.value.evaluations_semantic);
  return semantic === undefined
    ? refused("/options/evaluations_semantic", `must be one of ${SEMANTICS.join(", ")}`)
    : { ok: true, value: semantic };
}

function readWith(source: JsonObject, at: string, defaults: Defaults | undefined): Reading<Evaluation> {
  const subject = entityOf("subject", source, at, defaults);
  const action = entityOf("action", source, at, defaults);
  const resource = entityOf("resource", source, at, defaults);
  const context =
    defaults !== undefined && !Object.hasOwn(source, "context") ? defaults.context : readObject(own(source, "context"), `${at}/context`);
  if (subject.ok && action.ok && resource.ok && context.ok) {
    return { ok: true, value: { subject: subject.value, action: action.value, resource: resource.value, context: context.value } };
  }
  return { ok: false, errors: errorsOf([subject, action, resource, context]) };
}

// An entity replaces the default whole, but for the members that it must have and has not: those the default lends
// (AuthZEN certification scenario, "Batch with default value merging"). Properties are never mixed.
function entityOf<K extends Kind>(kind: K, source: JsonObject, at: string, defaults: Defaults | undefined): Reading<Evaluation[K]> {
  const pointer = `${at}/${kind}`;
  // The same object for all that use it, by which its identity is looked up once.
  if (defaults !== undefined && !Object.hasOwn(source, kind) && Object.hasOwn(defaults.body, kind))
    return defaults[kind] as Reading<Evaluation[K]>; // Defaults has each kind's reading under its name
  const value = own(source, kind);
  const lender = defaults === undefined ? undefined : own(defaults.body, kind);
  return readEntity(kind, isObject(value) && isObject(lender) ? { ...required(kind, lender), ...value } : value, pointer);
}

function required(kind: Kind, lender: JsonObject): JsonObject {
  const names = Object.keys(MEMBERS[kind]);
  return Object.fromEntries(Object.entries(lender).filter(([name]) => names.includes(name)));
}

function readEntity<K extends Kind>(kind: K, value: unknown, at: string): Reading<Evaluation[K]> {
  if (value === undefined) return refused(at, REQUIRED);
  if (!isObject(value)) return refused(at, "must be an object");
  const errors: FieldError[] = [];
  const entity: Record<string, unknown> = {};
  for (const [name, limit] of Object.entries<number>(MEMBERS[kind])) {
    const text = own(value, name);
    const wrong =
      text === undefined ? REQUIRED : isText(text, limit) ? undefined : `must be a well-formed string of 1 to ${limit} characters`;
    if (wrong !== undefined) errors.push({ pointer: `${at}/${name}`, message: wrong });
    entity[name] = text;
  }
  const properties = readObject(own(value, "properties"), `${at}/properties`);
  if (errors.length > 0 || !properties.ok) return { ok: false, errors: [...errors, ...errorsOf([properties])] };
  entity.properties = properties.value;
  return { ok: true, value: entity as unknown as Evaluation[K] }; // the table has all members of the kind
}

function readObject(value: unknown, at: string): Reading<JsonObject> {
  if (value === undefined) return { ok: true, value: EMPTY };
  return isObject(value) ? { ok: true, value } : refused(at, "must be an object");
}

function isText(value: unknown, limit: number): boolean {
  return typeof value === "string" && value !== "" && value.length <= limit && !LONE_SURROGATE.test(value);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refused(pointer: string, message: string): { readonly ok: false; readonly errors: readonly FieldError[] } {
  return { ok: false, errors: [{ pointer, message }] };
}

function errorsOf(readings: readonly Reading<unknown>[]): readonly FieldError[] {
  return readings.flatMap((reading) => (reading.ok ? [] : reading.errors));
}
