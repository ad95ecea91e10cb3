import { create, toBinary } from "@bufbuild/protobuf";
import { ExportTraceServiceRequestSchema } from "../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";

export type Probe = {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly service: string;
  readonly name: string;
  /** A string attribute of the span. */
  readonly key: string;
  readonly value: string;
  readonly startUnixNano: bigint;
};

/** A request with one trace of one span, easy to ask for. */
export function probeRequest(probe: Probe): Uint8Array {
  const attribute = (key: string, value: string) => ({
    key,
    value: { value: { case: "stringValue" as const, value } },
  });
  return toBinary(
    ExportTraceServiceRequestSchema,
    create(ExportTraceServiceRequestSchema, {
      resourceSpans: [
        {
          resource: { attributes: [attribute("service.name", probe.service)] },
          scopeSpans: [
            {
              spans: [
                {
                  traceId: probe.traceId,
                  spanId: probe.spanId,
                  name: probe.name,
                  kind: 2,
                  startTimeUnixNano: probe.startUnixNano,
                  endTimeUnixNano: probe.startUnixNano + 1_000_000n,
                  attributes: [attribute(probe.key, probe.value)],
                },
              ],
            },
          ],
        },
      ],
    }),
  );
}
