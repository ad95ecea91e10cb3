import { spanProtobufSize } from "../../model/protobuf-size.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { BatchAttributes } from "../batch-attributes.ts";
import { keysOfPolicies, SpanFilter } from "../filter-policy.ts";
import { Multipliers } from "../multiplier.ts";
import type { ObserveRows, Processor } from "../processor.ts";
import type { Counter } from "../registry/counter.ts";
import type { InfoGauge } from "../registry/gauge.ts";
import type { Histogram } from "../registry/histogram.ts";
import type { Label } from "../registry/label-set.ts";
import type { MetricFamily } from "../registry/metric-family.ts";
import type { SeriesRegistry } from "../registry/series-registry.ts";
import type { SpanMetricsSettings } from "../settings.ts";
import { durationSeconds } from "../span-times.ts";
import { kindText, statusText } from "../span-words.ts";
import { TupleTable } from "../tuple-table.ts";
import { dimensionLabel } from "./dimension-label.ts";
import { DimensionValues } from "./dimension-values.ts";
import { type Target, targetInfoLabels, targetOf } from "./target-info.ts";

/** What is counted of the spans with one set of labels. */
type Series = {
  readonly calls: Counter | undefined;
  readonly latency: Histogram | undefined;
  readonly size: Counter | undefined;
};

/** Calls, latencies and sizes of spans by their labels. */
export class SpanMetrics implements Processor {
  readonly name = "span-metrics";
  filtered = 0;
  readonly #settings: SpanMetricsSettings;
  readonly #registry: SeriesRegistry;
  readonly #calls: MetricFamily<Counter> | undefined;
  readonly #latency: MetricFamily<Histogram> | undefined;
  readonly #size: MetricFamily<Counter> | undefined;
  readonly #targets: MetricFamily<InfoGauge> | undefined;
  readonly #excluded: ReadonlySet<string>;
  readonly #filter: SpanFilter;
  /** Attributes that dimensions are made of. */
  readonly #dimensionKeys: readonly string[];
  readonly #keys: readonly string[];

  constructor(settings: SpanMetricsSettings, registry: SeriesRegistry) {
    const { calls, latency, size, targetInfo, histogramBuckets } = settings;
    this.#settings = settings;
    this.#registry = registry;
    this.#calls = calls ? registry.counters("traces_spanmetrics_calls_total") : undefined;
    this.#latency = latency
      ? registry.histograms("traces_spanmetrics_latency", histogramBuckets)
      : undefined;
    this.#size = size ? registry.counters("traces_spanmetrics_size_total") : undefined;
    this.#targets = targetInfo ? registry.infos("traces_target_info") : undefined;
    this.#excluded = new Set(settings.targetInfoExcluded);
    this.#filter = new SpanFilter(settings.filterPolicies);
    const { dimensions, dimensionMappings, multiplier, filterPolicies } = settings;
    const sources = dimensionMappings.flatMap(({ sourceLabels }) => sourceLabels);
    this.#dimensionKeys = [...new Set([...dimensions, ...sources])];
    const multiplierKeys = multiplier.key === "" ? [] : [multiplier.key];
    this.#keys = [
      ...new Set([...this.#dimensionKeys, ...multiplierKeys, ...keysOfPolicies(filterPolicies)]),
    ];
  }

  over(batch: SpanBatch, nowMs: number): ObserveRows {
    const attributes = new BatchAttributes(batch, this.#keys);
    const values = new DimensionValues(batch, attributes);
    const multipliers = new Multipliers(batch, attributes, this.#settings.multiplier);
    const filter = this.#filter.over(batch, attributes);
    const targets = new Map<number, Target>();
    const targetOfRow = (row: number): Target | undefined => {
      const resource = batch.resource[row]!;
      const known = targets.get(resource);
      if (known !== undefined || this.#targets === undefined) return known;
      const target = this.#newTarget(batch, resource, nowMs);
      targets.set(resource, target);
      return target;
    };
    const { intrinsicDimensions } = this.#settings;
    const dimensionCount = this.#dimensionKeys.length;
    const table = new TupleTable(5 + dimensionCount);
    const { tuple } = table;
    const found: Series[] = [];
    const observe = (row: number): void => {
      if (filter?.keeps(row) === false) {
        this.filtered++;
        return;
      }
      tuple[0] = batch.resource[row]!;
      tuple[1] = intrinsicDimensions.spanName ? batch.name[row]! : 0;
      tuple[2] = intrinsicDimensions.spanKind ? batch.kind[row]! : 0;
      tuple[3] = intrinsicDimensions.statusCode ? batch.status[row]! : 0;
      tuple[4] = intrinsicDimensions.statusMessage ? batch.statusMessage[row]! : 0;
      for (let key = 0; key < dimensionCount; key++) tuple[5 + key] = values.number(row, key);
      const number = table.number();
      let series = found[number];
      if (series === undefined) {
        series = this.#seriesOf(this.#labelsOf(batch, row, values, targetOfRow(row)), nowMs);
        found[number] = series;
      }
      const weight = multipliers.of(row);
      series.calls?.add(weight, nowMs);
      series.size?.add(spanProtobufSize(batch, row), nowMs);
      series.latency?.observe(
        durationSeconds(batch, row),
        weight,
        batch.traceIds,
        16 * batch.traceIndex[row]!,
        nowMs,
      );
    };
    return (rows) => {
      for (const row of rows) observe(row);
    };
  }

  tick(): void {}

  #seriesOf(labels: readonly Label[], nowMs: number): Series {
    const set = this.#registry.labels(labels);
    return {
      calls: this.#calls?.of(set, nowMs),
      latency: this.#latency?.of(set, nowMs),
      size: this.#size?.of(set, nowMs),
    };
  }

  #labelsOf(
    batch: SpanBatch,
    row: number,
    values: DimensionValues,
    target: Target | undefined,
  ): readonly Label[] {
    const { strings } = batch;
    const { intrinsicDimensions: has, dimensions, dimensionMappings } = this.#settings;
    const labels: Label[] = [];
    const resource = batch.resource[row]!;
    if (has.service) labels.push(["service", strings.text(batch.resourceServiceName[resource]!)]);
    if (has.spanName) labels.push(["span_name", strings.text(batch.name[row]!)]);
    if (has.spanKind) labels.push(["span_kind", kindText(batch.kind[row]!)]);
    if (has.statusCode) labels.push(["status_code", statusText(batch.status[row]!)]);
    if (has.statusMessage) {
      labels.push(["status_message", strings.text(batch.statusMessage[row]!)]);
    }
    const textOf = (key: string): string => values.text(row, this.#dimensionKeys.indexOf(key));
    for (const key of dimensions) labels.push([dimensionLabel(key), textOf(key)]);
    for (const { name, sourceLabels, join } of dimensionMappings) {
      const parts = sourceLabels.map(textOf).filter((value) => value !== "");
      labels.push([dimensionLabel(name), parts.join(join)]);
    }
    if (target !== undefined) {
      labels.push(["job", target.job]);
      if (this.#settings.instanceLabel) labels.push(["instance", target.instance]);
    }
    return labels;
  }

  /** Also makes the info series of the resource. */
  #newTarget(batch: SpanBatch, resource: number, nowMs: number): Target {
    const target = targetOf(batch, resource);
    const labels = targetInfoLabels(batch, resource, target, this.#excluded);
    // It is not kept alive by later spans: Tempo makes it anew when it has become stale.
    if (labels !== undefined) this.#targets?.of(this.#registry.labels(labels), nowMs);
    return target;
  }
}
