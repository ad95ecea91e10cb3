import { BodyFormat } from "../src/ingest/ingest.ts";
import type { TenantGeneratorSettings } from "../src/metrics-generator/settings.ts";
import { TenantMetrics } from "../src/metrics-generator/tenant-metrics.ts";
import { SpanBatch } from "../src/model/span-batch.ts";
import {
  hostInfo,
  observe,
  PARTS,
  serviceGraphs,
  spanMetrics,
  tenantSettings,
} from "../test/metrics-generator/generator-settings.ts";
import { cpuMicros } from "./support/cpu.ts";
import { type BenchResult, expectTrue, type Figure, summaryFigure } from "./support/figures.ts";
import type { BenchOptions } from "./support/options.ts";
import { summarize } from "./support/stats.ts";
import { decodeInto } from "./wire-formats.ts";
import { makeRequests } from "./workload.ts";

const SPANS = 40_000;
const ROUNDS = 20;
const WARM_UP_ROUNDS = 5;
const SMOKE = { spans: 2000, rounds: 2 };
const NOW_MS = 1_748_736_300_000;

const LATENCY_BUCKETS = [
  ...[0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256],
  ...[0.512, 1.024, 2.048, 4.096, 8.192, 16.384],
];
const GRAPH_BUCKETS = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8];
const metrics = spanMetrics({ histogramBuckets: LATENCY_BUCKETS });
const graphs = serviceGraphs({ histogramBuckets: GRAPH_BUCKETS, maxItems: 1_000_000 });
const dimensions = [
  "http.request.method",
  "http.response.status_code",
  "deployment.environment.name",
];

/** By what runs; all spans of the workload count as having just ended. */
const CASES: readonly (readonly [string, string, Partial<TenantGeneratorSettings>])[] = [
  ["span-metrics", "span metrics", { spanMetrics: metrics }],
  ["dimensions", "span metrics with three dimensions", { spanMetrics: { ...metrics, dimensions } }],
  ["service-graphs", "service graphs", { serviceGraphs: graphs }],
  ["all", "all processors", { spanMetrics: metrics, serviceGraphs: graphs, hostInfo: hostInfo() }],
];

/** CPU time that derived metrics take beside decoding, and that a round of samples takes. */
export function benchGenerator(options: BenchOptions): BenchResult {
  const rounds = options.runs ?? (options.smoke ? SMOKE.rounds : ROUNDS);
  const warmUpRounds = options.smoke ? 0 : WARM_UP_ROUNDS;
  const bodies = makeRequests({
    spans: options.spans ?? (options.smoke ? SMOKE.spans : SPANS),
    seed: 1,
  });
  const decoded = (): SpanBatch => {
    const batch = new SpanBatch(12345);
    decodeInto(batch, BodyFormat.otlpProtobuf, bodies);
    return batch;
  };
  const batch = decoded();
  const measure = (work: () => unknown, count: number) => {
    const times: number[] = [];
    for (let round = 0; round < warmUpRounds + rounds; round++) times.push(cpuMicros(work) / count);
    return summarize(times.slice(-rounds));
  };
  const figures: Figure[] = [
    summaryFigure(
      "generator.decode",
      "decoding, for comparison",
      "us/span",
      measure(decoded, batch.spanCount),
    ),
  ];
  for (const [id, label, settings] of CASES) {
    const tenant = new TenantMetrics(
      "t",
      tenantSettings({ ...settings, slackMs: 3_600_000 }),
      PARTS,
      NOW_MS,
    );
    const spans = { batch, skipped: [], bytes: 0 };
    figures.push(
      summaryFigure(
        `generator.${id}`,
        label,
        "us/span",
        measure(() => observe(tenant, spans, NOW_MS), batch.spanCount),
      ),
    );
    if (id !== "all") continue;
    const { active } = tenant.figures.series;
    expectTrue(active > 100, `${active} series of ${batch.spanCount} spans`);
    expectTrue(tenant.figures.outsideSlack === 0, "spans were left out");
    const collect = measure(() => [...tenant.tick(NOW_MS, true)], active);
    figures.push(summaryFigure("generator.collect", "a round of samples", "us/series", collect));
  }
  return {
    name: "generator",
    parameters: { spans: batch.spanCount, rounds },
    figures,
    skipped: [],
  };
}
