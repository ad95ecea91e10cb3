import { decompress } from "../../runtime/compression.ts";
import type { KeyStats } from "../../schema/segment-meta.ts";
import { type InUseOrder, UseOrder } from "../../util/use-order.ts";
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

/** One of a segment's large parts, and its place among those that may be dropped. */
class Part<V> implements InUseOrder<Part<unknown>> {
  readonly owner: SegmentDetails;
  readonly value: V;
  readonly bytes: number;
  /** Whether it has a place there. */
  isKept = false;
  /** Since it came to its place. */
  isUsed = false;
  earlier: Part<unknown> | undefined;
  later: Part<unknown> | undefined;

  constructor(owner: SegmentDetails, value: V, bytes: number) {
    this.owner = owner;
    this.value = value;
    this.bytes = bytes;
  }
}

/** The large parts of one segment's description, as far as they are in memory. */
export class SegmentDetails {
  readonly #cache: DetailsCache;
  #keys: Part<Uint8Array> | undefined;
  #traceFilter: Part<Uint8Array> | undefined;
  #parsed: Part<readonly KeyStats[]> | undefined;
  /** Stays when the key statistics go. */
  #sameKeys: object | undefined;
  #sameKeyServices: object | undefined;
  /** How many hold the key statistics, and how many the filter. */
  #keysPins = 0;
  #filterPins = 0;

  constructor(cache: DetailsCache) {
    this.#cache = cache;
  }

  has(kind: DetailKind): boolean {
    return this.#partOf(kind) !== undefined;
  }

  /** Compressed key statistics, or the filter. */
  set(kind: DetailKind, bytes: Uint8Array): void {
    const before = this.#partOf(kind);
    if (before !== undefined) this.#cache.release(kind, before);
    const part = new Part(this, bytes, bytes.length);
    if (kind === "keys") this.#keys = part;
    else this.#traceFilter = part;
    if (this.#addPins(kind, 0) === 0) this.#cache.keep(kind, part);
  }

  /** From here on it stays once it is there, until as many `unpin` have come. */
  pin(kind: DetailKind): void {
    const part = this.#partOf(kind);
    if (this.#addPins(kind, 1) === 1 && part !== undefined) this.#cache.release(kind, part);
  }

  unpin(kind: DetailKind): void {
    const part = this.#partOf(kind);
    if (this.#addPins(kind, -1) === 0 && part !== undefined) this.#cache.keep(kind, part);
  }

  #partOf(kind: DetailKind): Part<Uint8Array> | undefined {
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

  /** In the order of their keys, scopes and types. */
  get keys(): readonly KeyStats[] {
    if (this.#parsed !== undefined) {
      this.#cache.touch("parsed", this.#parsed);
      return this.#parsed.value;
    }
    const json = decompress("zstd", this.#held("keys"), MAX_KEYS_BYTES);
    const shared = this.#cache.sharer.share(JSON.parse(utf8.decode(json)));
    const { keys, ownBytes } = shared;
    this.#sameKeys ??= shared.same;
    this.#sameKeyServices ??= shared.sameServices;
    this.#parsed = new Part(this, keys, ownBytes);
    this.#cache.keep("parsed", this.#parsed);
    return keys;
  }

  get sameKeys(): object | undefined {
    return this.#sameKeys;
  }

  get sameKeyServices(): object | undefined {
    return this.#sameKeyServices;
  }

  get traceFilter(): Uint8Array {
    return this.#held("traceFilter");
  }

  #held(kind: DetailKind): Uint8Array {
    const part = this.#partOf(kind);
    if (part === undefined) throw new Error(`a segment's ${kind} were read without being loaded`);
    return part.value;
  }
}

/** Which details that nobody needs stay in memory: those used last, within budgets. */
export class DetailsCache {
  readonly sharer = new KeySharer();
  readonly #lists: Record<DetailKind | "parsed", LastUsed>;

  constructor(settings: DetailsSettings) {
    this.#lists = {
      keys: new LastUsed(settings.keysBudgetBytes, ({ owner }) => owner.drop("keys")),
      traceFilter: new LastUsed(settings.filterBudgetBytes, ({ owner }) =>
        owner.drop("traceFilter"),
      ),
      parsed: new LastUsed(settings.parsedKeysBudgetBytes, ({ owner }) => owner.drop("parsed")),
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

  keep(kind: DetailKind | "parsed", part: Part<unknown>): void {
    this.#lists[kind].keep(part);
  }

  touch(kind: DetailKind | "parsed", part: Part<unknown>): void {
    this.#lists[kind].touch(part);
  }

  release(kind: DetailKind, part: Part<unknown>): void {
    this.#lists[kind].release(part);
  }
}

/**
 * Those that were not used for long come first; beyond the budget the first are dropped, also a single
 * one too large. A use is noted and no more: the part gets its new place when it would be dropped, so
 * that a query over thousands of segments moves nothing.
 */
class LastUsed {
  readonly #budgetBytes: number;
  readonly #onDrop: (part: Part<unknown>) => void;
  readonly #order = new UseOrder<Part<unknown>>();
  #bytes = 0;

  constructor(budgetBytes: number, onDrop: (part: Part<unknown>) => void) {
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
    const parts: Part<unknown>[] = [];
    for (let part = this.#order.first; part !== undefined; part = part.later) parts.push(part);
    for (const part of parts.reverse()) this.#order.use(part);
  }

  keep(part: Part<unknown>): void {
    part.isKept = true;
    part.isUsed = false;
    this.#order.add(part);
    this.#bytes += part.bytes + OVERHEAD_BYTES;
    while (this.#bytes > this.#budgetBytes) {
      const oldest = this.#order.first;
      if (oldest === undefined) return;
      // Where all others were used, the new one would be the first to go.
      if (oldest.isUsed || (oldest === part && oldest.later !== undefined)) {
        oldest.isUsed = false;
        this.#order.use(oldest);
        continue;
      }
      this.release(oldest);
      this.#onDrop(oldest);
    }
  }

  touch(part: Part<unknown>): void {
    part.isUsed = true;
  }

  release(part: Part<unknown>): void {
    if (!part.isKept) return;
    part.isKept = false;
    this.#order.delete(part);
    this.#bytes -= part.bytes + OVERHEAD_BYTES;
  }
}
