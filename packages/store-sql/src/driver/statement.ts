import type { Clock } from "@portcullis/core";
import type { Dialect, FragmentName } from "../dialect.js";
import type { SqlValue } from "./driver.js";
import { escapeText } from "./escape-text.js";

/** A statement as its database takes it. */
export interface Statement {
  readonly sql: string;
  readonly returnsRows: boolean;
  /** The values in the order the statement wants them. */
  bind(values: readonly SqlValue[]): SqlValue[];
}

/** Where a placeholder's value comes from: the n-th value, or the clock. */
type Source = number | "now";

/**
 * Writes statements for one database, each text once.
 *
 * @param clock Decides `{now}` where given; else the server's clock does.
 */
export class StatementWriter {
  readonly #written = new Map<string, Statement>();

  constructor(
    readonly dialect: Dialect,
    readonly clock: Clock | undefined,
  ) {}

  write(text: string): Statement {
    const known = this.#written.get(text);
    if (known !== undefined) return known;
    const statement = this.#write(text);
    this.#written.set(text, statement);
    return statement;
  }

  /** A script: fragments only. */
  writeScript(text: string): string {
    return text.replace(/\{(\w+)\}/g, (_match, name: FragmentName) => this.dialect.fragments[name]);
  }

  #write(text: string): Statement {
    const { dialect, clock } = this;
    const sources: Source[] = [];
    const place = (source: Source): string => {
      const known = dialect.numbersValues ? sources.indexOf(source) : -1;
      return dialect.placeholder(known >= 0 ? known + 1 : sources.push(source));
    };
    const now = (): string => (clock === undefined ? (dialect.serverNow ?? place("now")) : `CAST(${place("now")} AS BIGINT)`);
    const sql = text.replace(/\{(\w+)\}|\$(\d+)/g, (_match, name: FragmentName | "now" | undefined, position: string | undefined) => {
      if (name === undefined) return place(Number(position));
      return name === "now" ? now() : dialect.fragments[name];
    });
    return Object.freeze({
      sql,
      returnsRows: /^\s*(SELECT|WITH)\b|\bRETURNING\b/.test(sql),
      bind: (values: readonly SqlValue[]) => {
        // One instant for the whole statement.
        const instant = clock === undefined ? 0 : Math.floor(clock.now());
        return sources.map((source) => (source === "now" ? instant : sent(values[source - 1] ?? null)));
      },
    });
  }
}

function sent(value: SqlValue): SqlValue {
  return typeof value === "string" ? escapeText(value) : value;
}
