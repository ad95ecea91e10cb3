import type { Lsn, SegmentMeta, StoredObject } from "../../schema/segment-meta.ts";
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
  segments(tenant: string): readonly SegmentMeta[];
  segment(id: string): SegmentMeta | undefined;
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
