import { afterAll, beforeAll, expect, test } from "vitest";
import { compileLegacySearch } from "../../src/query/compile-legacy-search.ts";
import { compileSearch } from "../../src/query/compile-search.ts";
import { compileTagFilter } from "../../src/query/compile-tag-filter.ts";
import { serviceDependencies } from "../../src/query/dependencies.ts";
import { exportTraces } from "../../src/query/export/export-traces.ts";
import { matchingTraceIds } from "../../src/query/matching-traces.ts";
import { searchTraces } from "../../src/query/search.ts";
import { legacyTagSource } from "../../src/query/tag-field.ts";
import { tagNames } from "../../src/query/tag-names.ts";
import { TAG_SCOPES } from "../../src/query/tag-scopes.ts";
import { tagValues } from "../../src/query/tag-values.ts";
import { compileTail } from "../../src/query/tail/compile-tail.ts";
import { DEFAULT_TAIL_SETTINGS } from "../../src/query/tail/settings.ts";
import { Tails } from "../../src/query/tail/tails.ts";
import { traceById } from "../../src/query/trace-by-id.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { aSpan, attribute, hex, type SpanInit } from "../support/otlp-builder.ts";
import { linesOf, runMetrics } from "./metrics/run-metrics.ts";
import { type RequestInit, SegmentStore } from "./segment-store.ts";
import { codeOf, SqlStore } from "./sql/sql-store.ts";

const T0 = 1_700_000_000_000_000_000n;
const SECOND = 1_000_000_000n;
const TRACES = 14;
/** The last has no part of a trace that stays in its service. */
const SECRET = new Set([3, 7, 8]);
const GRID = { startUnixNano: T0 - SECOND, stepNanos: 10n * SECOND, count: 6 };
const { signal } = new AbortController();

const idOf = (n: number): string => n.toString(16).padStart(32, "0");

/** Traces of three spans over two services, their parts in different segments. */
function requests(tenant: "with" | "without", part: number): RequestInit[] {
  const wanted = Array.from({ length: TRACES }, (_, i) => i + 1).filter(
    (n) => tenant === "with" || !SECRET.has(n),
  );
  return wanted.flatMap((n): RequestInit[] => {
    const isSecret = SECRET.has(n);
    const names = isSecret ? ["vault", "vault-db"] : ["shop", "stock"];
    const spans = [1, 2, 3].map(
      (id): SpanInit =>
        aSpan({
          traceId: hex(idOf(n)),
          spanId: hex(id.toString(16).padStart(16, "0")),
          ...(id === 1 ? {} : { parentSpanId: hex("0000000000000001") }),
          name: `${isSecret ? "s3cret-" : ""}op ${id}`,
          kind: id === 1 ? 2 : 3,
          startTimeUnixNano: T0 + BigInt(n) * SECOND + BigInt(id) * 1000n,
          endTimeUnixNano: T0 + BigInt(n) * SECOND + BigInt(id) * 2000n,
          attributes: [
            attribute("token", isSecret ? `s3cret-${n}` : `open-${n}`),
            attribute("http.route", `/r${n % 3}`),
            ...(isSecret ? [attribute("s3cret.key", n)] : []),
          ],
          events: isSecret
            ? [{ name: "s3cret-event", attributes: [attribute("s3cret.e", 1)] }]
            : [],
        }),
    );
    // Which span is in which segment differs from trace to trace.
    const own = spans.filter((_, i) => (i + n) % 3 === part);
    return own.map((span) => {
      const service = names[span.kind === 2 ? 0 : 1]!;
      const resource = { attributes: [attribute("service.name", service)] };
      return {
        resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "lib" }, spans: [span] }] }],
      };
    });
  });
}

let full: SqlStore;
let bare: SqlStore;
beforeAll(async () => {
  full = await SqlStore.open();
  bare = await SqlStore.open();
});
afterAll(async () => {
  await full.close();
  await bare.close();
});

async function fill({ segments: store }: SqlStore, which: "with" | "without"): Promise<void> {
  store.clear();
  await store.add(requests(which, 0), { level: 1, rowGroupRows: 5 });
  await store.add(requests(which, 1), { level: 1 });
  await store.add(requests(which, 2), { level: 0 });
  // One for all queries: it remembers what earlier ones found out.
  const engine = SegmentStore.prototype.engine.call(store);
  store.engine = () => engine;
}

const SEARCHES = [
  "{}",
  "{ resource.service.name =~ `v.*|shop` }",
  "{ span.token != `x` } && { kind = server }",
  "{ kind = server } > { kind = client }",
  "{ rootServiceName != `x` }",
  "{} | count() > 2",
  "{ span.token =~ `.*` } | select(span.token) | by(name)",
  "{ event:name != nil }",
];
const METRICS = [
  "{} | rate() by (span.token)",
  "{} | count_over_time() by (resource.service.name)",
  "{ kind = server } >> {} | count_over_time() by (name)",
  "{ rootName != `x` } | count_over_time() by (rootServiceName)",
  "{} | quantile_over_time(duration, 0.9)",
  "{} | compare({ kind = client }, 10)",
  "{} | count_over_time() by (span.token) | topk(3)",
];

/** What every way to read gives, but for what was looked at. */
async function answers(sql: SqlStore): Promise<Record<string, unknown>> {
  const store = sql.segments;
  const engine = store.engine();
  const tenants = ["single-tenant"];
  const range = undefined;
  const out: Record<string, unknown> = {};
  for (const query of SEARCHES) {
    const search = compileSearch(query, 10_000);
    const options = { tenants, search, range, limit: 100, spansPerSpanset: 10 };
    out[query] = (await searchTraces(engine, options)).traces;
    const found = await matchingTraceIds(engine, {
      ...options,
      tenant: tenants[0]!,
      maxTraces: 100,
      signal,
    });
    out[`ids of ${query}`] = [[...found.traceIds], found.spanCount];
  }
  const legacy = compileLegacySearch("http.route=/r1", {
    minNanos: undefined,
    maxNanos: undefined,
  });
  out["legacy search"] = (
    await searchTraces(engine, { tenants, search: legacy, range, limit: 100, spansPerSpanset: 3 })
  ).traces;
  for (const query of METRICS) {
    out[query] = linesOf(await runMetrics(store, query, GRID, { exemplars: 50 })).sort();
  }
  for (const useReaders of [true, false]) {
    store.useReaders = useReaders;
    for (let n = 1; n <= TRACES; n++) {
      const { trace } = await traceById(SegmentStore.prototype.engine.call(store), {
        tenants,
        traceId: hex(idOf(n)),
      });
      out[`trace ${n} ${useReaders}`] = trace;
    }
  }
  store.useReaders = true;
  const { filter } = compileTagFilter("{ kind = server || kind = client }", undefined, {
    maxQueryBytes: 1000,
    maxConditionGroups: 10,
  });
  for (const one of [undefined, filter]) {
    const names = await tagNames(engine, {
      ...{ tenants, scopes: TAG_SCOPES, filter: one, range, limitPerScope: 0, maxBytes: 0 },
    });
    out[`names ${one !== undefined}`] = [...names.names];
    for (const tag of ["token", "service.name", "name", "http.route", "s3cret.key", "root.name"]) {
      const values = await tagValues(engine, {
        ...{ tenants, source: legacyTagSource(tag), filter: one, range, limit: 0, maxBytes: 0 },
        cost: () => [],
      });
      out[`values of ${tag} ${one !== undefined}`] = values.values;
    }
  }
  out.dependencies = await serviceDependencies(engine, {
    tenants,
    range: { startUnixNano: T0, endUnixNano: T0 + 1000n * SECOND },
  });
  const traces: unknown[] = [];
  const exported = { tenants, search: compileSearch("{}", 1000), range, limit: 0, signal };
  for await (const trace of exportTraces(engine, exported)) traces.push(trace);
  out.export = traces;
  out.tail = await tailed(store);
  out.sql = await sql.text("SELECT trace_id_hex, name, span_attributes FROM spans ORDER BY ALL");
  out["sql lookup"] = await sql.text(
    "SELECT span_attributes['token'], count(*) FROM spans GROUP BY 1 ORDER BY 1",
  );
  out["sql count"] = await sql.text("SELECT count(*), count(DISTINCT trace_id) FROM spans");
  return out;
}

async function tailed(store: SegmentStore): Promise<unknown> {
  const tails = new Tails({ engine: store.engine(), log: silentLogger }, DEFAULT_TAIL_SETTINGS);
  const filter = compileTail("{} | select(span.token)", 10_000);
  const news = tails.open({ tenants: ["single-tenant"], filter, signal });
  // As those who write them tell of them: without what the catalog alone knows.
  tails.onCommit(store.segments.map(({ hiddenTraces: _, ...meta }) => meta));
  const { value } = await news.next();
  tails.close();
  return value?.spans.toSorted((a, b) => (a.traceId + a.name < b.traceId + b.name ? -1 : 1));
}

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}n` : v));

test.each([false, true])(
  "hidden traces are as if they had never been, on all ways to read (in a bucket: %s)",
  async (inBucket) => {
    full.segments.inBucket = inBucket;
    bare.segments.inBucket = inBucket;
    await fill(full, "with");
    await fill(bare, "without");
    const before = await answers(full);
    const expected = await answers(bare);
    for (const [way, answer] of Object.entries(before)) {
      // Each of them tells of the traces as long as they are not hidden.
      if (
        !/^trace |http\.route|^sql count|quantile|topk/.test(way) &&
        !way.startsWith("values of s3cret")
      ) {
        expect([way, textOf(answer) === textOf(expected[way])]).toEqual([way, false]);
      }
    }
    expect(textOf(before)).toContain("s3cret-7");
    full.segments.hide([...SECRET].map(idOf));
    const after = await answers(full);
    for (const way of Object.keys(before)) {
      expect([way, textOf(after[way])]).toEqual([way, textOf(expected[way])]);
    }
    expect(textOf(Object.values(after))).not.toContain("s3cret");
  },
  120_000,
);

test("statements may read files by their paths unless they hide traces", async () => {
  full.segments.inBucket = false;
  await fill(full, "with");
  const path = full.path(full.segments.segments[0]!);
  const count = `SELECT count(*) FROM read_parquet('${path}')`;
  expect(await full.text(count)).toMatch(/\d/);
  full.segments.hide([idOf(3)]);
  const folder = path.slice(0, path.lastIndexOf("/"));
  const name = path.slice(path.lastIndexOf("/") + 1, -".parquet".length);
  for (const sql of [
    count,
    `SELECT count(*) FROM '${path}'`,
    `SELECT count(*) FROM "${path}"`,
    `SELECT count(*) FROM "${folder}/${name}".parquet`,
    `SUMMARIZE '${path}'`,
    `DESCRIBE SELECT * FROM parquet_scan('${path}')`,
    `EXPLAIN ANALYZE SELECT * FROM parquet_metadata('${path}')`,
    `WITH x AS (FROM read_blob('${path}')) SELECT * FROM x`,
    `SELECT (SELECT max(name) FROM read_parquet(['/'||'${path.slice(1)}']))`,
    `SELECT * FROM query('FROM read_parquet(''${path}'')')`,
    `SELECT * FROM query_table('${path}')`,
  ]) {
    expect([sql, await codeOf(full.text(sql))]).toEqual([
      sql,
      expect.stringMatching(/^invalid: .*(redacted traces are being removed|duckdb)/),
    ]);
  }
  expect(
    await full.text("SELECT count(*) FROM spans, unnest([1, 2]) AS u(n), range(2) WHERE n = 1"),
  ).toBe(`count_star()\n${2 * 3 * (TRACES - 1)}\n`);
}, 60_000);

test("another tenant's trace of the same id stays", async () => {
  const store = full.segments;
  store.inBucket = false;
  store.clear();
  const own = requests("with", 0);
  await store.add(own, { tenant: "a" });
  await store.add(own, { tenant: "b", level: 0 });
  await store.add(requests("with", 1), { tenant: "b" });
  store.hide([...SECRET].map(idOf), "a");
  const tenants = ["a", "b"];
  const counts = async (of: string[]) =>
    (await full.text("SELECT count(*) FROM spans", { tenants: of })).split("\n")[1];
  const hidden = 3;
  expect(await counts(["a"])).toBe(String(TRACES - hidden));
  expect(await counts(["b"])).toBe(String(2 * TRACES));
  expect(await counts(tenants)).toBe(String(3 * TRACES - hidden));
  const lines = async (of: string[]) =>
    linesOf(
      await runMetrics(store, "{} | count_over_time() by (span.token)", GRID, { tenants: of }),
    );
  const [inB, inBoth] = [await lines(["b"]), await lines(tenants)];
  const secret = (all: string[]) => all.filter((line) => line.includes("s3cret"));
  expect(secret(await lines(["a"]))).toEqual([]);
  expect(secret(inBoth)).toEqual(secret(inB));
  const values = await tagValues(store.engine(), {
    ...{ tenants, source: legacyTagSource("token"), filter: undefined, range: undefined },
    ...{ limit: 0, maxBytes: 0, cost: () => [] },
  });
  expect(values.values.filter(({ value }) => value.startsWith("s3cret")).length).toBe(hidden);
}, 60_000);
