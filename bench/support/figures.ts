import { GOALS } from "./goals.ts";
import type { Summary } from "./stats.ts";

/** One measured number. */
export type Figure = {
  /** Stable name; `goals.ts` knows some of them. */
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  readonly value: number;
  /** Of several runs, of which `value` is the median. */
  readonly min?: number;
  readonly max?: number;
  readonly runs?: number;
  /** What else was seen, e.g. `CPU 12 ms`. */
  readonly note?: string;
};

export type BenchResult = {
  readonly name: string;
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly figures: readonly Figure[];
  /** What could not be measured, and why. */
  readonly skipped: readonly string[];
};

/** An answer or a count was wrong: the figures mean nothing then. */
export class ImplausibleError extends Error {}

export function expectTrue(condition: boolean, message: string): void {
  if (!condition) throw new ImplausibleError(message);
}

export function summaryFigure(
  id: string,
  label: string,
  unit: string,
  summary: Summary,
  note?: string,
): Figure {
  return {
    id,
    label,
    unit,
    value: summary.median,
    min: summary.min,
    max: summary.max,
    runs: summary.runs,
    ...(note === undefined ? {} : { note }),
  };
}

const MEBIBYTE = 1024 * 1024;

export function mebibytesFigure(id: string, label: string, bytes: number): Figure {
  return { id, label, unit: "MiB", value: bytes / MEBIBYTE };
}

/** A Markdown table: the figure, how far its runs lie apart, the goal, and what Tempo needs. */
export function markdownTable(result: BenchResult): string {
  const rows = result.figures.map((figure) => {
    const goal = GOALS[figure.id];
    const limit = goal?.atMost === undefined ? "" : `≤ ${goal.atMost} ${figure.unit}`;
    return [
      figure.label,
      `${numberText(figure.value)} ${figure.unit}`,
      figure.min === undefined || figure.max === undefined
        ? ""
        : `${numberText(figure.min)}–${numberText(figure.max)} (${figure.runs})`,
      figure.note ?? "",
      limit,
      goal?.tempo ?? "",
    ];
  });
  const lines = [
    ["what", "measured", "min–max (runs)", "beside", "goal", "Tempo 3.0.3"],
    ["---", "---:", "---:", "---", "---:", "---:"],
    ...rows,
  ];
  return lines.map((cells) => `| ${cells.map(escapeCell).join(" | ")} |`).join("\n");
}

function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|");
}

/** Three significant digits, never an exponent. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return "n/a";
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
