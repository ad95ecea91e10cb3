import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { FieldExpr, FieldRef } from "../../traceql/ast.ts";
import { filterToSql } from "../../traceql/sql/filter.ts";
import { neededValues } from "../../traceql/sql/needed-values.ts";
import { keysOf, mayMatch } from "../../traceql/sql/prune.ts";
import { type SegmentShape, shapeOf } from "../../traceql/sql/segment-shape.ts";
import { checkSqlLength } from "../../traceql/sql/sql.ts";
import type { LeafNeeds } from "../compiled-search.ts";
import { ByFacts, type Facts } from "../segment-facts.ts";

/** What a query can know of a segment's spans beforehand. Segments that are alike share it. */
export type Prepared = {
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

export type PreparedSegment = { readonly meta: SegmentSummary; readonly prepared: Prepared };

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
    return { meta, prepared: (exact ? this.#exact : this.#open).get(facts) };
  }

  #prepared(facts: Facts, exact: boolean): Prepared {
    const shape = shapeOf(facts, this.#fields);
    const written = this.conditions(shape);
    const possible = this.#leaves.map(
      (leaf, i) => written[i] !== "FALSE" && (!exact || mayMatch(leaf, facts)),
    );
    const conditions = written.map((text, i) => (possible[i] ? text : "FALSE"));
    const needs = this.#leaves.map((leaf, i) =>
      possible[i] ? neededValues(leaf, { shape, keys: facts.keys, exact }) : undefined,
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

/** Finds what is left of a segment of which more is known: leaves that none of its spans match. */
export class RuledOutLeaves {
  /** By what was known before, then by what was found out: thousands of segments share both. */
  readonly #known = new Map<Prepared, Map<readonly boolean[], Prepared>>();
  #last:
    | { readonly of: Prepared; readonly ruledOut: readonly boolean[]; left: Prepared }
    | undefined;

  /** `ruledOut`: by leaf; undefined for none. */
  without(of: Prepared, ruledOut: readonly boolean[] | undefined): Prepared {
    if (ruledOut === undefined) return of;
    const last = this.#last;
    if (last?.of === of && last.ruledOut === ruledOut) return last.left;
    const known = this.#known.get(of) ?? new Map<readonly boolean[], Prepared>();
    const left = known.get(ruledOut) ?? withoutLeaves(of, ruledOut);
    this.#known.set(of, known.set(ruledOut, left));
    this.#last = { of, ruledOut, left };
    return left;
  }
}

function withoutLeaves(of: Prepared, ruledOut: readonly boolean[]): Prepared {
  if (!of.possible.some((one, leaf) => one && ruledOut[leaf])) return of;
  const possible = of.possible.map((one, leaf) => one && ruledOut[leaf] !== true);
  const conditions = of.conditions.map((text, leaf) => (possible[leaf] ? text : "FALSE"));
  return { ...of, possible, conditions, key: keyOf(of.shape, possible) };
}

/** Segments that one SELECT can read. */
export type PreparedGroup = { readonly prepared: Prepared; readonly segments: SegmentSummary[] };

export function groupByKey(segments: readonly PreparedSegment[]): PreparedGroup[] {
  const groups = new Map<string, PreparedGroup>();
  for (const { meta, prepared } of segments) {
    const group = groups.get(prepared.key);
    if (group === undefined) groups.set(prepared.key, { prepared, segments: [meta] });
    else group.segments.push(meta);
  }
  return [...groups.values()];
}
