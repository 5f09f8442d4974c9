import { figureOf, ratioOf, type Series } from "./measure.js";

/** Which of two times is divided by the other. */
export type Comparison = "base over each" | "each over base";

/** CPU per decision of each, and how it compares with the base. */
export function speedTable(series: readonly Series[], base: string, title: string, comparison: Comparison): readonly string[] {
  const compared = (name: string): number => (comparison === "base over each" ? ratioOf(series, base, name) : ratioOf(series, name, base));
  return [
    `| | CPU ns | middle half | ${title} |`,
    "| --- | ---: | ---: | ---: |",
    ...series.map((one) => {
      const { name, nanos, from, to } = figureOf(one);
      return `| ${name} | ${nanos.toFixed(0)} | ${from.toFixed(0)} to ${to.toFixed(0)} | ${name === base ? "" : compared(name).toFixed(2)} |`;
    }),
  ];
}
