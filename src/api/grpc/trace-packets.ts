import { fromBinary } from "@bufbuild/protobuf";
import {
  type TracesData,
  TracesDataSchema,
} from "../../../gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import type { ResourceSpans, Trace } from "../../query/trace.ts";
import { traceToProtobuf } from "../wire/trace-protobuf.ts";

/**
 * A trace as messages of at most so many bytes (0 = one message), but each with one span at least:
 * halves of halves, with the resources and scopes of their spans.
 */
export function* tracePackets(trace: Trace, maxBytes: number): Generator<TracesData, void, void> {
  const spanCount = countSpans(trace);
  const packet = packetOf(trace, spanCount < 2 ? 0 : maxBytes);
  if (packet !== undefined) {
    yield packet;
    return;
  }
  const middle = spanCount >>> 1;
  yield* tracePackets(spansOf(trace, 0, middle), maxBytes);
  yield* tracePackets(spansOf(trace, middle, spanCount), maxBytes);
}

/** Undefined when it would be larger. */
function packetOf(trace: Trace, maxBytes: number): TracesData | undefined {
  const bytes = traceToProtobuf(trace);
  if (maxBytes > 0 && bytes.length > maxBytes) return undefined;
  return fromBinary(TracesDataSchema, bytes);
}

function countSpans({ resourceSpans }: Trace): number {
  let count = 0;
  for (const { scopeSpans } of resourceSpans) {
    for (const { spans } of scopeSpans) count += spans.length;
  }
  return count;
}

/** Spans `[from, to)` in their order, without the groups that have none of them. */
function spansOf(trace: Trace, from: number, to: number): Trace {
  const resourceSpans: ResourceSpans[] = [];
  let at = 0;
  for (const { resource, scopeSpans } of trace.resourceSpans) {
    const kept = scopeSpans.flatMap(({ scope, spans }) => {
      const some = spans.slice(Math.max(0, from - at), Math.max(0, to - at));
      at += spans.length;
      return some.length === 0 ? [] : [{ scope, spans: some }];
    });
    if (kept.length > 0) resourceSpans.push({ resource, scopeSpans: kept });
  }
  return { resourceSpans };
}
