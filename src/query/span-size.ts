import type { Attribute, StoredSpan } from "./trace.ts";

/**
 * About the size of a span as OTLP protobuf: string lengths in UTF-16 units, fixed shares for the
 * rest. Good enough to bound what a trace may cost; its resource and scope count apart.
 */
export function estimateSpanBytes({ span }: StoredSpan): number {
  let bytes = 70 + span.name.length + span.traceState.length + span.statusMessage.length;
  bytes += attributesBytes(span.attributes);
  for (const event of span.events)
    bytes += 16 + event.name.length + attributesBytes(event.attributes);
  for (const link of span.links)
    bytes += 36 + link.traceState.length + attributesBytes(link.attributes);
  return bytes;
}

export function attributesBytes(attributes: readonly Attribute[]): number {
  let bytes = 0;
  for (const { key, value } of attributes) {
    bytes += 8 + key.length;
    if (typeof value === "string") bytes += value.length;
    else if (typeof value === "object") bytes += value.json.length;
    else bytes += 8;
  }
  return bytes;
}
