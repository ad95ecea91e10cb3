import { decompress } from "../../runtime/compression.ts";
import type { KeyStats, SegmentMeta } from "../../schema/segment-meta.ts";
import type { SegmentScalars } from "./catalog-tables.ts";

/** Key statistics are at most some megabytes; more is not what was packed. */
const MAX_KEYS_BYTES = 256 * 1024 * 1024;
/** Parsed key statistics take about this much more memory than their JSON. */
const PARSED_FACTOR = 3;

export type DetailsSettings = {
  /** Trace-id filters in memory. */
  readonly filterBudgetBytes: number;
  /** Parsed key statistics in memory; beside them all are held compressed. */
  readonly parsedKeysBudgetBytes: number;
};

type Entry = {
  readonly keys: Uint8Array;
  traceFilter: Uint8Array | undefined;
  loading: boolean;
};

/**
 * The large parts of segments' descriptions. Key statistics are held compressed and parsed when
 * asked for. Trace filters are held up to a budget; one that is not here answers as an empty filter,
 * which excludes nothing, and is fetched for the next time.
 */
export class SegmentDetails {
  readonly #loadFilter: (id: string) => Promise<Uint8Array | undefined>;
  readonly #entries = new Map<string, Entry>();
  /** In the order of their last use, oldest first. */
  readonly #filters: BudgetedIds;
  readonly #parsedIds: BudgetedIds;
  readonly #parsed = new Map<string, readonly KeyStats[]>();

  constructor(
    loadFilter: (id: string) => Promise<Uint8Array | undefined>,
    settings: DetailsSettings,
  ) {
    this.#loadFilter = loadFilter;
    this.#filters = new BudgetedIds(settings.filterBudgetBytes, (id) => {
      const entry = this.#entries.get(id);
      if (entry !== undefined) entry.traceFilter = undefined;
    });
    this.#parsedIds = new BudgetedIds(settings.parsedKeysBudgetBytes, (id) => {
      this.#parsed.delete(id);
    });
  }

  /** Bytes of filters held, for tests and metrics. */
  get filterBytes(): number {
    return this.#filters.bytes;
  }

  set(id: string, keys: Uint8Array, traceFilter: Uint8Array | undefined): void {
    this.delete(id);
    this.#entries.set(id, { keys, traceFilter, loading: false });
    if (traceFilter !== undefined) this.#filters.use(id, traceFilter.length);
  }

  delete(id: string): void {
    this.#entries.delete(id);
    this.#filters.delete(id);
    this.#parsed.delete(id);
    this.#parsedIds.delete(id);
  }

  /** A plain object whose `keys` and `traceFilter` are looked up when they are read. */
  attach(scalars: SegmentScalars): SegmentMeta {
    const { id } = scalars;
    // Held here as well: a query's view outlives the segment's time in the catalog.
    const entry = this.#entries.get(id);
    return Object.defineProperties({ ...scalars } as SegmentMeta, {
      keys: { enumerable: true, get: () => this.#keys(id, entry) },
      traceFilter: { enumerable: true, get: () => this.#filter(id, entry) },
    });
  }

  #keys(id: string, entry: Entry | undefined): readonly KeyStats[] {
    const known = this.#parsed.get(id);
    if (known !== undefined) {
      this.#parsedIds.touch(id);
      return known;
    }
    if (entry === undefined) return [];
    const json = decompress("zstd", entry.keys, MAX_KEYS_BYTES);
    const keys = JSON.parse(new TextDecoder().decode(json)) as KeyStats[];
    if (this.#entries.get(id) === entry) {
      this.#parsed.set(id, keys);
      this.#parsedIds.use(id, json.length * PARSED_FACTOR);
    }
    return keys;
  }

  #filter(id: string, entry: Entry | undefined): Uint8Array {
    if (entry?.traceFilter !== undefined) {
      this.#filters.touch(id);
      return entry.traceFilter;
    }
    if (entry !== undefined && !entry.loading && this.#entries.get(id) === entry) {
      entry.loading = true;
      void this.#fetch(id, entry);
    }
    return NO_FILTER;
  }

  async #fetch(id: string, entry: Entry): Promise<void> {
    try {
      const filter = await this.#loadFilter(id);
      if (filter === undefined || this.#entries.get(id) !== entry) return;
      entry.traceFilter = filter;
      this.#filters.use(id, filter.length);
    } catch {
      // Without it a query reads a segment in vain; the next use tries again.
    } finally {
      entry.loading = false;
    }
  }
}

const NO_FILTER = new Uint8Array(0);

/** Ids with sizes, least recently used first; beyond the budget the first are dropped. */
class BudgetedIds {
  readonly #budgetBytes: number;
  readonly #onDrop: (id: string) => void;
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  constructor(budgetBytes: number, onDrop: (id: string) => void) {
    this.#budgetBytes = budgetBytes;
    this.#onDrop = onDrop;
  }

  get bytes(): number {
    return this.#bytes;
  }

  use(id: string, bytes: number): void {
    this.delete(id);
    this.#sizes.set(id, bytes);
    this.#bytes += bytes;
    for (const oldest of this.#sizes.keys()) {
      if (this.#bytes <= this.#budgetBytes || oldest === id) break;
      this.delete(oldest);
      this.#onDrop(oldest);
    }
  }

  touch(id: string): void {
    const bytes = this.#sizes.get(id);
    if (bytes === undefined) return;
    this.#sizes.delete(id);
    this.#sizes.set(id, bytes);
  }

  delete(id: string): void {
    this.#bytes -= this.#sizes.get(id) ?? 0;
    this.#sizes.delete(id);
  }
}
