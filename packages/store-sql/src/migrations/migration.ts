/** A numbered change of the tables. Once released it never changes: a later one corrects it. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  /** A script with `{fragments}` and no values. */
  readonly up: string;
  readonly down: string;
}
