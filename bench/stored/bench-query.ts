import { openCatalogOf, TENANT, withStoredSpans } from "../support/data-folder.ts";
import { type BenchResult, expectTrue, type Figure, mebibytesFigure } from "../support/figures.ts";
import type { HttpAnswer } from "../support/http-get.ts";
import type { BenchOptions } from "../support/options.ts";
import { progress } from "../support/progress.ts";
import { type Dataset, prepareDataset } from "./dataset.ts";
import {
  answerSql,
  METRICS,
  METRICS_STEP_SECONDS,
  type MetricsCase,
  metricsLabel,
  metricsPath,
  SEARCHES,
  type SearchCase,
  STREAMED,
  searchPath,
  TAGS,
  type TagCase,
} from "./query-cases.ts";
import { StoredServer } from "./stored-server.ts";

/** Wall and CPU time of queries over HTTP, each answer compared with what DuckDB finds. */
export async function benchQuery(options: BenchOptions): Promise<BenchResult> {
  const dataset = await prepareDataset(options);
  await findAnswers(dataset);
  const server = await StoredServer.start(dataset.dir, options);
  const figures: Figure[] = [];
  const runtime = await server.runtime();
  try {
    figures.push(...(await traceById(server, dataset)));
    for (const search of SEARCHES) {
      progress(`query: ${search.query}`);
      figures.push(await searchFigure(server, dataset, search));
    }
    for (const search of STREAMED) {
      progress(`query: ${search.query}, streamed`);
      figures.push(await streamFigure(server, search));
    }
    for (const tag of TAGS) {
      progress(`query: ${tag.label}`);
      figures.push(await tagFigure(server, tag));
    }
    const beforeMetrics = server.usage().peakRssBytes;
    const what = "largest resident size, before metrics queries";
    figures.push(mebibytesFigure("query.rss.searches", what, beforeMetrics));
    for (const metrics of METRICS) {
      progress(`query: ${metrics.query}`);
      figures.push(await metricsFigure(server, dataset, metrics));
    }
    const { peakRssBytes } = server.usage();
    figures.push(mebibytesFigure("query.rss.peak", "largest resident size", peakRssBytes));
  } finally {
    await server.stop();
  }
  return {
    name: "query",
    parameters: {
      runtime,
      spans: dataset.spans,
      traces: dataset.traces,
      segments: dataset.segments,
      bytesPerSpan: Number((dataset.bytes / dataset.spans).toFixed(1)),
      runs: server.runs,
    },
    figures,
    skipped: [],
  };
}

/** Asks DuckDB for what the searches must find; the answers are kept with the spans. */
async function findAnswers(dataset: Dataset): Promise<void> {
  const missing = SEARCHES.map((search) => answerSql(search, "spans")).filter(
    (sql) => !dataset.answers.has(sql),
  );
  if (missing.length === 0) return;
  const catalog = await openCatalogOf(dataset.dir);
  const segments = catalog.segments(TENANT);
  await catalog[Symbol.asyncDispose]();
  await withStoredSpans(dataset.dir, segments, async (database, spans) => {
    const [row] = await database.rows(
      `SELECT count(*)::DOUBLE, count(DISTINCT trace_id)::DOUBLE FROM ${spans}`,
    );
    expectTrue(
      row?.[0] === dataset.spans && row[1] === dataset.traces,
      `stored are ${row?.[0]} spans of ${row?.[1]} traces, made were ${dataset.spans} of ${dataset.traces}`,
    );
    for (const [i, sql] of missing.entries()) {
      progress(`query: right answer ${i + 1} of ${missing.length}`);
      const rows = await database.rows(sql.replace("FROM spans", `FROM ${spans}`));
      dataset.answers.set(
        sql,
        rows.map(([id]) => String(id)),
      );
    }
  });
  dataset.saveAnswers();
}

type FoundTraces = {
  readonly traces?: readonly {
    readonly traceID: string;
    readonly startTimeUnixNano: string;
    readonly spanSets?: readonly unknown[];
  }[];
};

async function searchFigure(
  server: StoredServer,
  dataset: Dataset,
  search: SearchCase,
): Promise<Figure> {
  const { id, label, query } = search;
  const path = searchPath(search);
  const expected = dataset.answers.get(answerSql(search, "spans")) ?? [];
  return server.measure({
    id: `query.${id}`,
    label,
    ask: async () => {
      const answer = await server.ask(path);
      expectStatus(answer, 200, query);
      const { traces = [] } = JSON.parse(answer.body.toString()) as FoundTraces;
      const found = traces.map((trace) => trace.traceID.padStart(32, "0"));
      expectTrue(
        found.join() === expected.join(),
        `${query} found\n  ${found.join("\n  ")}\ninstead of\n  ${expected.join("\n  ")}`,
      );
      expectTrue(
        traces.every((trace) => (trace.spanSets ?? []).length > 0),
        `${query} found traces without spans`,
      );
    },
  });
}

/** From the request to the first trace of a stream of server-sent events. */
function streamFigure(server: StoredServer, search: SearchCase): Promise<Figure> {
  const headers = { accept: "text/event-stream" };
  const path = searchPath(search);
  return server.measure({
    id: `query.${search.id}.first`,
    label: `first streamed trace of \`${search.query}\``,
    ask: () => server.askUntil(path, '"traceID"', { headers }),
  });
}

async function traceById(server: StoredServer, dataset: Dataset): Promise<Figure[]> {
  progress("query: trace by id");
  const samples = dataset.sampleTraces;
  const asked = new Set<string>();
  const sample = (run: number) => samples[(run * 7919) % samples.length]!;
  const ask = async ({ traceId, spanCount }: (typeof samples)[number]): Promise<void> => {
    asked.add(traceId);
    const answer = await server.ask(`/api/traces/${traceId}`);
    expectStatus(answer, 200, `trace ${traceId}`);
    const found = spansOf(answer);
    expectTrue(found === spanCount, `trace ${traceId} has ${found} spans instead of ${spanCount}`);
  };
  const id = "query.trace";
  const once = { runs: 1, warmUpRuns: 0 };
  const distinct = Math.min(samples.length - 1, Math.max(server.runs, 50));
  const figures = [
    await server.measure({
      id: `${id}.first`,
      label: "trace by id, first query after the start",
      ask: () => ask(sample(0)),
      ...once,
    }),
    await server.measure({
      id: `${id}.distinct`,
      label: "trace by id, each id for the first time",
      ask: (run) => ask(sample(run + 1)),
      runs: distinct,
      warmUpRuns: 0,
    }),
    await server.measure({
      id: `${id}.same`,
      label: "trace by id, one id again",
      ask: () => ask(sample(0)),
    }),
    await server.measure({
      id: `${id}.protobuf`,
      label: "trace by id, v2, protobuf",
      ask: async (run) => {
        const { traceId } = sample(run);
        const headers = { accept: "application/protobuf" };
        const answer = await server.ask(`/api/v2/traces/${traceId}`, { headers });
        expectStatus(answer, 200, `trace ${traceId}`);
        expectTrue(
          answer.body.includes(Buffer.from(traceId, "hex")),
          `trace ${traceId} is not in its answer`,
        );
      },
    }),
    await server.measure({
      id: `${id}.unknown`,
      label: "trace by id, unknown id",
      ask: async (run) => {
        // Only the last digits differ, and the workload's ids are random.
        const unknown = (run + 1).toString(16).padStart(32, "5eed");
        expectTrue(!asked.has(unknown), "an id that should be unknown is not");
        expectStatus(await server.ask(`/api/traces/${unknown}`), 404, `trace ${unknown}`);
      },
    }),
  ];
  return figures;
}

type TraceJson = {
  readonly batches?: readonly {
    readonly scopeSpans?: readonly { readonly spans?: readonly unknown[] }[];
  }[];
};

function spansOf({ body }: HttpAnswer): number {
  const { batches = [] } = JSON.parse(body.toString()) as TraceJson;
  let count = 0;
  for (const { scopeSpans = [] } of batches) {
    for (const { spans = [] } of scopeSpans) count += spans.length;
  }
  return count;
}

function tagFigure(server: StoredServer, tag: TagCase): Promise<Figure> {
  return server.measure({
    id: `query.${tag.id}`,
    label: tag.label,
    ask: async () => {
      const answer = await server.ask(tag.path);
      expectStatus(answer, 200, tag.label);
      const text = answer.body.toString();
      for (const wanted of tag.holds) {
        expectTrue(text.includes(wanted), `${tag.label}: no ${wanted} in ${text.slice(0, 1000)}`);
      }
      if (tag.count === undefined) return;
      const { tagValues } = JSON.parse(text) as { tagValues: readonly unknown[] };
      expectTrue(
        tagValues.length === tag.count,
        `${tag.label}: ${tagValues.length} values instead of ${tag.count}`,
      );
    },
  });
}

type FoundSeries = {
  readonly series?: readonly { readonly samples?: readonly { readonly value?: number }[] }[];
};

function metricsFigure(
  server: StoredServer,
  { spans }: Dataset,
  metrics: MetricsCase,
): Promise<Figure> {
  const { id, query, samples } = metrics;
  const path = metricsPath(metrics);
  return server.measure({
    id: `query.${id}`,
    label: metricsLabel(metrics),
    ask: async () => {
      const answer = await server.ask(path);
      expectStatus(answer, 200, query);
      const { series = [] } = JSON.parse(answer.body.toString()) as FoundSeries;
      expectTrue(series.length > 0, `${query}: no series`);
      if (samples === undefined) return;
      let sum = 0;
      for (const one of series) for (const { value = 0 } of one.samples ?? []) sum += value;
      const counted = Math.round(samples === "rates" ? sum * METRICS_STEP_SECONDS : sum);
      expectTrue(counted === spans, `${query} counts ${counted} spans instead of ${spans}`);
    },
  });
}

function expectStatus(answer: HttpAnswer, status: number, what: string): void {
  expectTrue(
    answer.status === status,
    `${what}: status ${answer.status} instead of ${status}: ${answer.body.subarray(0, 500)}`,
  );
}
