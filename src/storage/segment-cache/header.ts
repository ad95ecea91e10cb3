import type { ReadFile } from "../../drivers/files/files.ts";
import type { ByteRange } from "../../drivers/objects/object-store.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import { FIXED_COLUMNS } from "../../schema/columns.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { checkBloom } from "../segments/read/check-segment.ts";
import { type FooterParts, takeApart } from "../segments/read/footer-parts.ts";
import { corrupt } from "../segments/read/read-error.ts";
import { type FooterBounds, loadRawFooter, type ReadFooter } from "../segments/read/read-footer.ts";

/** What is known of a segment in the bucket once its end was read. */
export type SegmentHeader = {
  readonly footer: ReadFooter;
  readonly parts: FooterParts;
  /** The segment's bytes from here to its end; what of them belongs to row groups is not checked. */
  readonly tailFrom: number;
  readonly tail: Uint8Array;
};

/** The trace id filters and the footer of a large segment fit in, so that one request brings both. */
const TAIL = { min: 128 * 1024, max: 512 * 1024, shareOfSegment: 32 };

export type FetchRange = (range: ByteRange) => Promise<Uint8Array>;

/** One request, or two for an unusually long footer. Throws `corrupt` when it is no segment's. */
export async function fetchHeader(meta: SegmentSummary, fetch: FetchRange): Promise<SegmentHeader> {
  const size = meta.byteSize;
  const wanted = Math.min(TAIL.max, Math.max(TAIL.min, Math.ceil(size / TAIL.shareOfSegment)));
  const tailFrom = Math.max(0, size - wanted);
  let end: Tail = { tailFrom, tail: await fetch({ start: tailFrom, end: size }) };
  const readAt = async (offset: number, length: number): Promise<Uint8Array> => {
    if (offset < end.tailFrom) {
      end = joined(end, await fetch({ start: offset, end: end.tailFrom }));
    }
    return end.tail.subarray(offset - end.tailFrom, offset - end.tailFrom + length);
  };
  try {
    const { footer, raw } = await loadRawFooter(readAt, size, boundsOf(meta));
    checkPlaces(footer);
    checkRowGroups(footer, meta);
    checkFilters(footer, end, size);
    return { footer, parts: takeApart(raw), ...end };
  } catch (cause) {
    // What was stored is a segment of ours, so what another writer may make is damage here.
    if (isPintailError(cause, "unsupported")) throw corrupt("it is no segment", cause);
    throw cause;
  }
}

/** The description has at most 4 MiB of values, a chunk's place less than a KiB, most of a column one; the trace filter 3 bytes for each trace. */
const FOOTER_BYTES = { base: 16 << 20, perColumn: 4096, perTrace: 8 };

/** What a writer of ours may have needed: taken apart, a footer takes a multiple of its size. */
function boundsOf({ rowGroups, optionalColumns, traceCount }: SegmentSummary): FooterBounds {
  const columns = FIXED_COLUMNS.length + optionalColumns.length;
  const places = FOOTER_BYTES.perColumn * columns * rowGroups.length;
  const maxBytes = FOOTER_BYTES.base + places + FOOTER_BYTES.perTrace * traceCount;
  return { maxBytes: Math.min(maxBytes, 64 << 20), groups: rowGroups.length };
}

/** Chunks that are empty or overlap would be fetched in vain, or over and over. */
function checkPlaces({ groups }: ReadFooter): void {
  let before = 0;
  for (const { chunks } of groups) {
    for (const { start, end } of chunks) {
      if (start < before || end <= start) throw corrupt("chunks overlap, or are empty");
      before = end;
    }
  }
}

/** Throws `corrupt` when the object has other rows than the catalog says. */
export function checkRowGroups({ groups }: ReadFooter, { rowGroups }: SegmentSummary): void {
  const same = rowGroups.every(({ rowCount }, i) => groups[i]?.rowCount === rowCount);
  if (same && groups.length === rowGroups.length) return;
  throw new PintailError("corrupt", "the object has other row groups than the catalog says");
}

/** Of those that begin within the tail, up to `end`. */
function checkFilters({ groups }: ReadFooter, { tail, tailFrom }: Tail, end: number): void {
  for (const { chunks } of groups) {
    for (const chunk of chunks) {
      const { bloomOffset, bloomBytes } = chunk;
      if (bloomBytes === 0 || bloomOffset < tailFrom || bloomOffset >= end) continue;
      const from = bloomOffset - tailFrom;
      checkBloom(tail.subarray(from, from + bloomBytes), chunk);
    }
  }
}

type Tail = Pick<SegmentHeader, "tailFrom" | "tail">;

/** The same with the bytes in front of the tail. Throws `corrupt` when these are not as written. */
export function withBefore(header: SegmentHeader, before: Uint8Array): SegmentHeader {
  const longer = { ...header, ...joined(header, before) };
  checkFilters(header.footer, longer, header.tailFrom);
  return longer;
}

function joined({ tail, tailFrom }: Tail, before: Uint8Array): Tail {
  const all = new Uint8Array(before.length + tail.length);
  all.set(before);
  all.set(tail, before.length);
  return { tail: all, tailFrom: tailFrom - before.length };
}

/** About what it takes of memory. */
export function headerBytes({ tail, footer }: SegmentHeader): number {
  return 2 * tail.length + 176 * footer.leaves.length * footer.groups.length;
}

/** The segment as far as its header has it. */
export function tailFile(meta: SegmentSummary, { tail, tailFrom }: SegmentHeader): ReadFile {
  return {
    sizeBytes: meta.byteSize,
    read: async (target, position) => {
      if (position < tailFrom) throw new PintailError("unavailable", "not in memory");
      const bytes = tail.subarray(position - tailFrom, position - tailFrom + target.length);
      target.set(bytes);
      return bytes.length;
    },
    close: async () => {},
  };
}
