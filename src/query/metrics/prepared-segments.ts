import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { FieldExpr, FieldRef } from "../../traceql/ast.ts";
import { filterToSql } from "../../traceql/sql/filter.ts";
import { neededValues } from "../../traceql/sql/needed-values.ts";
import { keysOf, mayMatch } from "../../traceql/sql/prune.ts";
import { type SegmentShape, shapeOf } from "../../traceql/sql/segment-shape.ts";
import { checkSqlLength } from "../../traceql/sql/sql.ts";
import type { LeafNeeds } from "../compiled-search.ts";
import { ByFacts, type Facts } from "../segment-facts.ts";

export type PreparedSegment = {
  readonly meta: SegmentSummary;
  readonly shape: SegmentShape;
  /** Whether some span may match the leaf. */
  readonly possible: readonly boolean[];
  /** SQL of each leaf, `FALSE` where it is not possible. */
  readonly conditions: readonly string[];
  /** Equal for segments that one SELECT can read. */
  readonly key: string;
  /** By leaf the values that the segment must hold so that some span of it matches. */
  readonly needs: LeafNeeds;
};

/** What the segments hold of the fields that a query reads; compiled once for each shape. */
export class SegmentPreparer {
  readonly #leaves: readonly FieldExpr[];
  readonly #fields: readonly FieldRef[];
  /** Of the keys that matter. */
  readonly names: ReadonlySet<string>;
  readonly #exact = new ByFacts((facts) => this.#prepared(facts, true));
  readonly #open = new ByFacts((facts) => this.#prepared(facts, false));
  readonly #conditions = new Map<string, readonly string[]>();
  #textLength = 0;

  /** `fields`: all of the query's, those of the leaves among them. */
  constructor(leaves: readonly FieldExpr[], fields: readonly FieldRef[]) {
    this.#leaves = leaves;
    this.#fields = fields;
    this.names = keysOf(fields);
  }

  /** `exact`: the rows are as the catalog knows them, so that it can tell what is not there. */
  prepare(meta: SegmentSummary, facts: Facts, exact: boolean): PreparedSegment {
    return { meta, ...(exact ? this.#exact : this.#open).get(facts) };
  }

  #prepared(facts: Facts, exact: boolean): Omit<PreparedSegment, "meta"> {
    const shape = shapeOf(facts, this.#fields);
    const written = this.conditions(shape);
    const possible = this.#leaves.map(
      (leaf, i) => written[i] !== "FALSE" && (!exact || mayMatch(leaf, facts)),
    );
    const conditions = written.map((text, i) => (possible[i] ? text : "FALSE"));
    const needs = this.#leaves.map((leaf, i) =>
      possible[i] ? neededValues(leaf, shape, facts.keys) : undefined,
    );
    return { shape, possible, conditions, key: keyOf(shape, possible), needs };
  }

  /** SQL of each leaf over rows of this shape. */
  conditions(shape: SegmentShape): readonly string[] {
    let found = this.#conditions.get(shape.key);
    if (found === undefined) {
      found = this.#leaves.map((leaf) => filterToSql(leaf, shape).text);
      this.#conditions.set(shape.key, found);
      // A statement may hold every shape once.
      for (const text of found) this.#textLength += text.length;
      checkSqlLength(this.#textLength);
    }
    return found;
  }
}

function keyOf(shape: SegmentShape, possible: readonly boolean[]): string {
  return JSON.stringify([shape.key, possible]);
}

/** The segment, of which more is known: leaves that none of its spans match. */
export function withoutLeaves(
  segment: PreparedSegment,
  isRuledOut: (leaf: number) => boolean,
): PreparedSegment {
  const possible = segment.possible.map((one, leaf) => one && !isRuledOut(leaf));
  if (possible.every((one, leaf) => one === segment.possible[leaf])) return segment;
  const conditions = segment.conditions.map((text, leaf) => (possible[leaf] ? text : "FALSE"));
  return { ...segment, possible, conditions, key: keyOf(segment.shape, possible) };
}

export function groupByKey(prepared: readonly PreparedSegment[]): PreparedSegment[][] {
  const groups = new Map<string, PreparedSegment[]>();
  for (const segment of prepared) {
    const group = groups.get(segment.key);
    if (group === undefined) groups.set(segment.key, [segment]);
    else group.push(segment);
  }
  return [...groups.values()];
}
