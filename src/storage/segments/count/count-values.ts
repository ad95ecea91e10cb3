import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import { isPintailError } from "../../../errors.ts";
import { Encoding } from "../parquet/column-chunk.ts";
import { ByteSource } from "../read/byte-source.ts";
import { deltaDistances } from "../read/delta-values.ts";
import { corrupt, unsupported } from "../read/read-error.ts";
import { type GroupPlace, loadFooter, type ReadAt, type ReadFooter } from "../read/read-footer.ts";
import { readLeaf } from "../read/read-leaf.ts";
import type { Leaf } from "../read/read-schema.ts";
import { prefetchWindow, windowsOf } from "../read/read-windows.ts";
import { freeBody, pageBody, walkPages } from "../read/walk-pages.ts";
import { ChunkCounter } from "./chunk-counter.ts";
import { CountingMemory } from "./counting-memory.ts";
import { isPlainMap, MapCounter } from "./map-counter.ts";
import { Presence } from "./presence.ts";
import { bucketsInto, type CountGrid, MAX_ROWS, type RowBitmap, rowSlots } from "./row-slots.ts";
import { SameCodes } from "./same-codes.ts";

export type CountedColumn = {
  /** A flat column, or a map of texts to values, of which each key is counted. */
  readonly name: string;
  /** Of a flat column those to be told apart, of the column's type; `undefined`: all. */
  readonly values: readonly SqlValue[] | undefined;
};

export type CountRequest = {
  readonly columns: readonly CountedColumn[];
  readonly grid: CountGrid;
  /** Rows to count; `undefined`: all that start in the grid. */
  readonly included: RowBitmap | undefined;
  /** Rows of the selection, the others are the baseline; `undefined`: none. */
  readonly selected: RowBitmap | undefined;
};

export type ColumnCounts = {
  readonly name: string;
  /** Of a map the key whose values these are. */
  readonly key?: string;
  /** `OTHERS` stands for those that were not to be told apart. */
  readonly values: readonly SqlValue[];
  /** For each value and bucket two numbers: rows of the baseline, and of the selection. */
  readonly cells: Uint32Array<ArrayBuffer>;
};

export type SegmentCounts = {
  /** The first of the buckets in the cells. */
  readonly firstBucket: number;
  readonly bucketCount: number;
  /** A column that the file does not have has no values. */
  readonly columns: readonly ColumnCounts[];
  /** Columns that could not be counted so. */
  readonly refused: readonly string[];
};

/** Most numbers of one file's answer, and of one row group's column. */
export const MAX_CELLS = 1 << 22;

/**
 * Counts the values of flat columns of a segment's file, and those of the keys of maps, by bucket of
 * `start_time` and by group: from the codes of its pages, so that a value costs some nanoseconds.
 * Bounded in memory (some 100 MiB); `throwIfOver` is asked every few milliseconds. A column that takes
 * more, or is not stored as our writer does, is refused; when that is so of the file this rejects with
 * `unsupported`, and when it is damaged with `corrupt`.
 */
export async function countValues(
  readAt: ReadAt,
  fileSize: number,
  request: CountRequest,
  throwIfOver: () => void,
  memory = new CountingMemory(),
): Promise<SegmentCounts> {
  const footer = await loadFooter(readAt, fileSize);
  const starts = leafOf(footer, "start_time");
  if (starts === undefined || starts.maxDef > 0) throw unsupported("a segment without start times");
  if (footer.rowCount > MAX_ROWS) throw unsupported(`${footer.rowCount} rows`);
  const { grid, included, selected } = request;
  const groups = [];
  let firstBucket = grid.count;
  let endBucket = 0;
  for (const group of footer.groups) {
    throwIfOver();
    memory.begin();
    const buckets = await readBuckets(new ByteSource(readAt), group, starts, grid, memory);
    const rows = rowSlots(buckets, group.firstRow, included, selected);
    if (rows === undefined) continue;
    groups.push({ group, rows });
    firstBucket = Math.min(firstBucket, rows.firstBucket);
    endBucket = Math.max(endBucket, rows.firstBucket + (rows.slotCount - 1) / 2);
  }
  const bucketCount = Math.max(endBucket - firstBucket, 0);
  const budget = { cells: MAX_CELLS };
  const counters = new Map<number, ChunkCounter>();
  const maps = new Set<MapCounter>();
  const refused: string[] = [];
  for (const { name, values } of request.columns) {
    const node = footer.columns.find((column) => column.name === name)?.node;
    if (node === undefined) continue;
    if (node.kind === "leaf") {
      const { leaf } = node;
      const wanted = values && memory.wanted(name, leaf.type, values);
      counters.set(
        leaf.index,
        new ChunkCounter({ name, leaf, wanted, firstBucket, bucketCount, budget }),
      );
    } else if (isPlainMap(node)) {
      maps.add(new MapCounter({ name, node, firstBucket, bucketCount, budget }));
    } else refused.push(name);
  }
  /** False when the counter can be forgotten. */
  const isCounted = async (
    counter: ChunkCounter | MapCounter,
    work: Promise<void>,
  ): Promise<boolean> => {
    try {
      await work;
      return true;
    } catch (error) {
      if (!isPintailError(error, "unsupported")) throw error;
      counter.release();
      refused.push(counter.name);
      return false;
    }
  };
  const most = groups.reduce((rows, { group }) => Math.max(rows, group.rowCount), 0);
  const codes = memory.codes(most);
  const ofPresence = memory.presence(most);
  for (const { group, rows } of groups) {
    memory.begin();
    const source = new ByteSource(readAt);
    const presence = new Presence(rows, ofPresence);
    const counting = { rows, presence, same: new SameCodes(), codes };
    const leaves = footer.leaves.filter(({ index }) => counters.has(index));
    for (const window of windowsOf(leaves, group)) {
      await prefetchWindow(source, window);
      for (const { index } of window.leaves) {
        throwIfOver();
        const counter = counters.get(index)!;
        if (!(await isCounted(counter, counter.addChunk(source, group, counting)))) {
          counters.delete(index);
        }
      }
    }
    for (const counter of maps) {
      throwIfOver();
      const [window] = windowsOf(counter.leaves, group);
      if (window !== undefined) await prefetchWindow(source, window);
      if (!(await isCounted(counter, counter.addGroup(source, group, rows)))) maps.delete(counter);
    }
  }
  return {
    firstBucket,
    bucketCount,
    columns: [
      ...Array.from(counters.values(), (counter) => counter.counts()),
      ...Array.from(maps, (counter) => counter.counts()).flat(),
    ],
    refused,
  };
}

function leafOf({ columns }: ReadFooter, wanted: string): Leaf | undefined {
  const node = columns.find(({ name }) => name === wanted)?.node;
  return node?.kind === "leaf" ? node.leaf : undefined;
}

async function readBuckets(
  source: ByteSource,
  group: GroupPlace,
  leaf: Leaf,
  grid: CountGrid,
  memory: CountingMemory,
): Promise<Int32Array> {
  const buckets = memory.buckets(group.rowCount);
  const chunk = group.chunks[leaf.index]!;
  let row = 0;
  await walkPages(source, chunk, async (page) => {
    const count = page.valueCount;
    if (count > group.rowCount - row) throw corrupt("a chunk has more rows than its group");
    const out = buckets.subarray(row, row + count);
    if (page.encoding === Encoding.delta) {
      const distances = memory.distances(count);
      const body = await pageBody(source, chunk, page);
      const first = deltaDistances(body, 0, distances);
      freeBody(chunk, body);
      bucketsInto(first, distances, grid, out);
    } else if (count > 0) {
      const { values } = await readLeaf(source, group, leaf, row, row + count);
      const first = values[0] as bigint;
      const distances = Float64Array.from(values, (value) => Number((value as bigint) - first));
      if (distances.every(Number.isSafeInteger)) bucketsInto(first, distances, grid, out);
      else {
        const none = new Float64Array(1);
        values.forEach((value, i) => {
          bucketsInto(value as bigint, none, grid, out.subarray(i, i + 1));
        });
      }
    }
    row += count;
    return "more";
  });
  if (row < group.rowCount) throw corrupt("a chunk has fewer rows than its group");
  return buckets;
}
