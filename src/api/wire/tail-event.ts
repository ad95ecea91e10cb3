import type { TailSpan } from "../../query/tail/tail-spans.ts";
import { spanIdToHex } from "../../query/trace-id.ts";
import { spanKindName, statusCodeName } from "./enum-names.ts";
import { attributesToJson } from "./search-response.ts";

/** A span of a live tail; ids have all their digits, 64-bit numbers are text. */
export function tailSpanToJson(span: TailSpan, namesTenant: boolean): unknown {
  return {
    tenant: namesTenant ? span.tenant : undefined,
    traceID: span.traceId,
    spanID: spanIdToHex(span.spanId),
    parentSpanID: span.parentSpanId === undefined ? undefined : spanIdToHex(span.parentSpanId),
    name: span.name,
    serviceName: span.serviceName,
    startTimeUnixNano: span.startUnixNano.toString(),
    durationNanos: span.durationNanos.toString(),
    kind: spanKindName(span.kind),
    status: statusCodeName(span.status),
    attributes: attributesToJson(span.attributes),
  };
}
