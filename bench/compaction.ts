import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeFiles } from "../src/drivers/files/node-files.ts";
import { BodyFormat } from "../src/ingest/ingest.ts";
import { SpanBatch } from "../src/model/span-batch.ts";
import type { SegmentMeta } from "../src/schema/segment-meta.ts";
import { chooseMerge } from "../src/storage/compaction/choose-merge.ts";
import { SegmentWriter, segmentPath } from "../src/storage/segments/segment-writer.ts";
import { appendSegments } from "../src/threads/append-segments.ts";
import { ulidSource } from "../src/util/ulid.ts";
import { type BenchResult, expectTrue, mebibytesFigure } from "./support/figures.ts";
import type { BenchOptions } from "./support/options.ts";
import { progress } from "./support/progress.ts";
import { decodeInto } from "./wire-formats.ts";
import { makeRequests } from "./workload.ts";

const SPANS = 100_000;
const SMOKE_SPANS = 5000;
const SEGMENTS = 60;
/** As the server has them, but for the size: a merged segment takes a quarter of all spans. */
const LIMITS = { minInputs: 6, maxInputs: 32, windowNanos: 3_600_000_000_000n };
const TENANT = "single-tenant";

/** Merges many small L1 segments until none is worth a merge. */
export async function benchCompaction(options: BenchOptions): Promise<BenchResult> {
  const spans = options.spans ?? (options.smoke ? SMOKE_SPANS : SPANS);
  const dir = mkdtempSync(join(tmpdir(), "pintail-bench-"));
  try {
    return await measure(dir, spans, options.segments ?? SEGMENTS);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measure(dir: string, spans: number, count: number): Promise<BenchResult> {
  const nowMs = () => 1_700_000_000_000;
  const newId = ulidSource(nowMs);
  const writer = new SegmentWriter({ files: nodeFiles(), segmentDir: dir, newId, nowMs });
  progress(`compaction: ${count} segments of ${Math.ceil(spans / count)} spans`);
  let segments: SegmentMeta[] = [];
  for (let i = 0; i < count; i++) {
    const batch = new SpanBatch(i);
    const bodies = makeRequests({ spans: Math.ceil(spans / count), seed: i + 1 });
    decodeInto(batch, BodyFormat.otlpProtobuf, bodies);
    segments.push(await write(writer, batch, 1, []));
  }
  const total = spansOf(segments);
  const firstBytes = bytesOf(segments);
  const limits = { ...LIMITS, maxSpans: Math.ceil(total / 4) };
  let [writtenBytes, mergedSpans, merges, peak] = [0, 0, 0, process.memoryUsage.rss()];
  const before = process.cpuUsage();
  for (let chosen = chooseMerge(segments, limits); chosen !== undefined; ) {
    const batch = new SpanBatch(merges);
    const inputs = chosen.map((meta) => ({ meta, path: segmentPath(dir, meta) }));
    await appendSegments({ tempDir: dir }, inputs, batch);
    const level = Math.max(...chosen.map((s) => s.level)) + 1;
    const merged = await write(writer, batch, level, chosen);
    expectTrue(merged.rowCount === spansOf(chosen), "a merge lost or doubled spans");
    peak = Math.max(peak, process.memoryUsage.rss());
    writtenBytes += merged.byteSize;
    mergedSpans += merged.rowCount;
    merges++;
    const gone = new Set(chosen);
    segments = [...segments.filter((s) => !gone.has(s)), merged];
    chosen = chooseMerge(segments, limits);
  }
  const { user, system } = process.cpuUsage(before);
  expectTrue(spansOf(segments) === total, "segments do not hold what they held before");
  expectTrue(merges > 0, "nothing was merged");
  return {
    name: "compaction",
    parameters: { spans: total, segments: count, maxSpans: limits.maxSpans },
    figures: [
      {
        id: "compaction.cpu",
        label: "merging, for each span that is written again",
        unit: "us/span",
        value: (user + system) / mergedSpans,
        note: `${merges} merges, ${segments.length} segments left of ${count}`,
      },
      {
        id: "compaction.write-amplification",
        label: "bytes written in all, for each byte of L1",
        unit: "×",
        value: (firstBytes + writtenBytes) / firstBytes,
        note: `size after to size before ${(bytesOf(segments) / firstBytes).toFixed(2)}`,
      },
      mebibytesFigure("compaction.rss", "peak resident size of the bench, after a merge", peak),
    ],
    skipped: [],
  };
}

async function write(
  writer: SegmentWriter,
  batch: SpanBatch,
  level: number,
  inputs: readonly SegmentMeta[],
): Promise<SegmentMeta> {
  const replaces = inputs.map((s) => s.id);
  return await writer.write(batch, { tenant: TENANT, level, walRange: undefined, replaces });
}

function spansOf(segments: readonly SegmentMeta[]): number {
  return segments.reduce((total, s) => total + s.rowCount, 0);
}

function bytesOf(segments: readonly SegmentMeta[]): number {
  return segments.reduce((total, s) => total + s.byteSize, 0);
}
