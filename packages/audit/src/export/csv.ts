/** A cell: numbers stay numbers, text is made harmless, undefined is empty. */
export type CsvCell = string | number | undefined;

// What a spreadsheet takes for a formula at the beginning of a cell, also full-width (OWASP CSV Injection), behind what it skips:
// spaces, quotes, byte order marks, percent-encoded line ends.
const FORMULA = /^(?:[\s\u00a0\ufeff"']|%0[ad9])*[=+@\uff1d\uff0b\uff0d\uff20-]/i;
const NUMBER = /^[+-]?\d+(?:\.\d+)?$/;

/**
 * One record of a CSV file, with its line end. Text that a spreadsheet would run as a formula gets an apostrophe in front, at the
 * beginning of each of its lines. That cannot be undone: the JSON export is the evidence.
 *
 * @see RFC 4180, CWE-1236
 */
export function csvRecord(cells: readonly CsvCell[]): string {
  return `${cells.map(csvCell).join(",")}\r\n`;
}

function csvCell(value: CsvCell): string {
  if (value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = neutralised(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function neutralised(text: string): string {
  const safe = text
    .split(/(\r\n|[\r\n])/)
    // A plain number or a dash computes nothing.
    .map((line) => (FORMULA.test(line) && !NUMBER.test(line) && line !== "-" ? `'${line}` : line))
    .join("");
  // A cell must not begin with a tab or a line end either: some programs drop it and look again.
  return /^[\t\r\n]/.test(safe) ? `'${safe}` : safe;
}
