import { invalidOption } from "@portcullis/core";
import { ownOptions } from "../own-options.js";
import { checkName } from "./compile-permissions.js";

/** Who somebody is in an organisation. Orthogonal to roles: a persona can be required, but grants nothing. */
export interface PersonaDefinition {
  /** Whether it may change things, see `requireWriteAccess`; default `false`. */
  readonly writes?: boolean;
  /** Whether it may approve and refuse, see `requireApprovalAccess`; default `false`. */
  readonly approves?: boolean;
  /** Not a person but the application itself: it passes only where a guard names it; default `false`. */
  readonly internal?: boolean;
}

/** A persona, with every choice made. */
export type Persona = Required<PersonaDefinition>;

/** What personas are asked for. */
export type PersonaAccess = "read" | "write" | "approve";

/** @throws {RbacError} `invalid_name` @throws {ConfigurationError} `invalid_option` */
export function compilePersonas(definitions: unknown, namePattern: RegExp): ReadonlyMap<string, Persona> {
  if (definitions === undefined) return new Map();
  if (typeof definitions !== "object" || definitions === null)
    throw invalidOption("personas", definitions, "an object of persona definitions");
  const personas = new Map<string, Persona>();
  for (const [name, definition] of Object.entries(definitions as Readonly<Record<string, PersonaDefinition>>)) {
    checkName("persona", name, namePattern);
    const where = `personas.${name}`;
    const { writes = false, approves = false, internal = false } = ownOptions(where, definition, ["writes", "approves", "internal"]);
    for (const [option, value] of Object.entries({ writes, approves, internal }))
      if (typeof value !== "boolean") throw invalidOption(`${where}.${option}`, value, "true or false");
    personas.set(name, Object.freeze({ writes, approves, internal }));
  }
  return personas;
}

/** Whether a persona may, where no guard names it. The internal one never may. */
export function hasAccess({ writes, approves, internal }: Persona, access: PersonaAccess): boolean {
  if (internal) return false;
  // Spelt out: from untyped code comes what is none of the three, and is nobody's.
  return access === "read" || (access === "write" && writes) || (access === "approve" && approves);
}
