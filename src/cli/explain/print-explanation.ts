import type { ExplainedSegments, Explanation } from "../../api/wire/explanation.ts";
import { printable } from "../sql/display.ts";

const SHORT_STATEMENT_CHARS = 600;

/** An explanation as text for a terminal; nothing in it is obeyed by one. */
export function explanationText(explanation: Explanation, verbose: boolean): string {
  const { query, plan, segments, statements, statementCount, durationMs, answer } = explanation;
  const lines = [`query     ${printable(query)}`, "", "plan"];
  for (const line of plan) lines.push(`  ${printable(line)}`);
  for (const ofTenant of segments) lines.push("", ...segmentLines(ofTenant, verbose));
  lines.push("", `statements: ${statementCount}`);
  for (const [i, { sql, rows, durationMs: took, error }] of statements.entries()) {
    lines.push(
      `  ${i + 1}. ${took} ms, ${rows} rows${error ? `, failed: ${printable(error)}` : ""}`,
    );
    lines.push(...statementLines(sql, verbose));
  }
  const counts = Object.entries(answer).map(([name, count]) => `${count} ${name}`);
  lines.push("", `answer: ${counts.join(", ")} in ${durationMs} ms`);
  return `${lines.join("\n")}\n`;
}

function segmentLines(segments: ExplainedSegments, verbose: boolean): string[] {
  const { tenant, known, read, notNeeded, filtered, pruned, outOfRange } = segments;
  const { rowsRead, bytesRead } = segments;
  const lines = [
    `segments of ${printable(tenant)}: ${known}`,
    `  read          ${read} (${rowsRead} rows, ${mebibytes(bytesRead)})`,
    `  not needed    ${notNeeded} (older than what was found)`,
    `  filtered      ${filtered} (their bloom filters and bounds rule them out)`,
    `  pruned        ${pruned} (the catalog rules them out)`,
    `  out of range  ${outOfRange}`,
  ];
  if (!verbose) return lines;
  for (const { id, fate, level, rows, bytes, traceStartsFrom, traceStartsTo } of segments.list) {
    lines.push(
      `  ${printable(id)}  L${level}  ${fate.padEnd(12)}  ${rows} rows  ${mebibytes(bytes)}  ${traceStartsFrom} … ${traceStartsTo}`,
    );
  }
  return lines;
}

function statementLines(sql: string, verbose: boolean): string[] {
  const shown = verbose ? sql : shortened(sql);
  return shown.split("\n").map((line) => `     ${printable(line.trimEnd())}`);
}

/** On one line; lists of files and ids are what makes statements long. */
function shortened(sql: string): string {
  const text = sql.replace(/\s+/g, " ");
  if (text.length <= SHORT_STATEMENT_CHARS) return text;
  return `${text.slice(0, SHORT_STATEMENT_CHARS)} … (${text.length} characters)`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
