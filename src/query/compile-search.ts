import { PintailError } from "../errors.ts";
import type { FixedColumnName } from "../schema/columns.ts";
import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { FieldRef, IntrinsicName } from "../traceql/ast.ts";
import { checkQuery } from "../traceql/check/check.ts";
import { foldConstants } from "../traceql/fold.ts";
import { parseQuery } from "../traceql/parser.ts";
import type { Pipeline } from "../traceql/plan/pipeline.ts";
import { planPipeline, readsWholeTrace } from "../traceql/plan/plan-pipeline.ts";
import { decodeEchoValue, fieldToSql } from "../traceql/sql/field.ts";
import { filterToSql } from "../traceql/sql/filter.ts";
import { neededValues } from "../traceql/sql/needed-values.ts";
import { keysOf, mayMatch } from "../traceql/sql/prune.ts";
import { type SegmentShape, shapeOf } from "../traceql/sql/segment-shape.ts";
import { checkSqlLength } from "../traceql/sql/sql.ts";
import { valueToSql } from "../traceql/sql/value-to-sql.ts";
import { fieldsOf } from "../traceql/walk.ts";
import { BySegment } from "./by-segment.ts";
import type {
  CompiledSearch,
  DurationBounds,
  EchoField,
  LeafNeeds,
  SearchShape,
} from "./compiled-search.ts";
import { ByFacts, type Facts } from "./segment-facts.ts";

/**
 * A TraceQL query as a search; `undefined` when it is false for all data. Throws `invalid` with
 * Tempo's prefix for a query that is wrong, too long, or not offered.
 */
export function compileSearch(text: string, maxQueryBytes: number): CompiledSearch | undefined {
  checkQuerySize(text, maxQueryBytes);
  try {
    const query = parseQuery(text);
    checkQuery(query);
    const pipeline = planPipeline(query);
    if (pipeline.constantFalse) return undefined;
    return compilePipeline({ pipeline, wantsSpans: true, duration: undefined });
  } catch (error) {
    throw invalidQuery(error);
  }
}

export function checkQuerySize(text: string, maxBytes: number): void {
  // A UTF-16 unit is at most three bytes, so most texts need no encoding.
  if (text.length * 3 <= maxBytes || new TextEncoder().encode(text).length <= maxBytes) return;
  throw new PintailError(
    "invalid",
    `TraceQL expression exceeds the configured maximum size of ${maxBytes} bytes, reduce the query expression size or contact your system administrator`,
  );
}

/** What is not offered is also the client's to change: 400, not 404. */
function invalidQuery(error: unknown): unknown {
  if (!(error instanceof PintailError)) return error;
  return new PintailError("invalid", `invalid TraceQL query: ${error.message}`, { cause: error });
}

export type SearchToCompile = {
  readonly pipeline: Pipeline;
  readonly wantsSpans: boolean;
  readonly duration: DurationBounds | undefined;
};

/** Shown in fields of their own, or known to whoever asked. */
const NEVER_ECHOED: ReadonlySet<IntrinsicName> = new Set<IntrinsicName>([
  "name",
  "duration",
  "traceDuration",
  "rootServiceName",
  "rootName",
  "trace:id",
  "span:id",
]);

const ROOT_KEYS: ReadonlySet<string> = new Set<FixedColumnName>([
  "root_service_name",
  "root_span_name",
]);

export function compilePipeline({
  pipeline: planned,
  wantsSpans,
  duration,
}: SearchToCompile): CompiledSearch {
  const pipeline = { ...planned, leaves: planned.leaves.map(foldConstants) };
  const { leaves, values, fields } = pipeline;
  const echoed = fields.filter(
    (field) => field.type !== "intrinsic" || !NEVER_ECHOED.has(field.name),
  );
  const used = [...[...leaves, ...values].flatMap((expr) => fieldsOf(expr)), ...echoed];
  const isWide = used.some(readsWholeTrace);
  // Many segments share a shape; compiling for each of them would cost more than the query.
  const compiled = new Map<string, SearchShape>();
  let textLength = 0;
  const compiledFor = (segmentShape: SegmentShape): SearchShape => {
    let found = compiled.get(segmentShape.key);
    if (found === undefined) {
      found = compileShape(segmentShape, pipeline, echoed);
      compiled.set(segmentShape.key, found);
      // A statement may hold every shape once.
      for (const text of [...found.leaves, ...found.values, ...found.echo])
        textLength += text.length;
      checkSqlLength(textLength);
    }
    return found;
  };
  type Prepared = {
    readonly shape: SearchShape;
    readonly possible: readonly boolean[];
    readonly possibleWhole: readonly boolean[];
    readonly needs: LeafNeeds;
    readonly needsWhole: LeafNeeds;
  };
  const prepared = new BySegment<Prepared>();
  const preparedFor = (meta: SegmentSummary): Prepared => {
    const known = prepared.get(meta);
    if (known === undefined) throw new Error(`segment ${meta.id} was not prepared for the search`);
    return known;
  };
  const preparedFrom = (facts: Facts): Prepared => {
    const shape = compiledFor(shapeOf(facts, used));
    const possible = leaves.map((leaf, i) => shape.leaves[i] !== "FALSE" && mayMatch(leaf, facts));
    // What the segment says of roots and holds of parents is not all that there is.
    const open = { keys: facts.keys.filter(({ key }) => !ROOT_KEYS.has(key)) };
    const possibleWhole = leaves.map((leaf, i) => {
      const wide = fieldsOf(leaf).filter(readsWholeTrace);
      if (wide.length === 0) return possible[i] ?? false;
      const hasParent = wide.some(({ type }) => type === "parent-attribute");
      return (hasParent || shape.leaves[i] !== "FALSE") && mayMatch(leaf, open);
    });
    const needsOf = (isPossible: readonly boolean[], exact: boolean): LeafNeeds => {
      const from = { shape: shape.segment, keys: facts.keys, exact };
      return leaves.map((leaf, i) => (isPossible[i] ? neededValues(leaf, from) : undefined));
    };
    const needs = needsOf(possible, true);
    const needsWhole = isWide ? needsOf(possibleWhole, false) : needs;
    return { shape, possible, possibleWhole, needs, needsWhole };
  };
  const found = new ByFacts(preparedFrom);
  return {
    pipeline,
    echo: echoed.map(echoField),
    showsName: fields.some((field) => field.type === "intrinsic" && field.name === "name"),
    names: keysOf(used),
    isPrepared: (meta) => prepared.has(meta),
    prepare: (meta, facts) => prepared.set(meta, found.get(facts)),
    shape: (meta) => preparedFor(meta).shape,
    shapeOf: compiledFor,
    mayMatch: (leaf, meta) => preparedFor(meta).possible[leaf] ?? false,
    mayMatchWhole: (leaf, meta) => preparedFor(meta).possibleWhole[leaf] ?? false,
    needs: (meta) => preparedFor(meta).needs,
    needsWhole: isWide ? (meta) => preparedFor(meta).needsWhole : undefined,
    duration,
    wantsSpans,
  };
}

function compileShape(
  segment: SegmentShape,
  { leaves, values }: Pipeline,
  echoed: readonly FieldRef[],
): SearchShape {
  return {
    key: segment.key,
    segment,
    leaves: leaves.map((leaf) => filterToSql(leaf, segment).text),
    values: values.map((value) => valueToSql(value, segment).text),
    echo: echoed.map((field) => fieldToSql(field, segment)?.text ?? "NULL"),
  };
}

/** Attributes are known by their bare key, whatever scope the query gave. */
function echoField(field: FieldRef): EchoField {
  return {
    key: field.type === "intrinsic" ? field.name : field.key,
    decode: (value) => decodeEchoValue(value, field),
  };
}
