import type { RowRange } from "../model/row-range.ts";
import type { SpanBatch } from "../model/span-batch.ts";
import type { Budgets } from "./budget.ts";
import { HostInfo } from "./host-info/host-info.ts";
import type { Processor } from "./processor.ts";
import type { SeriesLimit } from "./registry/series-limit.ts";
import { SeriesRegistry } from "./registry/series-registry.ts";
import type { WriteRequestBody } from "./registry/write-request.ts";
import { type ServiceGraphFigures, ServiceGraphs } from "./service-graphs/service-graphs.ts";
import type { GeneratorSettings, TenantGeneratorSettings } from "./settings.ts";
import { SpanMetrics } from "./span-metrics/span-metrics.ts";
import { endUnixMs } from "./span-times.ts";

/** Spans as they come out of the write path. */
export type ReceivedSpans = {
  readonly batch: SpanBatch;
  /** Of pushes that asked for no metrics; rising. */
  readonly skipped: readonly RowRange[];
  /** As OTLP protobuf. */
  readonly bytes: number;
};

export type TenantFigures = {
  readonly spansReceived: number;
  readonly bytesReceived: number;
  readonly pushesSkipped: number;
  readonly outsideSlack: number;
  readonly processors: readonly Pick<Processor, "name" | "filtered">[];
  readonly serviceGraphs: ServiceGraphFigures | undefined;
  readonly series: Pick<SeriesLimit, "active" | "max" | "added" | "removed" | "limited">;
  readonly collections: number;
};

/** What all generators of a process have in common. */
export type SharedSettings = Pick<
  GeneratorSettings,
  "staleMs" | "externalLabels" | "tenantLabel" | "maxLabelNameBytes" | "maxLabelValueBytes"
> & {
  /** Who makes the series, for a label of them all. */
  readonly instance: string;
  /** Samples of one request. */
  readonly maxSamplesPerSend: number;
};

export type TenantMetricsParts = {
  readonly shared: SharedSettings;
  readonly budgets: Budgets;
};

/** Some ten milliseconds. */
const STEP_SPANS = 8192;

/** Series of one tenant's spans. */
export class TenantMetrics {
  readonly settings: TenantGeneratorSettings;
  /** When spans came last. */
  updatedMs: number;
  readonly #registry: SeriesRegistry;
  readonly #processors: readonly Processor[];
  readonly #serviceGraphs: ServiceGraphs | undefined;
  #collectedMs: number;
  #spansReceived = 0;
  #bytesReceived = 0;
  #pushesSkipped = 0;
  #outsideSlack = 0;
  #collections = 0;
  #isClosed = false;

  constructor(
    tenant: string,
    settings: TenantGeneratorSettings,
    { shared, budgets }: TenantMetricsParts,
    nowMs: number,
  ) {
    this.settings = settings;
    this.updatedMs = nowMs;
    this.#collectedMs = nowMs;
    const registry = new SeriesRegistry(
      {
        external: externalLabels(tenant, shared),
        labelBounds: {
          maxNameBytes: shared.maxLabelNameBytes,
          maxValueBytes: shared.maxLabelValueBytes,
        },
        maxActiveSeries: settings.maxActiveSeries,
        budget: budgets.series,
        staleMs: shared.staleMs,
        traceIdLabel: settings.traceIdLabel,
        maxSamplesPerSend: shared.maxSamplesPerSend,
      },
      nowMs,
    );
    const { spanMetrics, serviceGraphs, hostInfo } = settings;
    this.#registry = registry;
    this.#serviceGraphs =
      serviceGraphs && new ServiceGraphs(serviceGraphs, registry, budgets.edges);
    this.#processors = [
      spanMetrics && new SpanMetrics(spanMetrics, registry),
      this.#serviceGraphs,
      hostInfo && new HostInfo(hostInfo, registry),
    ].filter((processor) => processor !== undefined);
  }

  /** In steps, between which others may go on. */
  *observe({ batch, skipped, bytes }: ReceivedSpans, nowMs: number): Generator<void, void, void> {
    this.updatedMs = nowMs;
    this.#spansReceived += batch.spanCount;
    this.#bytesReceived += bytes;
    this.#pushesSkipped += skipped.length;
    const rows = this.#rowsOf(batch, skipped, nowMs);
    if (rows.length === 0) return;
    const observers = this.#processors.map((processor) => processor.over(batch, nowMs));
    for (let at = 0; at < rows.length && !this.#isClosed; at += STEP_SPANS) {
      const some = rows.subarray(at, at + STEP_SPANS);
      for (const observe of observers) observe(some);
      yield;
    }
  }

  /** Requests with all samples when they are due; `final`: due or not. */
  *tick(nowMs: number, final: boolean): Generator<WriteRequestBody, void, void> {
    for (const processor of this.#processors) processor.tick(nowMs);
    const { collectionIntervalMs, collectionDisabled } = this.settings;
    if (!final && nowMs - this.#collectedMs < collectionIntervalMs) return;
    this.#collectedMs = nowMs;
    this.#collections++;
    if (!collectionDisabled) yield* this.#registry.collect(nowMs);
    // What was closed meanwhile has given its series back.
    if (!this.#isClosed) this.#registry.removeStale(nowMs);
  }

  get hasSeries(): boolean {
    return this.#registry.limit.active > 0;
  }

  /** Its series and edges are no more. */
  close(): void {
    this.#isClosed = true;
    const { limit } = this.#registry;
    limit.remove(limit.active);
    this.#serviceGraphs?.close();
  }

  get figures(): TenantFigures {
    const { active, max, added, removed, limited } = this.#registry.limit;
    return {
      spansReceived: this.#spansReceived,
      bytesReceived: this.#bytesReceived,
      pushesSkipped: this.#pushesSkipped,
      outsideSlack: this.#outsideSlack,
      processors: this.#processors.map(({ name, filtered }) => ({ name, filtered })),
      serviceGraphs: this.#serviceGraphs?.figures,
      series: { active, max, added, removed, limited },
      collections: this.#collections,
    };
  }

  /** Those that ended not too long ago, and not in the future, and that metrics are asked of. */
  #rowsOf(batch: SpanBatch, skipped: readonly RowRange[], nowMs: number): Uint32Array {
    const { slackMs } = this.settings;
    const rows = new Uint32Array(batch.spanCount);
    let count = 0;
    let next = 0;
    for (let row = 0; row < batch.spanCount; row++) {
      while (next < skipped.length && row >= skipped[next]!.to) next++;
      if (next < skipped.length && row >= skipped[next]!.from) continue;
      const endMs = endUnixMs(batch, row);
      if (endMs < nowMs - slackMs || endMs > nowMs + slackMs) this.#outsideSlack++;
      else rows[count++] = row;
    }
    return rows.subarray(0, count);
  }
}

function externalLabels(tenant: string, shared: SharedSettings): ReadonlyMap<string, string> {
  const labels = new Map(Object.entries(shared.externalLabels));
  if (shared.tenantLabel !== "") labels.set(shared.tenantLabel, tenant);
  return labels.set("__metrics_gen_instance", shared.instance);
}
