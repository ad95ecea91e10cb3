import { ThriftBinaryReader } from "../../util/thrift-binary.ts";
import { ThriftCompactReader } from "../../util/thrift-compact.ts";
import { ThriftError, type ThriftReader, ThriftType } from "../../util/thrift-reader.ts";
import { WireError, WireReader } from "../../util/wire-reader.ts";
import type { JaegerThriftBody } from "./decode-thrift.ts";

/**
 * Number of spans in a `PostSpansRequest` that was refused, for the metrics. What comes after the
 * first malformed byte is not counted.
 */
export function countProtobufSpans(body: Uint8Array): number {
  const reader = new WireReader();
  reader.reset(body);
  let spans = 0;
  try {
    while (reader.pos < body.length) {
      const tag = reader.tag(body.length);
      if (tag !== 0x0a) {
        reader.skip(tag, 0, body.length);
        continue;
      }
      const end = reader.sub(body.length);
      while (reader.pos < end) {
        const inner = reader.tag(end);
        reader.skip(inner, 0, end);
        if (inner === 0x0a) spans++;
      }
    }
  } catch (e) {
    if (!(e instanceof WireError)) throw e;
  }
  return spans;
}

export type ThriftScan = {
  /** What comes after the first malformed byte is not counted. */
  readonly spanCount: number;
  /** Whether there is no such byte, and there is a list of spans. */
  readonly complete: boolean;
};

/** Counts the spans of a Thrift `Batch` without a look at what they hold. */
export function scanThriftBatch(body: Uint8Array, kind: JaegerThriftBody): ThriftScan {
  const reader = kind === "compact message" ? new ThriftCompactReader() : new ThriftBinaryReader();
  reader.reset(body);
  const count = { spans: 0, lists: 0 };
  try {
    if (kind === "batch") countInBatch(reader, count);
    else {
      reader.message();
      let id = 0;
      for (let type = reader.field(id); type !== ThriftType.stop; type = reader.field(id)) {
        id = reader.fieldId;
        if (id === 1 && type === ThriftType.struct) countInBatch(reader, count);
        else reader.skip(type);
      }
    }
    return { spanCount: count.spans, complete: count.lists > 0 };
  } catch (e) {
    if (!(e instanceof ThriftError)) throw e;
    return { spanCount: count.spans, complete: false };
  }
}

function countInBatch(reader: ThriftReader, count: { spans: number; lists: number }): void {
  let id = 0;
  for (let type = reader.field(id); type !== ThriftType.stop; type = reader.field(id)) {
    id = reader.fieldId;
    if (id !== 2 || type !== ThriftType.list) {
      reader.skip(type);
      continue;
    }
    const spans = reader.listOf(ThriftType.struct);
    for (let i = 0; i < spans; i++) {
      reader.skip(ThriftType.struct);
      count.spans++;
    }
    count.lists++;
  }
}
