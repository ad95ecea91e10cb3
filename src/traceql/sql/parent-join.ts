import type { FieldRef } from "../ast.ts";
import type { SegmentShape } from "./segment-shape.ts";
import { quoteIdentifier } from "./sql.ts";

/** The column that holds a parent's `name` beside the child's own columns. */
export function parentColumn(name: string): string {
  return `parent:${name}`;
}

/** Stored columns that `parent.…` fields read, under their own names; empty when there are none. */
function parentSources(fields: readonly FieldRef[], shape: SegmentShape): string[] {
  const columns = new Set<string>();
  for (const field of fields) {
    if (field.type !== "parent-attribute") continue;
    const scopes = field.scope === "any" ? (["span", "resource"] as const) : [field.scope];
    for (const scope of scopes) {
      for (const home of shape.homes(scope, field.key)) columns.add(home.column);
      if (scope === "resource" && field.key === "service.name") columns.add("service_name");
    }
  }
  return [...columns].sort();
}

/**
 * `from` with each row's parent beside it: the columns that `parent.…` fields among `fields` read,
 * as `parentColumn` names them, NULL where there is no parent. `from` itself when no field needs it.
 *
 * `from` is any text that may follow FROM without an alias: rows of the stored form, whole traces
 * with the numbers of the whole trace, each span once. Row for row the result has all its columns
 * once more, so conditions on traces belong inside `from`: it is read four times, twice in full.
 *
 * A connected span's parent has its `nested_parent` as `nested_left`. Elsewhere the parent is found
 * by id; of two spans that share it a server span's parent is the client one, any other span's the
 * server one, and of more than two none.
 */
export function withParents(
  from: string,
  fields: readonly FieldRef[],
  shape: SegmentShape,
): string {
  if (!fields.some((field) => field.type === "parent-attribute")) return from;
  const sources = parentSources(fields, shape).map((name) => quoteIdentifier(name).text);
  if (sources.length === 0) return from;
  const shown = parentSources(fields, shape).map(
    (name) =>
      `pt_parent.${quoteIdentifier(name).text} AS ${quoteIdentifier(parentColumn(name)).text}`,
  );
  const columns = sources.join(", ");
  // One key for both ways to find a parent, so that the join has equalities alone: numbers of
  // connected spans are positive, ids become negative, with a variant for what the child is.
  const ownKey = `CASE WHEN nested_parent > 0 THEN CAST(nested_parent AS HUGEINT)
    WHEN nested_parent = 0 AND parent_span_id IS NOT NULL
    THEN ${idKey("parent_span_id", `CAST(kind = ${SERVER} AS INTEGER) + 2 * CAST(parent_span_id = span_id AS INTEGER)`)} END`;
  const byNumber = `SELECT trace_id AS pt_trace, CAST(nested_left AS HUGEINT) AS pt_key, ${columns}
    FROM ${from} WHERE nested_left > 0`;
  // A connected span that shares the id of one that is not is nobody's parent here, but they are two.
  // Written so that the database hashes the few that are not.
  const holders = `(SELECT trace_id, span_id, 1 AS pt_connected FROM ${from} WHERE nested_left > 0)
    RIGHT JOIN (SELECT trace_id, span_id, kind, ${columns},
      count(*) OVER (PARTITION BY trace_id, span_id) AS pt_unconnected
      FROM ${from} WHERE nested_left = 0) USING (trace_id, span_id)`;
  // Variant 1 is for server spans, 2 more for spans that name their own id as their parent's: the
  // span itself is none. Two copies of one sort could both be the parent: one is as good as the other.
  const byId = `SELECT DISTINCT ON (trace_id, pt_key) trace_id AS pt_trace,
      ${idKey("span_id", "pt_variant")} AS pt_key, ${columns}
    FROM (SELECT *, unnest([0, 1, 2, 3]) AS pt_variant
      FROM (SELECT *, pt_unconnected + coalesce(pt_connected, 0) AS pt_twins FROM ${holders})
      WHERE pt_twins <= 2)
    WHERE CASE WHEN pt_twins = 1 THEN pt_variant < 2
      ELSE kind = CASE WHEN pt_variant % 2 = 1 THEN ${CLIENT} ELSE ${SERVER} END END`;
  return `(SELECT pt_child.* EXCLUDE (pt_own_key), ${shown.join(", ")}
    FROM (SELECT *, ${ownKey} AS pt_own_key FROM ${from}) AS pt_child
    LEFT JOIN (${byNumber} UNION ALL ${byId}) AS pt_parent
    ON pt_child.trace_id = pt_parent.pt_trace AND pt_child.pt_own_key = pt_parent.pt_key)`;
}

/** Below zero, different for each id and variant from 0 to 3. */
function idKey(id: string, variant: string): string {
  return `-4 * CAST(${id} AS HUGEINT) - 1 - (${variant})`;
}

const SERVER = 2;
const CLIENT = 3;
