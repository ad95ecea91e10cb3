import { constantValue } from "../../traceql/fold.ts";
import type { Pipeline } from "../../traceql/plan/pipeline.ts";
import type { SpanSource } from "../base-spans.ts";
import { ofTracesSql } from "../segment-sql.ts";
import { requiredLeaves } from "../spanset-tree.ts";
import { type CandidateScan, keyOfRow } from "./candidate-scan.ts";

/** Their ids and starts become part of the statement that needs them, once for each source. */
const MAX_TEXT_LENGTH = 200_000;
const TRACE_TEXT_LENGTH = 92;

/**
 * The sources without traces that lack a match of a filter that must have one, where the pipeline
 * takes all spans and such traces are few: of `{ name = "x" } >> { }` those with such a name. To ask
 * for them is to look at the columns of some filters, little beside what all spans would cost.
 */
export async function neededTraces(
  { run, search: { pipeline } }: CandidateScan,
  sources: readonly SpanSource[],
): Promise<readonly SpanSource[]> {
  // A parent may be in another source: its fields are not at hand here.
  const hasParents = pipeline.fields.some(({ type }) => type === "parent-attribute");
  if (hasParents || !pipeline.seeds.some((leaf) => isTrue(pipeline, leaf))) return sources;
  const needed = [...requiredLeaves(pipeline.stages)].filter((leaf) => !isTrue(pipeline, leaf));
  const asked = sources.filter(({ mayMatch }) => needed.some(mayMatch));
  if (needed.length === 0) return sources;
  if (asked.length === 0) return [];
  const most = Math.floor(MAX_TEXT_LENGTH / TRACE_TEXT_LENGTH / sources.length);
  const found = await run.rows(neededSql(needed, asked, most + 1));
  if (found.length > most) return sources;
  if (found.length === 0) return [];
  const where = ofTracesSql(found.map(keyOfRow));
  return sources.map((source) => ({ ...source, where }));
}

function neededSql(
  needed: readonly number[],
  sources: readonly SpanSource[],
  limit: number,
): string {
  const selects = sources.map(({ from, where = "true", shape, mayMatch }) => {
    const flags = needed.map(
      (leaf) => `(${mayMatch(leaf) ? shape.leaves[leaf] : "FALSE"}) AS match${leaf}`,
    );
    return `SELECT * FROM (SELECT trace_id, trace_start, ${flags.join(", ")} FROM ${from}
        WHERE ${where}) WHERE ${needed.map((leaf) => `match${leaf}`).join(" OR ")}`;
  });
  return `SELECT trace_id, epoch_ns(any_value(trace_start)) FROM (${selects.join(" UNION ALL ")})
    GROUP BY trace_id HAVING ${needed.map((leaf) => `bool_or(match${leaf})`).join(" AND ")}
    LIMIT ${limit}`;
}

function isTrue({ leaves }: Pipeline, leaf: number): boolean {
  const expr = leaves[leaf];
  return expr !== undefined && constantValue(expr) === true;
}
