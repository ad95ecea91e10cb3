import { fromBinary } from "@bufbuild/protobuf";
import { type TimeSeries, WriteRequestSchema } from "../../gen/prometheus/remote_pb.ts";
import type { WriteRequestBody } from "../../src/metrics-generator/registry/write-request.ts";

export function timeSeriesOf(bodies: Iterable<Pick<WriteRequestBody, "body">>): TimeSeries[] {
  return Array.from(bodies).flatMap(
    ({ body }) => fromBinary(WriteRequestSchema, new Uint8Array(body)).timeseries,
  );
}

const HIDDEN: ReadonlySet<string> = new Set(["__name__", "__metrics_gen_instance"]);

/** `name{label="value"}` without the labels that all series have. */
export function nameOf({ labels }: TimeSeries): string {
  const name = labels.find((label) => label.name === "__name__")?.value ?? "";
  const others = labels.filter(({ name: each }) => !HIDDEN.has(each));
  return `${name}{${others.map((label) => `${label.name}="${label.value}"`).join(",")}}`;
}

/** The last sample of each series by its name. */
export function valuesOf(
  bodies: Iterable<Pick<WriteRequestBody, "body">>,
): Record<string, number | undefined> {
  const values: Record<string, number | undefined> = {};
  for (const series of timeSeriesOf(bodies)) {
    for (const { value } of series.samples) values[nameOf(series)] = value;
  }
  return values;
}
