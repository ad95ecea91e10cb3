/**
 * CPU time per span of the OTLP decoder, and of @bufbuild/protobuf's `fromBinary` on the same
 * bytes. Run: `node bench/decode.ts [spans]`.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { ExportTraceServiceRequestSchema } from "../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { SpanBatch } from "../src/model/span-batch.ts";
import { OtlpDecoder } from "../src/receivers/otlp/decode.ts";
import { makeRequests } from "./workload.ts";

/** Many short rounds: the best one is the least disturbed by what else the machine does. */
const ROUNDS = 40;
const spans = Number(process.argv[2] ?? 10_000);
const bodies = makeRequests({ spans, seed: 1 });

function decodeAll(): SpanBatch {
  const batch = new SpanBatch(12345);
  const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 2048 });
  for (const body of bodies) decoder.decode(body);
  return batch;
}

function cpuMicros(work: () => unknown): number {
  const before = process.cpuUsage();
  work();
  const used = process.cpuUsage(before);
  return used.user + used.system;
}

const batch = decodeAll();
const bytes = bodies.reduce((sum, body) => sum + body.length, 0);
console.log(
  `${batch.spanCount} spans, ${(bytes / batch.spanCount).toFixed(0)} B/span, ` +
    `${(batch.attributes.count / batch.spanCount).toFixed(1)} attributes/span, ` +
    `${batch.traceCount} traces, ${batch.strings.count} strings`,
);

let ours = Number.POSITIVE_INFINITY;
let theirs = Number.POSITIVE_INFINITY;
for (let round = 0; round < ROUNDS; round++) {
  ours = Math.min(ours, cpuMicros(decodeAll));
  theirs = Math.min(
    theirs,
    cpuMicros(() => {
      for (const body of bodies) fromBinary(ExportTraceServiceRequestSchema, body);
    }),
  );
}
console.log(`decoder     ${(ours / batch.spanCount).toFixed(2)} us/span (best of ${ROUNDS})`);
console.log(`fromBinary  ${(theirs / batch.spanCount).toFixed(2)} us/span`);
console.log(`ratio       1/${(theirs / ours).toFixed(1)}`);
