import type {
  Lsn,
  SegmentMeta,
  SegmentSummary,
  SegmentWithFilter,
  SegmentWithKeys,
  StoredObject,
} from "../../schema/segment-meta.ts";
import type { Redaction } from "./redaction.ts";

/** One atomic change of what exists. */
export type CatalogChange = {
  readonly add?: readonly SegmentMeta[];
  /** Ids leaving the catalog; their files stay for the grace period, then are deleted. */
  readonly remove?: readonly string[];
  /** WAL records before this are in L0 (or better) segments: replay starts here. */
  readonly cutTo?: Lsn;
  /** WAL records before this are in L1 segments: the WAL may drop them. */
  readonly releasedTo?: Lsn;
  /** Segments that the bucket has from now on; those that left the catalog meanwhile are passed over. */
  readonly stored?: readonly { readonly id: string; readonly object: StoredObject }[];
  /**
   * Redactions that are new or changed. While one is `hiding`, its traces are in `hiddenTraces` of
   * every segment that may hold them, also of those added later.
   */
  readonly redactions?: readonly Redaction[];
};

export type WalPositions = { readonly cutTo: Lsn; readonly releasedTo: Lsn };

/**
 * Which segments exist. Reads come from an immutable in-memory snapshot and never wait; a commit is
 * one transaction and is durable when its promise resolves. Commits are serialised.
 */
export interface Catalog extends AsyncDisposable {
  /** The tenant's segments, newest `maxTraceStart` first, ties by id descending. */
  segments(tenant: string): readonly SegmentSummary[];
  segment(id: string): SegmentSummary | undefined;
  /**
   * The same segments (the same objects) with their key statistics, which can be read until what is
   * returned is disposed of: it is for portions of `DETAILS_PORTION` or so. Those that are not in
   * memory are read from the disk, together. Throws `not_found` for one that left the catalog and
   * whose statistics are gone, `canceled`, and `unavailable` when the disk refuses.
   */
  loadKeys(
    segments: readonly SegmentSummary[],
    signal?: AbortSignal,
  ): Promise<Loaded<SegmentWithKeys>>;
  /** The same for trace filters. */
  loadFilters(
    segments: readonly SegmentSummary[],
    signal?: AbortSignal,
  ): Promise<Loaded<SegmentWithFilter>>;
  tenants(): readonly string[];
  walPositions(): WalPositions;
  /** All that were ever made, oldest first: the audit record. */
  redactions(): readonly Redaction[];
  /** Throws `unavailable` when the disk refuses; the snapshot is then unchanged. */
  commit(change: CatalogChange): Promise<void>;
  /** Ids removed by commits at least `graceMs` ago whose files still have to be deleted. */
  deletable(graceMs: number): readonly { id: string; tenant: string }[];
  /** Forgets ids whose files are gone. */
  forget(ids: readonly string[]): Promise<void>;
}

export type Loaded<T> = Disposable & { readonly segments: readonly T[] };

/** Segments whose large parts are held at once: some megabytes. */
export const DETAILS_PORTION = 500;
