/** A cell: numbers stay numbers, text is made harmless, undefined is empty. */
export type CsvCell = string | number | undefined;

// What a spreadsheet takes for a formula at the beginning of a cell, also full-width (OWASP CSV Injection); what it skips before
// it: spaces, quotes, byte order marks, percent-encoded line ends.
const FORMULA = /(^|[\r\n])((?:[\s\u00a0\ufeff"']|%0[ad9])*)([=+@\t\r\uff1d\uff0b\uff0d\uff20-])/gi;
const LEADING_BREAK = /^[\t\r\n]/;
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
  // A plain number or a dash computes nothing.
  if (NUMBER.test(text) || text === "-") return text;
  const safe = text.replaceAll(FORMULA, "$1'$2$3");
  return LEADING_BREAK.test(safe) ? `'${safe}` : safe;
}
