import { openCatalogOf, TENANT, withStoredSpans } from "../support/data-folder.ts";
import { type BenchResult, expectTrue, type Figure, mebibytesFigure } from "../support/figures.ts";
import type { HttpAnswer } from "../support/http-get.ts";
import type { BenchOptions } from "../support/options.ts";
import { progress } from "../support/progress.ts";
import { type Dataset, prepareDataset } from "./dataset.ts";
import {
  answerSql,
  METRICS,
  metricsPath,
  SEARCH_LIMIT,
  SEARCHES,
  type SearchCase,
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
  const skipped: string[] = [];
  const runtime = await server.runtime();
  try {
    figures.push(...(await traceById(server, dataset)));
    for (const search of SEARCHES) {
      progress(`query: ${search.query}`);
      const figure = await searchFigure(server, dataset, search);
      if (typeof figure === "string") skipped.push(figure);
      else figures.push(figure);
    }
    for (const tag of TAGS) {
      progress(`query: ${tag.label}`);
      figures.push(await tagFigure(server, tag));
    }
    for (const { id, query } of METRICS) {
      progress(`query: ${query}`);
      const figure = await metricsFigure(server, id, query);
      if (typeof figure === "string") skipped.push(figure);
      else figures.push(figure);
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
    skipped,
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
): Promise<Figure | string> {
  const { id, label, query, range, optional } = search;
  const params = new URLSearchParams({ q: query, limit: String(SEARCH_LIMIT) });
  if (range !== undefined) {
    params.set("start", String(range.start));
    params.set("end", String(range.end));
  }
  const path = `/api/search?${params}`;
  const expected = dataset.answers.get(answerSql(search, "spans")) ?? [];
  if (optional === true) {
    const reason = unsupported(await server.ask(path));
    if (reason !== undefined) return `${query}: ${reason}`;
  }
  return server.measure({
    id: `query.${id}`,
    label: range === undefined ? `${label}, no range` : label,
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

async function metricsFigure(
  server: StoredServer,
  id: string,
  query: string,
): Promise<Figure | string> {
  const path = metricsPath(query);
  const reason = unsupported(await server.ask(path));
  if (reason !== undefined) return `${query}: ${reason}`;
  return server.measure({
    id: `query.${id}`,
    label: `\`${query}\`, steps of 60 s`,
    ask: async () => {
      const answer = await server.ask(path);
      expectStatus(answer, 200, query);
      const { series } = JSON.parse(answer.body.toString()) as { series?: readonly unknown[] };
      expectTrue((series ?? []).length > 0, `${query}: no series`);
    },
  });
}

/** Why the server refuses a query that it does not know yet; undefined when it answers. */
function unsupported({ status, body }: HttpAnswer): string | undefined {
  if (status === 200) return undefined;
  const text = body.toString().trim();
  if (!/not (yet )?supported/.test(text)) throw new Error(`${status} ${text}`);
  return text;
}

function expectStatus(answer: HttpAnswer, status: number, what: string): void {
  expectTrue(
    answer.status === status,
    `${what}: status ${answer.status} instead of ${status}: ${answer.body.subarray(0, 500)}`,
  );
}
