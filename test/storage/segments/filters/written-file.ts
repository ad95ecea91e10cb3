import type { ReadFile } from "../../../../src/drivers/files/files.ts";
import type { SpanBatch } from "../../../../src/model/span-batch.ts";
import type { SegmentMeta } from "../../../../src/schema/segment-meta.ts";
import { writeSegment } from "../../../../src/storage/segments/write-segment.ts";

let nextId = 0;

/** A segment's file in memory. */
export function writtenFile(
  batch: SpanBatch,
  rowGroupRows = 61_440,
): { readonly bytes: Uint8Array; readonly meta: SegmentMeta } {
  const { chunks, meta } = writeSegment(batch, {
    id: `01FILTERS${String(nextId++).padStart(17, "0")}`,
    tenant: "single-tenant",
    level: 1,
    walRange: undefined,
    replaces: [],
    createdUnixMs: 0,
    zstdLevel: 1,
    rowGroupRows,
  });
  return { bytes: new Uint8Array(Buffer.concat(chunks)), meta };
}

/** Opened; `onRead` is told the place of each read. */
export function fileOf(
  bytes: Uint8Array,
  onRead: (from: number, length: number) => void = () => {},
): ReadFile {
  return {
    sizeBytes: bytes.length,
    read: async (target, position) => {
      onRead(position, target.length);
      const part = bytes.subarray(position, position + target.length);
      target.set(part);
      return part.length;
    },
    close: async () => {},
  };
}
