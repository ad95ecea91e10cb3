import type { SqlValue } from "../../drivers/duckdb/database.ts";
import { PintailError } from "../../errors.ts";
import type { AnyValueLike } from "../../traceql/sql/field.ts";
import type { QueryRun } from "../query-context.ts";
import type { ExemplarPicker } from "./exemplar-picker.ts";
import type { LabelHashes } from "./label-hashes.ts";
import { labelKey, labelValue } from "./label-value.ts";
import { isHashed, type ObservationLayout, type ObservationStatement } from "./observation-sql.ts";
import type { SeriesTable, TableSeries } from "./series-table.ts";

/** Points that one query may read from the database, series times buckets. */
const MAX_POINTS = 2_000_000;

/** Counts the points that a query has read; throws `invalid` for too many. */
export class PointBudget {
  #left = MAX_POINTS;

  take(points: number): void {
    this.#left -= points;
    if (this.#left >= 0) return;
    throw new PintailError(
      "invalid",
      `query has more than ${MAX_POINTS} points (series times steps), group by fewer values or use a larger step`,
    );
  }
}

/** Where the groups of statements go. */
export type SeriesSink = {
  readonly table: SeriesTable;
  readonly exemplars: ExemplarPicker | undefined;
  readonly budget: PointBudget;
};

/**
 * Runs a statement and puts its groups into the table; `exemplarsOnly`: they are there already, and
 * exemplars alone are wanted.
 */
export async function collectSeries(
  run: QueryRun,
  { sql, layout }: ObservationStatement,
  { table, exemplars, budget }: SeriesSink,
  exemplarsOnly = false,
): Promise<void> {
  const at = columnsOf(layout);
  const known = new KnownSeries(layout, table.limit);
  await run.chunks(sql, (chunk) => {
    const { rowCount } = chunk;
    budget.take(rowCount);
    const buckets = chunk.column(0);
    const labels = Array.from({ length: at.exponent - 1 }, (_, i) => chunk.column(1 + i));
    const numbers = chunk.column(at.number);
    const counts = layout.numbers > 1 ? chunk.column(at.number + 1) : undefined;
    const exponents = layout.hasExponent ? chunk.column(at.exponent) : undefined;
    for (let row = 0; row < rowCount; row++) {
      const exponent = exponents === undefined ? 0 : Number(exponents[row]);
      // What is known may have been dropped since, for want of room.
      let series = table.truncated ? undefined : known.find(labels, row, exponent);
      if (series === undefined) {
        const by = () => labelsOf(layout, labels, row);
        series = table.find(keyOf(layout, labels, row), exponent, by);
        if (series === undefined) continue;
        known.add(labels, row, exponent, series);
      }
      const bucket = layout.bucketOf(buckets[row] as number);
      if (!exemplarsOnly) {
        table.add(series, bucket, numbers[row] as number, (counts?.[row] ?? 0) as number);
        exemplars?.addPoint(bucket);
      }
      if (!layout.hasExemplar || exemplars?.wants(bucket) !== true) continue;
      // Few of them are wanted, so that most are never made.
      const traceId = chunk.value(at.exemplar, row);
      if (typeof traceId !== "string") continue;
      const value = chunk.value(at.exemplar + 2, row);
      exemplars.offer({
        series,
        bucket,
        traceId,
        startUnixNano: chunk.value(at.exemplar + 1, row) as bigint,
        value: typeof value === "number" ? value : undefined,
      });
    }
  });
}

/** Series by what their rows hold, where that is one column: to make a key of it for each row is dear. */
class KnownSeries {
  readonly #limit: number;
  readonly #isUsable: boolean;
  readonly #byValue = new Map<SqlValue, TableSeries[]>();

  constructor({ labels }: ObservationLayout, limit: number) {
    this.#limit = limit;
    const [type, ...others] = labels.flat();
    // 0 and -0 are one key of a map.
    this.#isUsable = type !== undefined && type !== "double" && others.length === 0;
  }

  find(
    labels: readonly (readonly SqlValue[])[],
    row: number,
    exponent: number,
  ): TableSeries | undefined {
    return this.#isUsable ? this.#byValue.get(labels[0]![row]!)?.[exponent] : undefined;
  }

  add(
    labels: readonly (readonly SqlValue[])[],
    row: number,
    exponent: number,
    series: TableSeries,
  ): void {
    if (!this.#isUsable) return;
    const value = labels[0]![row]!;
    let list = this.#byValue.get(value);
    if (list === undefined) {
      if (this.#byValue.size >= this.#limit) this.#byValue.clear();
      list = [];
      this.#byValue.set(value, list);
    }
    list[exponent] = series;
  }
}

function columnsOf(layout: ObservationLayout) {
  const labels = layout.labels.reduce((sum, types) => sum + types.length, 0);
  const exponent = 1 + labels;
  const number = exponent + (layout.hasExponent ? 1 : 0);
  return { exponent, number, exemplar: number + layout.numbers };
}

function labelsOf(
  layout: ObservationLayout,
  values: readonly (readonly SqlValue[])[],
  row: number,
): (AnyValueLike | undefined)[] {
  let column = 0;
  return layout.labels.map((types, field) => {
    let found: AnyValueLike | undefined;
    for (const type of types) {
      const value = values[column++]![row]!;
      if (value === null || found !== undefined) continue;
      const shown = isHashed(layout, field, type) ? textOf(layout.hashes[field]!, value) : value;
      if (shown !== undefined) found = labelValue(type, shown);
    }
    return found;
  });
}

function textOf(hashes: LabelHashes, hash: SqlValue): string | undefined {
  const text = hashes.get(hash as bigint);
  if (text !== undefined || hashes.has(hash as bigint)) return text;
  throw new Error("a segment's statistics do not list a text that it has");
}

function keyOf(
  layout: ObservationLayout,
  values: readonly (readonly SqlValue[])[],
  row: number,
): string {
  let key = "";
  for (const value of labelsOf(layout, values, row)) key += labelKey(value);
  return key;
}
