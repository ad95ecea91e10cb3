import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../src/drivers/duckdb/node-database.ts";
import { sqlLiteral } from "../src/drivers/duckdb/sql-literal.ts";
import { BodyFormat } from "../src/ingest/ingest.ts";
import { SpanBatch } from "../src/model/span-batch.ts";
import type { SegmentMeta } from "../src/schema/segment-meta.ts";
import { writeSegment } from "../src/storage/segments/write-segment.ts";
import { cpuMicros } from "./support/cpu.ts";
import {
  type BenchResult,
  expectTrue,
  type Figure,
  mebibytesFigure,
  numberText,
  summaryFigure,
} from "./support/figures.ts";
import type { BenchOptions } from "./support/options.ts";
import { progress } from "./support/progress.ts";
import { summarize } from "./support/stats.ts";
import { decodeInto, WIRE_FORMATS, type WireFormat } from "./wire-formats.ts";
import { makeRequests } from "./workload.ts";

type Size = {
  readonly id: string;
  readonly label: string;
  readonly level: number;
  readonly zstdLevel: number;
  readonly spans: number;
  readonly rounds: number;
  /** Before those: the first files of a process cost a multiple. */
  readonly warmUpRounds: number;
};

/** What the server writes: a small cut, a cut under load, and the segment that stays. */
const SIZES: readonly Size[] = [
  {
    id: "segment.l0-small",
    label: "L0",
    level: 0,
    zstdLevel: 1,
    spans: 2_000,
    rounds: 30,
    warmUpRounds: 10,
  },
  {
    id: "segment.l0",
    label: "L0",
    level: 0,
    zstdLevel: 1,
    spans: 20_000,
    rounds: 15,
    warmUpRounds: 5,
  },
  {
    id: "segment.l1",
    label: "L1",
    level: 1,
    zstdLevel: 3,
    spans: 250_000,
    rounds: 5,
    warmUpRounds: 1,
  },
];
const SMOKE = { spans: 2000, rounds: 2 };
/** As the server writes them. */
const ROW_GROUP_ROWS = 61_440;

/** CPU time and size per span from request bodies to the bytes of a segment file. */
export async function benchSegment(options: BenchOptions): Promise<BenchResult> {
  const figures: Figure[] = [];
  const sizes = SIZES.map((size) => ({
    ...size,
    spans: options.smoke ? Math.min(size.spans, SMOKE.spans) : size.spans,
    rounds: options.runs ?? (options.smoke ? SMOKE.rounds : size.rounds),
    warmUpRounds: options.smoke ? 0 : size.warmUpRounds,
  })).map((size) =>
    size.id === "segment.l1" ? { ...size, spans: options.spans ?? size.spans } : size,
  );
  for (const size of sizes) {
    progress(`segment: ${size.label} of ${size.spans} spans`);
    figures.push(...(await measure(size)));
  }
  const l0 = sizes.find(({ id }) => id === "segment.l0")!;
  for (const wire of WIRE_FORMATS) {
    progress(`segment: ${wire.label}`);
    const [whole] = await measure({ ...l0, id: `${l0.id}.${wire.id}` }, wire);
    figures.push(whole!);
  }
  figures.push(
    mebibytesFigure("segment.rss", "resident size of the bench", process.memoryUsage.rss()),
  );
  return {
    name: "segment",
    parameters: Object.fromEntries(sizes.map(({ id, spans }) => [`${id}.spans`, spans])),
    figures,
    skipped: [],
  };
}

/** Time, then size. Spans come as OTLP when `wire` is left out. */
async function measure(size: Size, wire?: WireFormat): Promise<Figure[]> {
  const requests = makeRequests({ spans: size.spans, seed: 1 });
  const bodies = wire === undefined ? requests : requests.flatMap(wire.encode);
  const decodes: number[] = [];
  const writes: number[] = [];
  let last: ReturnType<typeof write> | undefined;
  let spans = 0;
  let traces = 0;
  for (let round = 0; round < size.warmUpRounds + size.rounds; round++) {
    const batch = new SpanBatch(12345 + round);
    decodes.push(
      cpuMicros(() => decodeInto(batch, wire?.format ?? BodyFormat.otlpProtobuf, bodies)),
    );
    writes.push(
      cpuMicros(() => {
        last = write(batch, size);
      }),
    );
    spans = batch.spanCount;
    traces = batch.traceCount;
  }
  if (last === undefined) throw new Error("no round was run");
  await verify(last, spans, traces);
  decodes.splice(0, size.warmUpRounds);
  writes.splice(0, size.warmUpRounds);
  const whole = summarize(decodes.map((decode, i) => (decode + writes[i]!) / spans));
  const perSpan = (times: readonly number[]) =>
    numberText(summarize(times.map((time) => time / spans)).median);
  const { meta } = last;
  const note = `decode ${perSpan(decodes)}, write ${perSpan(writes)}`;
  const from = wire === undefined ? "" : ` from ${wire.label}`;
  const what = `${size.label}${from}, ${spans} spans, zstd ${size.zstdLevel}`;
  return [
    summaryFigure(size.id, `decode → ${what}`, "us/span", whole, note),
    {
      id: `${size.id}.bytes`,
      label: `size of ${what}`,
      unit: "B/span",
      value: meta.byteSize / spans,
      note: `${meta.optionalColumns.length} optional columns`,
    },
  ];
}

function write(
  batch: SpanBatch,
  { level, zstdLevel }: Size,
): { readonly chunks: readonly Uint8Array[]; readonly meta: SegmentMeta } {
  return writeSegment(batch, {
    id: "01JZZZZZZZZZZZZZZZZZZZZZZZ",
    tenant: "single-tenant",
    level,
    walRange: { from: 0, to: 1 },
    replaces: [],
    createdUnixMs: 0,
    zstdLevel,
    rowGroupRows: ROW_GROUP_ROWS,
  });
}

/** The file holds what went in, as DuckDB reads it. */
async function verify(
  { chunks, meta }: { readonly chunks: readonly Uint8Array[]; readonly meta: SegmentMeta },
  spans: number,
  traces: number,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "pintail-bench-"));
  try {
    const path = join(dir, "segment.parquet");
    await writeFile(path, Buffer.concat(chunks));
    const database = await openDatabase({
      memoryLimitBytes: 512 * 1024 * 1024,
      tempDir: join(dir, "tmp"),
      threads: 1,
      maxConcurrent: 1,
    });
    try {
      const [row] = await database.rows(
        `SELECT count(*)::INTEGER, count(DISTINCT trace_id)::INTEGER FROM read_parquet(${sqlLiteral(path)})`,
      );
      expectTrue(
        row?.[0] === spans && meta.rowCount === spans,
        `the segment has ${row?.[0]} rows (its footer says ${meta.rowCount}) of ${spans} spans`,
      );
      expectTrue(row?.[1] === traces, `the segment has ${row?.[1]} traces of ${traces}`);
    } finally {
      await database[Symbol.asyncDispose]();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
