import type { ByteRange } from "../../drivers/objects/object-store.ts";
import { MAGIC } from "../segments/parquet/footer.ts";
import { type FooterParts, writeProjectedFooter } from "../segments/read/footer-parts.ts";
import type { ReadFooter } from "../segments/read/read-footer.ts";

/** Which columns and row groups: indexes, ascending. */
export type Rectangle = { readonly columns: readonly number[]; readonly groups: readonly number[] };

/** A column chunk, `[start, end)` of the stored file. */
export type ChunkName = {
  readonly leaf: number;
  readonly group: number;
  readonly start: number;
  readonly end: number;
};

type HeaderParts = { readonly footer: ReadFooter; readonly parts: FooterParts };

/** In the order of the stored file. */
export function chunksOf(
  { footer, parts }: HeaderParts,
  { columns, groups }: Rectangle,
): ChunkName[] {
  const chunks: ChunkName[] = [];
  for (const group of groups) {
    for (const column of columns) {
      const { firstLeaf, leafCount } = parts.columns[column]!;
      for (let leaf = firstLeaf; leaf < firstLeaf + leafCount; leaf++) {
        const { start, end } = footer.groups[group]!.chunks[leaf]!;
        chunks.push({ leaf, group, start, end });
      }
    }
  }
  return chunks;
}

/**
 * A request takes some 20 ms and a bucket gives some 50 MB/s and more: up to this gap it is cheaper
 * to read on than to ask again, and little of a segment is read in vain.
 */
const MAX_GAP_BYTES = 64 * 1024;
/** Longer runs are asked for in several requests at once. */
const MAX_RANGE_BYTES = 8 * 1024 * 1024;

/** Requests that bring the chunks: ascending, near ones as one. */
export function rangesOf(chunks: readonly { start: number; end: number }[]): ByteRange[] {
  const ranges: { start: number; end: number }[] = [];
  for (const { start, end } of chunks.toSorted((a, b) => a.start - b.start)) {
    const last = ranges.at(-1);
    const near =
      last !== undefined &&
      start - last.end <= MAX_GAP_BYTES &&
      end - last.start <= MAX_RANGE_BYTES;
    if (last !== undefined && near) last.end = Math.max(last.end, end);
    else if (end > start) ranges.push({ start, end });
  }
  return ranges;
}

/** The bytes of a range of the stored file out of those that were fetched. */
export function sliceOf(
  ranges: readonly ByteRange[],
  bytes: readonly Uint8Array[],
  { start, end }: ByteRange,
): Uint8Array {
  const i = ranges.findIndex((range) => range.start <= start && end <= range.end);
  const range = ranges[i];
  if (range === undefined) throw new Error("a chunk that was not fetched");
  return bytes[i]!.subarray(start - range.start, end - range.start);
}

/** A projection file before its chunks are there: those follow its first bytes, in their order. */
export type ProjectionPlan = {
  readonly chunks: readonly ChunkName[];
  /** Where each chunk begins in the file, by `chunkKey`. */
  readonly places: ReadonlyMap<string, number>;
  /** What follows the chunks. */
  readonly end: readonly Uint8Array[];
  readonly sizeBytes: number;
};

/** Of a complete Parquet file. Throws `corrupt` when the footer's parts are not a writer's. */
export function planProjection(header: HeaderParts, rectangle: Rectangle): ProjectionPlan {
  const chunks = chunksOf(header, rectangle);
  const places = new Map<string, number>();
  let offset = MAGIC.length;
  for (const { leaf, group, start, end } of chunks) {
    places.set(chunkKey(leaf, group), offset);
    offset += end - start;
  }
  const footer = writeProjectedFooter(
    header.parts,
    rectangle.columns,
    rectangle.groups,
    (leaf, group) => places.get(chunkKey(leaf, group))!,
  );
  const end = new Uint8Array(8);
  new DataView(end.buffer).setUint32(0, footer.length, true);
  end.set(MAGIC, 4);
  return { chunks, places, end: [footer, end], sizeBytes: offset + footer.length + end.length };
}

export function chunkKey(leaf: number, group: number): string {
  return `${leaf}/${group}`;
}
