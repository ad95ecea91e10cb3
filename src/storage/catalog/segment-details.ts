import { decompress } from "../../runtime/compression.ts";
import type { KeyStats } from "../../schema/segment-meta.ts";
import { KeySharer } from "./shared-keys.ts";

/** Key statistics are at most some megabytes; more is not what was packed. */
const MAX_KEYS_BYTES = 256 * 1024 * 1024;
const utf8 = new TextDecoder();
/** What an entry takes beside its bytes. */
const OVERHEAD_BYTES = 200;

export type DetailsSettings = {
  /** Trace filters in memory that no query holds. */
  readonly filterBudgetBytes: number;
  /** The same for key statistics, compressed. */
  readonly keysBudgetBytes: number;
  /** Key statistics as objects, beside the compressed ones. */
  readonly parsedKeysBudgetBytes: number;
};

export type DetailKind = "keys" | "traceFilter";

/** The large parts of one segment's description, as far as they are in memory. */
export class SegmentDetails {
  readonly #cache: DetailsCache;
  #keys: Uint8Array | undefined;
  #traceFilter: Uint8Array | undefined;
  #parsed: readonly KeyStats[] | undefined;
  /** How many hold the key statistics, and how many the filter. */
  #keysPins = 0;
  #filterPins = 0;

  constructor(cache: DetailsCache) {
    this.#cache = cache;
  }

  has(kind: DetailKind): boolean {
    return this.#bytesOf(kind) !== undefined;
  }

  /** Compressed key statistics, or the filter. */
  set(kind: DetailKind, bytes: Uint8Array): void {
    if (kind === "keys") this.#keys = bytes;
    else this.#traceFilter = bytes;
    if (this.#addPins(kind, 0) === 0) this.#cache.keep(kind, this, bytes.length);
  }

  /** From here on it stays once it is there, until as many `unpin` have come. */
  pin(kind: DetailKind): void {
    if (this.#addPins(kind, 1) === 1) this.#cache.release(kind, this);
  }

  unpin(kind: DetailKind): void {
    const bytes = this.#bytesOf(kind);
    if (this.#addPins(kind, -1) === 0 && bytes !== undefined) {
      this.#cache.keep(kind, this, bytes.length);
    }
  }

  #bytesOf(kind: DetailKind): Uint8Array | undefined {
    return kind === "keys" ? this.#keys : this.#traceFilter;
  }

  #addPins(kind: DetailKind, count: number): number {
    if (kind === "keys") this.#keysPins += count;
    else this.#filterPins += count;
    return kind === "keys" ? this.#keysPins : this.#filterPins;
  }

  drop(kind: DetailKind | "parsed"): void {
    if (kind === "parsed") this.#parsed = undefined;
    else if (kind === "keys") this.#keys = undefined;
    else this.#traceFilter = undefined;
  }

  get keys(): readonly KeyStats[] {
    if (this.#parsed !== undefined) {
      this.#cache.touch("parsed", this);
      return this.#parsed;
    }
    const json = decompress("zstd", this.#held("keys"), MAX_KEYS_BYTES);
    const { keys, ownBytes } = this.#cache.sharer.share(JSON.parse(utf8.decode(json)));
    this.#parsed = keys;
    this.#cache.keep("parsed", this, ownBytes);
    return keys;
  }

  get traceFilter(): Uint8Array {
    return this.#held("traceFilter");
  }

  #held(kind: DetailKind): Uint8Array {
    const bytes = this.#bytesOf(kind);
    if (bytes === undefined) throw new Error(`a segment's ${kind} were read without being loaded`);
    return bytes;
  }
}

/** Which details that nobody needs stay in memory: those used last, within budgets. */
export class DetailsCache {
  readonly sharer = new KeySharer();
  readonly #lists: Record<DetailKind | "parsed", LastUsed>;

  constructor(settings: DetailsSettings) {
    this.#lists = {
      keys: new LastUsed(settings.keysBudgetBytes, (one) => one.drop("keys")),
      traceFilter: new LastUsed(settings.filterBudgetBytes, (one) => one.drop("traceFilter")),
      parsed: new LastUsed(settings.parsedKeysBudgetBytes, (one) => one.drop("parsed")),
    };
  }

  /** Of those that no query holds, for tests and metrics. */
  bytes(kind: DetailKind | "parsed"): number {
    return this.#lists[kind].bytes;
  }

  /** Whether so many bytes fit without dropping others. */
  fits(kind: DetailKind, bytes: number): boolean {
    return this.#lists[kind].fits(bytes + OVERHEAD_BYTES);
  }

  /** What was kept first is dropped last from now on. */
  reverse(): void {
    for (const list of Object.values(this.#lists)) list.reverse();
  }

  keep(kind: DetailKind | "parsed", details: SegmentDetails, bytes: number): void {
    this.#lists[kind].use(details, bytes + OVERHEAD_BYTES);
  }

  touch(kind: DetailKind | "parsed", details: SegmentDetails): void {
    this.#lists[kind].touch(details);
  }

  release(kind: DetailKind, details: SegmentDetails): void {
    this.#lists[kind].delete(details);
  }
}

/** Least recently used first; beyond the budget the first are dropped, also a single one too large. */
class LastUsed {
  readonly #budgetBytes: number;
  readonly #onDrop: (details: SegmentDetails) => void;
  readonly #sizes = new Map<SegmentDetails, number>();
  #bytes = 0;

  constructor(budgetBytes: number, onDrop: (details: SegmentDetails) => void) {
    this.#budgetBytes = budgetBytes;
    this.#onDrop = onDrop;
  }

  get bytes(): number {
    return this.#bytes;
  }

  fits(bytes: number): boolean {
    return this.#bytes + bytes <= this.#budgetBytes;
  }

  reverse(): void {
    for (const details of [...this.#sizes.keys()].reverse()) this.touch(details);
  }

  use(details: SegmentDetails, bytes: number): void {
    this.delete(details);
    this.#sizes.set(details, bytes);
    this.#bytes += bytes;
    for (const oldest of this.#sizes.keys()) {
      if (this.#bytes <= this.#budgetBytes) break;
      this.delete(oldest);
      this.#onDrop(oldest);
    }
  }

  touch(details: SegmentDetails): void {
    const bytes = this.#sizes.get(details);
    if (bytes === undefined) return;
    this.#sizes.delete(details);
    this.#sizes.set(details, bytes);
  }

  delete(details: SegmentDetails): void {
    this.#bytes -= this.#sizes.get(details) ?? 0;
    this.#sizes.delete(details);
  }
}
