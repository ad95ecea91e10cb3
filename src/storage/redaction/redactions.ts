import { PintailError } from "../../errors.ts";
import { reached } from "../../runtime/failpoints.ts";
import type { Lsn, SegmentSummary } from "../../schema/segment-meta.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { HiddenTraces } from "../catalog/hidden-traces.ts";
import { MAX_REDACTED_TRACES, type Redaction } from "../catalog/redaction.ts";
import type { HiddenCheck } from "../compaction/compactor.ts";

/** Nanoseconds since 1970, both ends inclusive. */
export type RedactionRange = { readonly startUnixNano: bigint; readonly endUnixNano: bigint };

export type RedactionRequest = {
  readonly tenant: string;
  /** TraceQL: the traces that it matches are redacted whole. */
  readonly query: string;
  /** `undefined`: of all time. */
  readonly range: RedactionRange | undefined;
};

export type RedactionParts = {
  readonly catalog: Pick<
    Catalog,
    "segments" | "loadFilters" | "redactions" | "commit" | "walPositions" | "deletable"
  >;
  /**
   * Keeps all redactions where they outlive the data folder: the bucket. Rejects with `unavailable`
   * while that is away. `undefined`: the catalog's own file is enough.
   */
  readonly keep?: ((all: readonly Redaction[]) => Promise<void>) | undefined;
  /** Puts everything acknowledged before the call into committed segments; rejects when it cannot. */
  readonly cutHead: (signal: AbortSignal) => Promise<void>;
  /**
   * The traces that match, those of running redactions left out. Rejects as a query does, with
   * `invalid` for a query that is wrong.
   */
  readonly findTraces: (
    request: RedactionRequest & { readonly maxTraces: number },
    signal: AbortSignal,
  ) => Promise<FoundTraces>;
  /** Whether the segment may still hold spans of its `hiddenTraces`. */
  readonly mayHold: (segment: SegmentSummary) => boolean;
  readonly wal: {
    /** Records before this are not on the disk any more. */
    readonly oldestLsn: Lsn;
    /** Begins a new file soon, so that the files before can be released. */
    roll(): void;
    release(before: Lsn): Promise<void>;
    counts(): { readonly quarantined: { readonly kept: number } };
  };
  readonly newId: () => string;
  readonly nowMs: () => number;
  readonly log: Logger;
};

export type FoundTraces = {
  readonly traceIds: ReadonlySet<string>;
  /** All spans of these traces. */
  readonly spanCount: number;
  readonly more: boolean;
};

export type RedactionSettings = {
  /** Replaced files are deleted this long after, and at the next round of retention. */
  readonly deleteGraceMs: number;
  readonly deleteIntervalMs: number;
};

/** What a redaction would do, or did. */
export type RedactionPreview = {
  readonly traceCount: number;
  readonly spanCount: number;
  /** Segments that may hold the traces, and their bytes. */
  readonly segmentCount: number;
  readonly segmentBytes: number;
  /** The newest ids. */
  readonly examples: readonly string[];
};

export type RedactionStatus = Omit<Redaction, "traceIds"> & {
  /** Segments that may still hold the traces. */
  readonly segmentsLeft: number;
  /** Files (with a bucket, objects) of segments that were replaced and wait for their deletion. */
  readonly filesLeft: number;
  /** When these are deleted at the latest; known from when no segment and no log has the traces till done. */
  readonly filesDeletedByUnixMs: number | undefined;
  /**
   * Pieces of the log that could not be read and were put aside, of all tenants. No query reads them
   * and no redaction searches them: whoever must be sure has to delete them.
   */
  readonly quarantinedPieces: number;
};

const EXAMPLES = 10;
/** Of all redactions under way: each commit looks for them in the segments that it adds. */
export const MAX_HIDDEN_TRACES = 100_000;
/** How often what rewriting removed is written down while a redaction is under way. */
const SAVE_MS = 60_000;

/**
 * Removes traces: hides them at once, and follows their spans out of the segments, the write-ahead
 * log and the replaced files, from which a catalog that is rebuilt would take them again. What it
 * knows between two starts is in the catalog. Spans of a redacted trace that arrive while it is hiding
 * are removed with the others; a redaction that is done knows its traces no more.
 */
export class Redactions {
  readonly #parts: RedactionParts;
  readonly #settings: RedactionSettings;
  readonly #abort = new AbortController();
  /** Of redactions whose traces no segment holds: the log may have them before this. */
  readonly #walTargets = new Map<string, Lsn>();
  /** Of redactions whose traces neither segments nor the log have: what else may have them. */
  readonly #replaced = new Map<string, Replaced>();
  /** By redaction; not in the catalog yet. */
  readonly #removedSpans = new Map<string, number>();
  #savedMs: number;
  /** Settles when the last change is committed; never rejects. */
  #lastCommit: Promise<void> = Promise.resolve();
  /** What the catalog knew at the start is kept as well: the bucket may be new. */
  #isKept = false;
  #applying = false;
  #checking: Promise<void> | undefined;
  /** Told once, not with every try. */
  #isFailing = false;

  constructor(parts: RedactionParts, settings: RedactionSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#savedMs = parts.nowMs();
  }

  /** Of the tenant, newest first. */
  list(tenant: string): readonly RedactionStatus[] {
    return this.#parts.catalog
      .redactions()
      .filter((one) => one.tenant === tenant)
      .reverse()
      .map((one) => this.#statusOf(one));
  }

  /** `undefined`: there is none of this id and tenant. */
  get(tenant: string, id: string): RedactionStatus | undefined {
    const found = this.#parts.catalog.redactions().find((one) => one.id === id);
    return found?.tenant === tenant ? this.#statusOf(found) : undefined;
  }

  /**
   * What `apply` would remove. Throws `invalid` when more traces match than one redaction takes, and
   * what a query throws.
   */
  async preview(request: RedactionRequest, signal: AbortSignal): Promise<RedactionPreview> {
    const found = await this.#find(request, signal);
    return await this.#previewOf(request.tenant, found);
  }

  /**
   * Hides the traces that match: no read that begins after it resolves finds them. `redaction` is
   * `undefined` when nothing matches. Throws as `preview` does; `limited` while another one is applied
   * and when too many traces are hidden already; then nothing is hidden.
   */
  async apply(
    request: RedactionRequest & Pick<Redaction, "requestedBy" | "reason">,
    signal: AbortSignal,
  ): Promise<{
    readonly preview: RedactionPreview;
    readonly redaction: RedactionStatus | undefined;
  }> {
    if (this.#applying) {
      throw new PintailError("limited", "another redaction is being applied", {
        retryAfterMs: 10_000,
      });
    }
    this.#applying = true;
    try {
      return await this.#apply(request, signal);
    } finally {
      this.#applying = false;
    }
  }

  async #apply(
    request: RedactionRequest & Pick<Redaction, "requestedBy" | "reason">,
    signal: AbortSignal,
  ): Promise<{ preview: RedactionPreview; redaction: RedactionStatus | undefined }> {
    const { catalog, newId, nowMs, log } = this.#parts;
    const { tenant, query, requestedBy, reason } = request;
    const found = await this.#find(request, signal);
    const preview = await this.#previewOf(tenant, found);
    if (found.traceIds.size === 0) return { preview, redaction: undefined };
    const hidden = catalog.redactions().reduce((sum, one) => sum + one.traceIds.length, 0);
    if (hidden + found.traceIds.size > MAX_HIDDEN_TRACES) {
      throw new PintailError(
        "limited",
        `${hidden} traces of ${MAX_HIDDEN_TRACES} are being removed already, wait until that is done`,
        { retryAfterMs: SAVE_MS },
      );
    }
    const redaction: Redaction = {
      ...{ id: newId(), tenant, query, requestedBy, reason },
      createdUnixMs: nowMs(),
      traceCount: found.traceIds.size,
      spanCount: found.spanCount,
      traceIds: [...found.traceIds].sort(),
      state: "hiding",
      doneUnixMs: undefined,
      removedSpans: 0,
    };
    if (signal.aborted) throw new PintailError("canceled", "redaction canceled");
    await this.#commit([redaction]);
    reached("redaction:hiding");
    // Not the query, which may name what must not be known.
    const { id, traceCount, spanCount } = redaction;
    log.info("traces redacted", { tenant, redaction: id, traceCount, spanCount });
    return { preview, redaction: this.#statusOf(redaction) };
  }

  async #find(request: RedactionRequest, signal: AbortSignal): Promise<FoundTraces> {
    const { cutHead, findTraces } = this.#parts;
    await cutHead(signal);
    const found = await findTraces({ ...request, maxTraces: MAX_REDACTED_TRACES }, signal);
    if (!found.more) return found;
    throw new PintailError(
      "invalid",
      `more than ${MAX_REDACTED_TRACES} traces match; narrow the query or the range of time, and redact in several steps`,
    );
  }

  async #previewOf(tenant: string, found: FoundTraces): Promise<RedactionPreview> {
    const { catalog } = this.#parts;
    const traceIds = [...found.traceIds];
    const hidden = new HiddenTraces([{ tenant, state: "hiding", traceIds }]);
    const segments = catalog.segments(tenant);
    const holding = await hidden.ofAll(segments, (some) => catalog.loadFilters(some));
    return {
      traceCount: traceIds.length,
      spanCount: found.spanCount,
      segmentCount: holding.size,
      segmentBytes: segments.reduce(
        (sum, { id, byteSize }) => sum + (holding.has(id) ? byteSize : 0),
        0,
      ),
      examples: traceIds.slice(0, EXAMPLES),
    };
  }

  /** Compaction found out about segments; spans count for the oldest redaction of one of the traces. */
  onChecked({ tenant, traceIds, removedSpans }: HiddenCheck): void {
    if (removedSpans === 0) return;
    const redaction = this.#hiding().find(
      (one) => one.tenant === tenant && one.traceIds.some((id) => traceIds.has(id)),
    );
    if (redaction === undefined) return;
    const before = this.#removedSpans.get(redaction.id) ?? 0;
    this.#removedSpans.set(redaction.id, before + removedSpans);
  }

  /** Looks which redactions are done. Call it now and then; never rejects. */
  tick(): Promise<void> {
    if (this.#abort.signal.aborted) return Promise.resolve();
    this.#checking ??= this.#check()
      .then(() => {
        this.#isFailing = false;
      })
      .catch((error) => {
        if (this.#abort.signal.aborted || this.#isFailing) return;
        this.#isFailing = true;
        this.#parts.log.warn("redactions not followed, will try again", { error });
      })
      .finally(() => {
        this.#checking = undefined;
      });
    return this.#checking;
  }

  /** Writes down what rewriting removed so far. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#checking;
    await this.#save().catch((error) => {
      this.#parts.log.warn("counts of redacted spans not saved", { error });
    });
  }

  async #check(): Promise<void> {
    if (!this.#isKept) await this.#commit([]);
    const hiding = this.#hiding();
    for (const redaction of hiding) {
      if (await this.#isGone(redaction)) await this.#finish(redaction);
    }
    if (this.#removedSpans.size === 0 || this.#parts.nowMs() - this.#savedMs < SAVE_MS) return;
    await this.#save();
  }

  /** Whether no segment, log or replaced file holds spans of it that came before now. */
  async #isGone(redaction: Redaction): Promise<boolean> {
    const { id, tenant } = redaction;
    if (!(await this.#hasLeft(redaction))) {
      this.#replaced.delete(id);
      return false;
    }
    const replaced = this.#replaced.get(id) ?? {
      sinceUnixMs: this.#parts.nowMs(),
      segmentIds: this.#waitingFiles(tenant),
    };
    this.#replaced.set(id, replaced);
    return this.#filesLeft(tenant, replaced) === 0;
  }

  /** Whether neither segments nor the write-ahead log hold spans of it that came before now. */
  async #hasLeft(redaction: Redaction): Promise<boolean> {
    const { catalog, cutHead, wal } = this.#parts;
    const { id } = redaction;
    if (!this.#isInSegments(redaction)) {
      // What came meanwhile must not be seen when it is done.
      await cutHead(this.#abort.signal);
    }
    if (this.#isInSegments(redaction)) {
      this.#walTargets.delete(id);
      return false;
    }
    const { cutTo, releasedTo } = catalog.walPositions();
    let target = this.#walTargets.get(id);
    if (target === undefined) {
      // The log has what the segments had; what comes from now on is none of it.
      target = cutTo;
      this.#walTargets.set(id, target);
      if (wal.oldestLsn < target) wal.roll();
    }
    if (wal.oldestLsn < target) await wal.release(releasedTo);
    return wal.oldestLsn >= target && !this.#isInSegments(redaction);
  }

  async #finish(redaction: Redaction): Promise<void> {
    const { nowMs, log } = this.#parts;
    const { id, tenant, traceCount } = redaction;
    const removedSpans = redaction.removedSpans + (this.#removedSpans.get(id) ?? 0);
    const done = { state: "done", doneUnixMs: nowMs(), traceIds: [], removedSpans } as const;
    await this.#commit([{ ...redaction, ...done }]);
    reached("redaction:done");
    this.#removedSpans.delete(id);
    this.#walTargets.delete(id);
    this.#replaced.delete(id);
    log.info("redacted traces removed", { tenant, redaction: id, traceCount, removedSpans });
  }

  async #save(): Promise<void> {
    const changed = this.#hiding().flatMap((one) => {
      const removed = this.#removedSpans.get(one.id);
      return removed === undefined
        ? []
        : [{ ...one, removedSpans: one.removedSpans + removed, counted: removed }];
    });
    this.#savedMs = this.#parts.nowMs();
    if (changed.length === 0) return;
    await this.#commit(changed.map(({ counted: _, ...one }) => one));
    for (const { id, counted } of changed) {
      const left = (this.#removedSpans.get(id) ?? 0) - counted;
      if (left > 0) this.#removedSpans.set(id, left);
      else this.#removedSpans.delete(id);
    }
  }

  /** Kept first: what is committed must be hidden also by whoever builds the catalog again. */
  #commit(changed: readonly Redaction[]): Promise<void> {
    const { catalog, keep } = this.#parts;
    const done = this.#lastCommit.then(async () => {
      const all = new Map([...catalog.redactions(), ...changed].map((one) => [one.id, one]));
      if (all.size > 0) await keep?.([...all.values()]);
      if (changed.length > 0) {
        reached("redaction:kept");
        await catalog.commit({ redactions: changed });
      }
      this.#isKept = true;
    });
    this.#lastCommit = done.catch(() => {});
    return done;
  }

  #hiding(): readonly Redaction[] {
    return this.#parts.catalog.redactions().filter(({ state }) => state === "hiding");
  }

  #isInSegments(redaction: Redaction): boolean {
    return this.#segmentsOf(redaction).length > 0;
  }

  #segmentsOf({ tenant, traceIds }: Redaction): SegmentSummary[] {
    const { catalog, mayHold } = this.#parts;
    const ids = new Set(traceIds);
    return catalog
      .segments(tenant)
      .filter(
        (segment) => segment.hiddenTraces?.some((trace) => ids.has(trace)) && mayHold(segment),
      );
  }

  #statusOf(redaction: Redaction): RedactionStatus {
    const { traceIds: _, ...shown } = redaction;
    const { deleteGraceMs, deleteIntervalMs } = this.#settings;
    const { id, tenant, doneUnixMs } = redaction;
    const replaced = this.#replaced.get(id);
    return {
      ...shown,
      removedSpans: redaction.removedSpans + (this.#removedSpans.get(id) ?? 0),
      segmentsLeft: this.#segmentsOf(redaction).length,
      quarantinedPieces: this.#parts.wal.counts().quarantined.kept,
      filesLeft: doneUnixMs === undefined ? this.#filesLeft(tenant, replaced) : 0,
      filesDeletedByUnixMs: replaced && replaced.sinceUnixMs + deleteGraceMs + deleteIntervalMs,
    };
  }

  /** Of segments that left the catalog and whose files are not deleted yet, whatever the clock says. */
  #waitingFiles(tenant: string): ReadonlySet<string> {
    const waiting = this.#parts.catalog.deletable(Number.NEGATIVE_INFINITY);
    return new Set(waiting.filter((one) => one.tenant === tenant).map(({ id }) => id));
  }

  /** Without `replaced` any of those that wait may have the traces. */
  #filesLeft(tenant: string, replaced: Replaced | undefined): number {
    const waiting = this.#waitingFiles(tenant);
    if (replaced === undefined) return waiting.size;
    return [...replaced.segmentIds].filter((id) => waiting.has(id)).length;
  }
}

/** What had left the catalog when the traces had left segments and log, and when that was. */
type Replaced = { readonly sinceUnixMs: number; readonly segmentIds: ReadonlySet<string> };
