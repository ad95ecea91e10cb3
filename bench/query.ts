/**
 * Wall and CPU time of the read path over segments of the shop workload.
 * Run: `node bench/query.ts [segments] [spans per segment]`.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../src/drivers/duckdb/node-database.ts";
import { SpanBatch } from "../src/model/span-batch.ts";
import { compileSearch } from "../src/query/compile-search.ts";
import { QueryEngine } from "../src/query/query-context.ts";
import { searchTraces } from "../src/query/search.ts";
import { tagNames } from "../src/query/tag-names.ts";
import { TAG_SCOPES } from "../src/query/tag-scopes.ts";
import { traceById } from "../src/query/trace-by-id.ts";
import { traceIdFromHex } from "../src/query/trace-id.ts";
import { OtlpDecoder } from "../src/receivers/otlp/decode.ts";
import type { SegmentMeta } from "../src/schema/segment-meta.ts";
import type { Catalog } from "../src/storage/catalog/catalog.ts";
import { writeSegment } from "../src/storage/segments/write-segment.ts";
import { makeRequests } from "./workload.ts";

const segmentCount = Number(process.argv[2] ?? 4);
const spansPerSegment = Number(process.argv[3] ?? 250_000);
const tenant = "single-tenant";
const dir = await mkdtemp(join(tmpdir(), "pintail-bench-"));
await mkdir(join(dir, tenant));
const pathOf = (meta: SegmentMeta): string => join(dir, tenant, `${meta.id}.parquet`);

async function makeSegment(index: number): Promise<SegmentMeta> {
  const batch = new SpanBatch(index);
  const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 2048 });
  const spreadNanos = 600_000_000_000n;
  const startUnixNano = 1_748_736_000_000_000_000n + BigInt(index) * spreadNanos;
  for (const body of makeRequests({
    spans: spansPerSegment,
    seed: index + 1,
    startUnixNano,
    spreadNanos,
  }))
    decoder.decode(body);
  const { chunks, meta } = writeSegment(batch, {
    id: `01BENCH${String(index).padStart(19, "0")}`,
    tenant,
    level: 1,
    walRange: undefined,
    replaces: [],
    createdUnixMs: 0,
    zstdLevel: 3,
    rowGroupRows: 61_440,
  });
  await writeFile(pathOf(meta), Buffer.concat(chunks));
  return meta;
}

const segments: SegmentMeta[] = [];
for (let index = segmentCount - 1; index >= 0; index--) segments.push(await makeSegment(index));

const database = await openDatabase({
  memoryLimitBytes: 512 * 2 ** 20,
  tempDir: join(dir, "tmp"),
  threads: 2,
  maxConcurrent: 2,
});
const engine = new QueryEngine({
  catalog: { segments: () => segments } as unknown as Catalog,
  database,
  segmentPath: pathOf,
  cutHead: async () => {},
  limitsFor: () => ({ maxBytesPerTrace: 0 }) as never,
  settings: {
    searchTimeoutMs: 60_000,
    traceByIdTimeoutMs: 60_000,
    apiTimeoutMs: 0,
    maxConcurrentQueries: 2,
    maxOutstandingPerTenant: 10,
  } as never,
  nowMs: () => 0,
});

async function measure(name: string, run: () => Promise<number>): Promise<void> {
  const walls: number[] = [];
  const cpus: number[] = [];
  let count = 0;
  for (let round = 0; round < 6; round++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    count = await run();
    walls.push(performance.now() - start);
    const used = process.cpuUsage(cpu);
    cpus.push((used.user + used.system) / 1000);
  }
  const best = (list: number[]): string => Math.min(...list.slice(1)).toFixed(1);
  console.log(
    `${name.padEnd(64)} wall ${best(walls)} ms, cpu ${best(cpus)} ms, first ${walls[0]?.toFixed(0)} ms, ${count} results`,
  );
}

const search = (query: string) => async (): Promise<number> => {
  const result = await searchTraces(engine, {
    tenants: [tenant],
    search: compileSearch(query, 100_000),
    range: undefined,
    limit: 20,
    spansPerSpanset: 3,
  });
  return result.traces.length;
};

let someId = "";
await searchTraces(engine, {
  tenants: [tenant],
  search: compileSearch("{}", 1000),
  range: { startUnixNano: 0n, endUnixNano: segments.at(-1)!.minTraceStart + 300_000_000_000n },
  limit: 1,
  spansPerSpanset: 1,
}).then((result) => {
  someId = result.traces[0]?.traceId ?? "";
});
await measure("trace by id", async () => {
  const { trace } = await traceById(engine, {
    tenants: [tenant],
    traceId: traceIdFromHex(someId),
  });
  return trace.resourceSpans.flatMap((g) => g.scopeSpans.flatMap((s) => s.spans)).length;
});
for (const query of [
  "{}",
  "{ status = error }",
  "{ resource.service.name = `checkout` && span.http.response.status_code >= 500 }",
  "{ .http.response.status_code >= 500 }",
  "{ name =~ `.*needle.*` }",
  "{ traceDuration > 100s }",
  "{ resource.service.name = `checkout` } && { resource.service.name = `payment` }",
  "{} && {}",
  "{ status = error } && { name =~ `.*needle.*` }",
  "{ event.exception.message != nil } || { span.messaging.system = `kafka` }",
])
  await measure(query, search(query));
await measure("tag names", async () => {
  const { names } = await tagNames(engine, {
    tenants: [tenant],
    scopes: TAG_SCOPES,
    filter: undefined,
    range: undefined,
    limitPerScope: 0,
    maxBytes: 0,
  });
  return [...names.values()].flat().length;
});
await database[Symbol.asyncDispose]();
await rm(dir, { recursive: true, force: true });
