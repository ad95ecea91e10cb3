import type { ReadFile } from "../../../drivers/files/files.ts";
import { isPintailError } from "../../../errors.ts";
import { crc32 } from "../../../runtime/crc32.ts";
import type { SegmentSummary } from "../../../schema/segment-meta.ts";
import { bloomBits } from "../read/find-rows.ts";
import { type ReadAt, readFooter } from "../read/read-footer.ts";
import { ColumnFilter } from "./column-filter.ts";
import type { FilterPlace } from "./filter-places.ts";
import { type FooterExtract, readFooterExtract } from "./footer-extract.ts";
import { type KnownValues, NOTHING_KNOWN } from "./known-values.ts";
import { SameColumns } from "./same-columns.ts";
import { ScanCache } from "./scan-cache.ts";

export type SegmentFiltersParts = {
  /** Undefined when the segment's bytes are not at hand. */
  readonly openFile: (
    meta: SegmentSummary,
    signal: AbortSignal,
  ) => Promise<Pick<ReadFile, "sizeBytes" | "read" | "close"> | undefined>;
};

export type SegmentFiltersLimits = {
  /** Of extracts and bits in memory. Nothing is held before it is asked for. */
  readonly maxBytes: number;
};

/** The filters of a column with many values have about a byte for each of them. */
const DEFAULT_LIMITS: SegmentFiltersLimits = { maxBytes: 16 << 20 };

/** Filters of one column are read at once when they and what lies between them are no more. */
const MAX_READ_BYTES = 1 << 20;

/** The footer and the filters of a small segment. */
const TAIL_BYTES = 64 << 10;
/** Several are in memory at a time; ours have less than a few MiB. */
const MAX_FOOTER_BYTES = 16 << 20;
/** Of a segment of which nothing is known. */
const UNKNOWN_BYTES = 256;
const EXTRACT = "extract";

/**
 * What is known of the values of segments' columns: where the bloom filters lie, those that were asked
 * for last, and the bounds of numbers. Of a segment that is damaged or not one of ours nothing is.
 */
export class SegmentFilters {
  readonly #openFile: SegmentFiltersParts["openFile"];
  readonly #sameColumns = new SameColumns();
  /** By the id of the segment, whose file never changes; `unknown` where they cannot be known. */
  readonly #extracts: ScanCache<FooterExtract | "unknown">;
  readonly #extractOf: (id: string, scan: number) => FooterExtract | "unknown" | undefined;
  /** By column and the id of the segment. */
  readonly #filters: ScanCache<ColumnFilter>;
  #scans = 0;

  constructor({ openFile }: SegmentFiltersParts, limits: SegmentFiltersLimits = DEFAULT_LIMITS) {
    this.#openFile = openFile;
    // Small, and dear to be found again.
    const extractsBytes = limits.maxBytes / 4;
    this.#extracts = new ScanCache(extractsBytes);
    this.#extractOf = this.#extracts.getterOf(EXTRACT);
    this.#filters = new ScanCache(limits.maxBytes - extractsBytes);
  }

  /** About what is held in memory. */
  get memoryBytes(): number {
    return this.#extracts.bytes + this.#filters.bytes;
  }

  /** For one query, which may ask for more segments than there is room for. */
  scan(): FilterScan {
    const scan = ++this.#scans;
    const known: KnownNow = {
      groupCount: 0,
      columns: [],
      filters: [],
      filterOf: [],
      bounds: undefined,
    };
    return {
      known: (meta, columns) => this.#known(meta, columns, scan, known),
      read: (meta, columns, signal) => this.#read(meta, columns, scan, signal),
    };
  }

  #known(
    meta: SegmentSummary,
    columns: readonly string[],
    scan: number,
    known: KnownNow,
  ): KnownValues | undefined {
    const { id } = meta;
    const extract = this.#extractOf(id, scan);
    if (extract === undefined) return undefined;
    if (extract === "unknown") return NOTHING_KNOWN;
    // Most segments of a query need the same.
    if (known.columns !== columns) {
      known.columns = columns;
      known.filters = new Array(columns.length);
      known.filterOf = columns.map((column) => this.#filters.getterOf(column));
    }
    const { places, bounds } = extract;
    for (let i = 0; i < columns.length; i++) {
      const filter = known.filterOf[i]!(id, scan);
      if (filter === undefined && places.has(columns[i]!)) return undefined;
      known.filters[i] = filter;
    }
    known.groupCount = places.groupCount;
    known.bounds = bounds;
    return known;
  }

  async #read(
    meta: SegmentSummary,
    columns: readonly string[],
    scan: number,
    signal: AbortSignal,
  ): Promise<KnownValues> {
    const file = await this.#openFile(meta, signal);
    if (file === undefined) return NOTHING_KNOWN;
    try {
      const { id } = meta;
      const readAt = rememberingLast(file);
      let extract = this.#extracts.get(EXTRACT, id, scan);
      if (extract === undefined) {
        extract = await loadExtract(readAt, file.sizeBytes, this.#sameColumns);
        this.#extracts.put(EXTRACT, id, extract, memoryBytesOf(extract), scan);
      }
      if (extract === "unknown") return NOTHING_KNOWN;
      const { places, bounds } = extract;
      const filters: (ColumnFilter | undefined)[] = [];
      for (const column of columns) {
        let filter = this.#filters.get(column, id, scan);
        if (filter === undefined && places.has(column)) {
          filter = await readFilter(readAt, places.of(column));
          this.#filters.put(column, id, filter, filter.memoryBytes, scan);
        }
        filters.push(filter);
      }
      return { groupCount: places.groupCount, columns, filters, bounds };
    } finally {
      await file.close();
    }
  }
}

/** Written anew for each segment, of which a scan goes through thousands. */
type KnownNow = {
  groupCount: number;
  columns: readonly string[];
  filters: (ColumnFilter | undefined)[];
  /** By column. */
  filterOf: readonly ((id: string, scan: number) => ColumnFilter | undefined)[];
  bounds: KnownValues["bounds"];
};

export interface FilterScan {
  /**
   * What is known of the values of these columns; undefined when that has to be read first. It holds
   * until the next call.
   */
  known(meta: SegmentSummary, columns: readonly string[]): KnownValues | undefined;
  /** Errors are those of `openFile` and of the file. */
  read(meta: SegmentSummary, columns: readonly string[], signal: AbortSignal): Promise<KnownValues>;
}

/** Errors but those of the bytes pass through. */
async function loadExtract(
  readAt: ReadAt,
  fileSize: number,
  sameColumns: SameColumns,
): Promise<FooterExtract | "unknown"> {
  try {
    const { raw, offset } = await readFooter(readAt, fileSize, TAIL_BYTES, MAX_FOOTER_BYTES);
    return readFooterExtract(raw, offset, sameColumns);
  } catch (error) {
    if (isPintailError(error, "corrupt") || isPintailError(error, "unsupported")) return "unknown";
    throw error;
  }
}

function memoryBytesOf(extract: FooterExtract | "unknown"): number {
  if (extract === "unknown") return UNKNOWN_BYTES;
  return extract.places.memoryBytes + extract.bounds.memoryBytes;
}

/** Of a small segment the read that has its footer has the filters as well. */
function rememberingLast(file: Pick<ReadFile, "read">): ReadAt {
  let from = 0;
  let last = new Uint8Array(0);
  return async (offset, length) => {
    if (offset < from || offset + length > from + last.length) {
      const target = new Uint8Array(length);
      last = target.subarray(0, await file.read(target, offset));
      from = offset;
    }
    return last.subarray(offset - from, offset - from + length);
  };
}

/** Damaged filters are passed over: what they say cannot be trusted, so they say nothing. */
async function readFilter(
  readAt: ReadAt,
  places: readonly (FilterPlace | undefined)[],
): Promise<ColumnFilter> {
  const present = places.filter((place) => place !== undefined);
  const start = Math.min(...present.map(({ offset }) => offset));
  const end = Math.max(...present.map(({ offset, length }) => offset + length));
  if (present.length > 1 && end - start <= MAX_READ_BYTES) await readAt(start, end - start);
  const groups: (Uint8Array | undefined)[] = [];
  for (const place of places) groups.push(place && (await readBits(readAt, place)));
  return new ColumnFilter(groups);
}

async function readBits(readAt: ReadAt, place: FilterPlace): Promise<Uint8Array | undefined> {
  const stored = await readAt(place.offset, place.length);
  if (stored.length !== place.length) return undefined;
  if (place.crc !== undefined && crc32(stored) !== place.crc) return undefined;
  try {
    return bloomBits(stored);
  } catch (error) {
    if (isPintailError(error, "corrupt")) return undefined;
    throw error;
  }
}
