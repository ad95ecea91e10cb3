import { WireError, WireReader } from "../../util/wire-reader.ts";

/** `resource_spans`, `scope_spans` and `spans`, one inside the other, each length-delimited. */
const PATH = [0x0a, 0x12, 0x12] as const;

/**
 * Number of spans in an ExportTraceServiceRequest that was refused, for the metrics. What comes
 * after the first malformed byte is not counted.
 */
export function countSpans(body: Uint8Array): number {
  const reader = new WireReader();
  reader.reset(body);
  const count = { spans: 0 };
  try {
    countWithin(reader, body.length, 0, count);
  } catch (e) {
    if (!(e instanceof WireError)) throw e;
  }
  return count.spans;
}

function countWithin(
  reader: WireReader,
  end: number,
  depth: number,
  count: { spans: number },
): void {
  while (reader.pos < end) {
    const tag = reader.tag(end);
    if (tag !== PATH[depth]) {
      reader.skip(tag, 0, end);
      continue;
    }
    const innerEnd = reader.sub(end);
    if (depth === PATH.length - 1) {
      count.spans++;
      reader.pos = innerEnd;
    } else {
      countWithin(reader, innerEnd, depth + 1, count);
    }
  }
}
