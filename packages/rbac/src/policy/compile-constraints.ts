import { invalidOption } from "@portcullis/core";
import { RbacError } from "../errors.js";
import { ownOptions } from "../own-options.js";
import { lineageOf, type Role, shown } from "./compile-roles.js";

/** Roles that are kept apart. Inherited roles count: who holds a senior role holds its juniors. */
export interface SeparationOfDuty<RoleName extends string = string> {
  /** For messages and decisions. */
  readonly name: string;
  /** At least `cardinality` of them. */
  readonly roles: readonly RoleName[];
  /** Nobody holds this many of them: 2 (default) or more. */
  readonly cardinality?: number;
}

/**
 * Separation of duty. Static: the roles are never assigned together. Dynamic: they may be assigned together, but are never active at
 * once. @see ANSI/INCITS 359 §6.3, §6.4
 */
export interface RbacConstraints<RoleName extends string = string> {
  readonly static?: readonly SeparationOfDuty<RoleName>[];
  readonly dynamic?: readonly SeparationOfDuty<RoleName>[];
}

/** A constraint that roles held together would break. */
export interface Violation {
  readonly constraint: string;
  readonly roles: readonly string[];
}

type Constraint = Required<SeparationOfDuty>;

/** Constraints as they were written, checked and copied; not yet against the roles that there are. */
export interface ParsedConstraints {
  readonly static: readonly Constraint[];
  readonly dynamic: readonly Constraint[];
}

/** @throws {RbacError} `invalid_constraint` @throws {ConfigurationError} `invalid_option` */
export function parseConstraints(definitions: unknown): ParsedConstraints {
  const { static: statics, dynamic } = ownOptions("constraints", (definitions ?? {}) as RbacConstraints, ["static", "dynamic"]);
  return Object.freeze({ static: parseList("constraints.static", statics), dynamic: parseList("constraints.dynamic", dynamic) });
}

/**
 * Constraints over the roles that there are.
 *
 * They may not fit roles from a store, which an earlier release of the program wrote. Then a role that is not there is held by nobody,
 * and one that nobody could hold counts for nothing: to refuse all of them would lock everybody out.
 */
export class Constraints {
  readonly #assigned: readonly Constraint[];
  readonly #active: readonly Constraint[];

  /** @throws {RbacError} `unknown_role`, `invalid_constraint` */
  constructor(parsed: ParsedConstraints, roles: ReadonlyMap<string, Role>, onMismatch: "refuse" | "ignore" = "refuse") {
    this.#assigned = parsed.static;
    this.#active = [...parsed.static, ...parsed.dynamic];
    if (onMismatch === "ignore") return;
    for (const { name, roles: apart } of this.#active) {
      const unknown = apart.find((role) => !roles.has(role));
      if (unknown !== undefined) unknownRole(name, unknown);
    }
    if (this.#active.length === 0) return;
    for (const role of roles.values()) {
      const violation = this.violationOf([role], "active");
      if (violation === undefined) continue;
      // ANSI/INCITS 359 §6.3: an inheritance that nobody could hold is refused where it is made.
      throw new RbacError(
        "invalid_constraint",
        `The role "${role.name}" is or inherits ${violation.roles.join(", ")}, which the constraint "${violation.constraint}" keeps apart. Change one of the two.`,
      );
    }
  }

  /**
   * The first constraint that these roles break together.
   *
   * @param held `assigned`: static constraints only. `active`: dynamic ones too.
   */
  violationOf(roles: readonly Role[], held: "assigned" | "active"): Violation | undefined {
    const constraints = held === "assigned" ? this.#assigned : this.#active;
    if (constraints.length === 0) return undefined;
    const names = new Set(roles.flatMap((role) => lineageOf(role).map(({ name }) => name)));
    for (const { name, roles: apart, cardinality } of constraints) {
      const together = apart.filter((role) => names.has(role));
      if (together.length >= cardinality) return { constraint: name, roles: together };
    }
    return undefined;
  }
}

function parseList(option: string, value: unknown): readonly Constraint[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw invalidOption(option, value, "a list of constraints");
  return Object.freeze(
    // A place that is empty is visited too, and refused.
    Array.from(value, (definition: SeparationOfDuty, index) => {
      const where = `${option}[${index}]`;
      const { name, roles, cardinality = 2 } = ownOptions(where, definition, ["name", "roles", "cardinality"]);
      if (typeof name !== "string" || name === "") throw invalidOption(`${where}.name`, name, "a non-empty string");
      if (!Array.isArray(roles)) throw invalidOption(`${where}.roles`, roles, "a list of roles");
      const apart = [...new Set(roles as readonly unknown[])].map((role) => (typeof role === "string" ? role : unknownRole(name, role)));
      if (!Number.isInteger(cardinality) || cardinality < 2 || cardinality > apart.length) {
        throw new RbacError(
          "invalid_constraint",
          `The constraint "${name}" has ${apart.length} roles and cardinality ${String(cardinality)}. Give an integer from 2 to the number of its roles.`,
        );
      }
      return Object.freeze({ name, roles: Object.freeze(apart), cardinality });
    }),
  );
}

function unknownRole(constraint: string, role: unknown): never {
  throw new RbacError(
    "unknown_role",
    `The constraint "${constraint}" names ${shown(role)}, which is not defined. Define it or correct the name.`,
  );
}
