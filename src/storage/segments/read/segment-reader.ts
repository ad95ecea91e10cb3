import type { SqlValue } from "../../../drivers/duckdb/database.ts";
import { bloomContains } from "../parquet/bloom-filter.ts";
import { traceIdHash } from "../trace-filter.ts";
import { assemble } from "./assemble.ts";
import { ByteSource } from "./byte-source.ts";
import { checkBloom } from "./check-segment.ts";
import { bloomBits, findRows } from "./find-rows.ts";
import { unsupported } from "./read-error.ts";
import { type GroupPlace, loadFooter, type ReadAt, type ReadFooter } from "./read-footer.ts";
import { type LeafData, readLeaf } from "./read-leaf.ts";
import type { Leaf } from "./read-schema.ts";
import { MAX_WINDOW_BYTES, prefetchWindow, windowsOf } from "./read-windows.ts";

/** Rows of a segment, half open. */
export type RowRange = { readonly fromRow: number; readonly toRow: number };

/** Shaped as a chunk of a database's result. */
export type RowBlock = {
  readonly names: readonly string[];
  /** `columns[c][r]`, in the forms of `SqlValue` as the database gives them. */
  readonly columns: readonly (readonly SqlValue[])[];
  readonly rowCount: number;
};

const MAX_BLOOM_SPAN_BYTES = 1 << 20;

/** What is known of a segment once its footer was read; serves any number of opened files. */
export class SegmentLayout {
  /** About what it takes of memory. */
  readonly memoryBytes: number;
  readonly footer: ReadFooter;
  readonly traceIds: Leaf;
  /** The trace id filter of each row group, once read; copies, so that they hold no larger buffer. */
  blooms: readonly (Uint8Array | undefined)[] | undefined;

  constructor(footer: ReadFooter) {
    this.footer = footer;
    const column = footer.columns.find(({ name }) => name === "trace_id")?.node;
    if (column?.kind !== "leaf" || column.leaf.type !== "UUID" || column.leaf.maxDef > 0) {
      throw unsupported("a segment without trace ids");
    }
    this.traceIds = column.leaf;
    const { index } = this.traceIds;
    let bytes = 4096 + 256 * footer.leaves.length;
    for (const { chunks } of footer.groups) {
      bytes += 64 + 144 * chunks.length + (chunks[index]?.bloomBytes ?? 0);
    }
    this.memoryBytes = bytes;
  }

  /** Errors are those of `SegmentReader`. */
  static async load(readAt: ReadAt, fileSize: number): Promise<SegmentLayout> {
    return new SegmentLayout(await loadFooter(readAt, fileSize));
  }
}

/**
 * Reads a few adjacent rows of a segment written by `writeSegment`, much cheaper than a database: it
 * decodes nothing but these rows. Whatever it does not expect is `unsupported` or `corrupt`, and then
 * a general Parquet reader may know more; errors of `readAt` pass through. Synchronous work between
 * two reads is bounded by 4 MiB of stored bytes and by the rows asked for.
 */
export class SegmentReader {
  readonly #layout: SegmentLayout;
  readonly #readAt: ReadAt;

  constructor(layout: SegmentLayout, readAt: ReadAt) {
    this.#layout = layout;
    this.#readAt = readAt;
  }

  /** Reads the footer, then is ready for any number of requests. */
  static async open(readAt: ReadAt, fileSize: number): Promise<SegmentReader> {
    return new SegmentReader(await SegmentLayout.load(readAt, fileSize), readAt);
  }

  get rowCount(): number {
    return this.#layout.footer.rowCount;
  }

  /** The rows of the trace with this id of 16 bytes. They are adjacent in a segment. */
  async findTrace(traceId16: Uint8Array): Promise<RowRange | undefined> {
    const { footer, traceIds } = this.#layout;
    const hash = traceIdHash(traceId16);
    const blooms = await this.#loadBlooms();
    const source = new ByteSource(this.#readAt);
    let range: RowRange | undefined;
    for (const [g, group] of footer.groups.entries()) {
      const bits = blooms[g];
      if (bits !== undefined && !bloomContains(bits, hash[0]!, hash[1]!)) continue;
      const chunk = group.chunks[traceIds.index]!;
      const length = chunk.end - chunk.start;
      if (length <= MAX_WINDOW_BYTES) await source.prefetch(chunk.start, length);
      const found = await findRows(source, chunk, traceId16);
      if (found === undefined) continue;
      const fromRow = range?.fromRow ?? group.firstRow + found.from;
      range = { fromRow, toRow: group.firstRow + found.to };
    }
    return range;
  }

  /** All columns of rows `[fromRow, toRow)`, which the segment must have. */
  async readRows(fromRow: number, toRow: number): Promise<RowBlock> {
    const { footer } = this.#layout;
    if (fromRow < 0 || fromRow > toRow || toRow > footer.rowCount) {
      throw new Error(`rows ${fromRow} to ${toRow} of a segment of ${footer.rowCount}`);
    }
    const names = footer.columns.map(({ name }) => name);
    const columns: SqlValue[][] = names.map(() => []);
    const source = new ByteSource(this.#readAt);
    for (const group of footer.groups) {
      const from = Math.max(fromRow - group.firstRow, 0);
      const to = Math.min(toRow - group.firstRow, group.rowCount);
      if (from >= to) continue;
      const leaves = await this.#readLeaves(source, group, from, to);
      footer.columns.forEach(({ node }, c) => {
        const values = assemble(node, to - from, (leaf) => leaves[leaf.index]!);
        columns[c] = columns[c]!.length === 0 ? values : columns[c]!.concat(values);
      });
    }
    return { names, columns, rowCount: toRow - fromRow };
  }

  /** The rows `from .. to` of the group, of each leaf. */
  async #readLeaves(
    source: ByteSource,
    group: GroupPlace,
    from: number,
    to: number,
  ): Promise<LeafData[]> {
    const data: LeafData[] = [];
    for (const window of windowsOf(this.#layout.footer.leaves, group)) {
      await prefetchWindow(source, window);
      for (const leaf of window.leaves) {
        const same = leaf.elders.find(({ index, elementDef }) =>
          data[index]!.defs.every((def) => def < elementDef),
        );
        data.push(same ? data[same.index]! : await readLeaf(source, group, leaf, from, to));
      }
    }
    return data;
  }

  async #loadBlooms(): Promise<readonly (Uint8Array | undefined)[]> {
    const layout = this.#layout;
    if (layout.blooms !== undefined) return layout.blooms;
    const chunks = layout.footer.groups.map(({ chunks }) => chunks[layout.traceIds.index]!);
    const source = new ByteSource(this.#readAt);
    const present = chunks.filter(({ bloomBytes }) => bloomBytes > 0);
    if (present.length > 0) {
      const start = Math.min(...present.map(({ bloomOffset }) => bloomOffset));
      const end = Math.max(
        ...present.map(({ bloomOffset, bloomBytes }) => bloomOffset + bloomBytes),
      );
      if (end - start <= MAX_BLOOM_SPAN_BYTES) await source.prefetch(start, end - start);
    }
    const blooms: (Uint8Array | undefined)[] = [];
    for (const chunk of chunks) {
      const { bloomOffset, bloomBytes } = chunk;
      const stored = bloomBytes > 0 ? await source.at(bloomOffset, bloomBytes) : undefined;
      if (stored !== undefined) checkBloom(stored, chunk);
      const bits = stored && bloomBits(stored);
      blooms.push(bits && new Uint8Array(bits));
    }
    layout.blooms = blooms;
    return blooms;
  }
}
