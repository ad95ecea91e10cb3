import { fromBinary } from "@bufbuild/protobuf";
import { ExportTraceServiceRequestSchema } from "../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import { SpanBatch } from "../src/model/span-batch.ts";
import { OtlpDecoder } from "../src/receivers/otlp/decode.ts";
import { cpuMicros } from "./support/cpu.ts";
import {
  type BenchResult,
  expectTrue,
  type Figure,
  numberText,
  summaryFigure,
} from "./support/figures.ts";
import type { BenchOptions } from "./support/options.ts";
import { summarize } from "./support/stats.ts";
import { decodeInto, WIRE_FORMATS, type WireFormat } from "./wire-formats.ts";
import { makeRequests } from "./workload.ts";

/** Many short rounds: the best one is the least disturbed by what else the machine does. */
const ROUNDS = 40;
const WARM_UP_ROUNDS = 5;
const SPANS = 10_000;
const SMOKE = { rounds: 3, spans: 1000 };

/**
 * CPU time of the OTLP decoder, of @bufbuild/protobuf's `fromBinary` on the same bytes, and of the
 * decoders of other formats on the same spans.
 */
export function benchDecode(options: BenchOptions): BenchResult {
  const rounds = options.runs ?? (options.smoke ? SMOKE.rounds : ROUNDS);
  const bodies = makeRequests({
    spans: options.spans ?? (options.smoke ? SMOKE.spans : SPANS),
    seed: 1,
  });
  const batch = decodeAll(bodies);
  const spans = batch.spanCount;
  expectTrue(
    spans === countByLibrary(bodies),
    `the decoder found ${spans} spans, the library ${countByLibrary(bodies)}`,
  );

  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < (options.smoke ? 0 : WARM_UP_ROUNDS) + rounds; round++) {
    ours.push(cpuMicros(() => decodeAll(bodies)) / spans);
    theirs.push(
      cpuMicros(() => {
        for (const body of bodies) fromBinary(ExportTraceServiceRequestSchema, body);
      }) / spans,
    );
  }
  const warmUpRounds = options.smoke ? 0 : WARM_UP_ROUNDS;
  const others = WIRE_FORMATS.map((wire) =>
    decodeFigure(wire, bodies, spans, rounds, warmUpRounds),
  );
  const [us, them] = [summarize(ours.slice(-rounds)), summarize(theirs.slice(-rounds))];
  const bytes = bodies.reduce((sum, body) => sum + body.length, 0);
  return {
    name: "decode",
    parameters: {
      spans,
      rounds,
      requests: bodies.length,
      bytesPerSpan: Number(numberText(bytes / spans)),
      attributesPerSpan: Number(numberText(batch.attributes.count / spans)),
    },
    figures: [
      summaryFigure("decode.ours", "OTLP decoder, to a span batch", "us/span", us),
      summaryFigure("decode.library", "@bufbuild/protobuf fromBinary, same bytes", "us/span", them),
      {
        id: "decode.ratio",
        label: "ours / fromBinary (best rounds)",
        unit: "",
        value: us.min / them.min,
      },
      ...others,
    ],
    skipped: [],
  };
}

function decodeFigure(
  { id, label, format, encode }: WireFormat,
  requests: readonly Uint8Array[],
  spans: number,
  rounds: number,
  warmUpRounds: number,
): Figure {
  const bodies = requests.flatMap(encode);
  const times: number[] = [];
  for (let round = 0; round < warmUpRounds + rounds; round++) {
    const batch = new SpanBatch(12345);
    times.push(cpuMicros(() => decodeInto(batch, format, bodies)) / spans);
    expectTrue(batch.spanCount === spans, `${label}: ${batch.spanCount} spans of ${spans}`);
  }
  const bytes = bodies.reduce((sum, body) => sum + body.length, 0);
  const summary = summarize(times.slice(-rounds));
  const note = `${numberText(bytes / spans)} B/span`;
  return summaryFigure(
    `decode.${id}`,
    `${label} decoder, to a span batch`,
    "us/span",
    summary,
    note,
  );
}

function decodeAll(bodies: readonly Uint8Array[]): SpanBatch {
  const batch = new SpanBatch(12345);
  const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 2048 });
  for (const body of bodies) decoder.decode(body);
  return batch;
}

function countByLibrary(bodies: readonly Uint8Array[]): number {
  return bodies
    .flatMap((body) => fromBinary(ExportTraceServiceRequestSchema, body).resourceSpans)
    .flatMap((resource) => resource.scopeSpans)
    .reduce((sum, scope) => sum + scope.spans.length, 0);
}
