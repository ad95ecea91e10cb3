import type { Budget } from "../budget.ts";
import { Counter } from "./counter.ts";
import { InfoGauge } from "./gauge.ts";
import { Histogram, HistogramShape } from "./histogram.ts";
import { type Label, type LabelBounds, type LabelSet, labelSet } from "./label-set.ts";
import { MetricFamily, type Series } from "./metric-family.ts";
import { SeriesLimit } from "./series-limit.ts";
import { encodeName, type WriteRequestBody, WriteRequests } from "./write-request.ts";

export type RegistrySettings = {
  /** Labels of every series, in place of its own of the same names. */
  readonly external: ReadonlyMap<string, string>;
  readonly labelBounds: LabelBounds;
  /** 0 = no limit but the budget's. */
  readonly maxActiveSeries: number;
  readonly budget: Budget;
  readonly staleMs: number;
  readonly traceIdLabel: string;
  /** Samples of one request. */
  readonly maxSamplesPerSend: number;
};

const STALE_CHECK_MS = 5 * 60_000;

/** The series of one tenant, which count from when they are first seen. */
export class SeriesRegistry {
  readonly limit: SeriesLimit;
  readonly #settings: RegistrySettings;
  readonly #families: MetricFamily<Series>[] = [];
  #staleCheckedMs: number;

  constructor(settings: RegistrySettings, nowMs: number) {
    this.#settings = settings;
    this.limit = new SeriesLimit(settings.maxActiveSeries, settings.budget);
    this.#staleCheckedMs = nowMs;
  }

  labels(pairs: Iterable<Label>): LabelSet {
    return labelSet(pairs, this.#settings.labelBounds);
  }

  counters(metric: string): MetricFamily<Counter> {
    const name = encodeName(metric);
    return this.#family(1, (labels, nowMs) => new Counter(name, labels, nowMs));
  }

  infos(metric: string): MetricFamily<InfoGauge> {
    const name = encodeName(metric);
    return this.#family(1, (labels, nowMs) => new InfoGauge(name, labels, nowMs));
  }

  /** `bounds`: upper ones, rising, without +Inf. */
  histograms(metric: string, bounds: readonly number[]): MetricFamily<Histogram> {
    const shape = new HistogramShape(metric, bounds, this.#settings.traceIdLabel);
    return this.#family(shape.seriesCount, (labels, nowMs) => new Histogram(shape, labels, nowMs));
  }

  /**
   * All samples of now as requests, one after the other: whoever sends them may pause between. Zeros
   * of new series have requests of their own, since Prometheus refuses one whole for a sample that is
   * older than the last it has, as after a quick restart.
   */
  *collect(nowMs: number): Generator<WriteRequestBody, void, void> {
    yield* this.#requests((series, requests) => series.begin(requests, nowMs));
    yield* this.#requests((series, requests) => series.collect(requests, nowMs));
  }

  *#requests(
    write: (series: Series, requests: WriteRequests) => void,
  ): Generator<WriteRequestBody, void, void> {
    const requests = new WriteRequests(this.#settings.maxSamplesPerSend);
    for (const family of this.#families) {
      for (const series of family.all()) {
        write(series, requests);
        yield* requests.take(false);
      }
    }
    yield* requests.take(true);
  }

  /** Forgets what was not observed for long; looks for it now and then only. */
  removeStale(nowMs: number): void {
    if (nowMs - this.#staleCheckedMs < STALE_CHECK_MS) return;
    this.#staleCheckedMs = nowMs;
    for (const family of this.#families) family.removeStale(nowMs - this.#settings.staleMs);
  }

  #family<S extends Series>(
    cost: number,
    create: ConstructorParameters<typeof MetricFamily<S>>[0]["create"],
  ): MetricFamily<S> {
    const { limit } = this;
    const { external } = this.#settings;
    const family = new MetricFamily<S>({ limit, external, cost, create });
    this.#families.push(family);
    return family;
  }
}
