/**
 * CPU time and size per span of the segment writer: L0 (20k spans, zstd 1) and L1 (zstd 3).
 * Run: `node bench/segment-write.ts [L0 spans] [L1 spans]`.
 */
import { SpanBatch } from "../src/model/span-batch.ts";
import { OtlpDecoder } from "../src/receivers/otlp/decode.ts";
import { writeSegment } from "../src/storage/segments/write-segment.ts";
import { makeRequests } from "./workload.ts";

const l0Spans = Number(process.argv[2] ?? 20_000);
const l1Spans = Number(process.argv[3] ?? 250_000);

function batchOf(spans: number): SpanBatch {
  const batch = new SpanBatch(12345);
  const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 2048 });
  // Bodies are made in portions, so that they need not be in memory together.
  const portion = Math.min(spans, 50_000);
  const spreadNanos = 600_000_000_000n;
  for (let made = 0, seed = 1; made < spans; seed++) {
    const startUnixNano = 1_748_736_000_000_000_000n + BigInt(seed) * spreadNanos;
    const size = Math.min(portion, spans - made);
    for (const body of makeRequests({ spans: size, seed, startUnixNano, spreadNanos })) {
      decoder.decode(body);
    }
    made += portion;
  }
  return batch;
}

function measure(label: string, spans: number, level: number, zstdLevel: number, rounds: number) {
  const batch = batchOf(spans);
  const times: number[] = [];
  let bytes = 0;
  let columns = 0;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    const { meta } = writeSegment(batch, {
      id: "01JZZZZZZZZZZZZZZZZZZZZZZZ",
      tenant: "single-tenant",
      level,
      walRange: { from: 0, to: 1 },
      replaces: [],
      createdUnixMs: 0,
      zstdLevel,
      rowGroupRows: 122_880,
    });
    const used = process.cpuUsage(before);
    times.push((used.user + used.system) / batch.spanCount);
    bytes = meta.byteSize;
    columns = meta.optionalColumns.length;
  }
  times.sort((a, b) => a - b);
  console.log(
    `${label}: ${batch.spanCount} spans, ${columns} optional columns, ` +
      `${times[0]!.toFixed(2)} us/span (median ${times[rounds >> 1]!.toFixed(2)}), ` +
      `${(bytes / batch.spanCount).toFixed(1)} B/span, ` +
      `RSS ${(process.memoryUsage.rss() / 1048576).toFixed(0)} MiB`,
  );
}

measure("L0 small", 2_000, 0, 1, 30);
measure("L0", l0Spans, 0, 1, 15);
measure("L1", l1Spans, 1, 3, 5);
