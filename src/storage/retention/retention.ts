import { reached } from "../../runtime/failpoints.ts";
import type { SegmentMeta, SegmentSummary } from "../../schema/segment-meta.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Catalog } from "../catalog/catalog.ts";
import { type Compactor, MAX_KEPT_TRACES } from "../compaction/compactor.ts";
import type { SegmentWriter } from "../segments/segment-writer.ts";
import type { RetentionSettings } from "../settings.ts";
import { type MatchTraces, tracesOfClasses } from "./class-traces.ts";
import { type Drop, planDrops } from "./plan.ts";
import { classesFor, isExpired, type TenantPolicy } from "./policy.ts";
import { type RetentionReport, retentionReport } from "./report.ts";

export type RetentionParts = {
  readonly catalog: Catalog;
  readonly segments: Pick<SegmentWriter, "remove"> & {
    /** Whether it has to wait although its time has come: only the bucket has what it holds. */
    readonly isHeld?: (segment: { readonly tenant: string; readonly id: string }) => boolean;
    /** Keeps in mind what was removed; before the catalog forgets it. */
    readonly keepRemoved?: () => Promise<void>;
  };
  readonly changes: Pick<Compactor, "exclusive" | "extract" | "retire" | "discard">;
  readonly policyOf: (tenant: string) => TenantPolicy;
  readonly matchTraces: MatchTraces;
  /** What the local disk holds beyond its bound, without files about to be deleted; ≤ 0 for none. */
  readonly excessDiskBytes: () => Promise<number>;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly metrics: RetentionMetrics;
};

export interface RetentionMetrics {
  dropped(segments: number): void;
  deleted(files: number): void;
  failed(): void;
}

type Settings = Pick<RetentionSettings, "deleteGraceMs" | "disabled" | "maxBytesPerTenant">;

/** One run reads no more segments than this for traces of retention classes; the next goes on. */
const MAX_EXTRACTIONS = 500;
/** A query that finds the traces of a class in a segment's time. */
const MATCH_TIMEOUT_MS = 120_000;

/**
 * Drops segments that are older than their tenant's or class's retention, or that are beyond a bound
 * of bytes, and deletes files that left the catalog at least `deleteGraceMs` ago (a running query may
 * still read them). Before a segment goes, its traces that match a retention class are copied into a
 * segment of that class, and both happens in one commit; when that fails the segment stays.
 */
export class Retention {
  readonly #parts: RetentionParts;
  readonly #settings: Settings;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(parts: RetentionParts, settings: Settings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  /** Never rejects; calls that overlap share one run. */
  run(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#running ??= this.#run()
      .catch((e) => {
        this.#parts.metrics.failed();
        this.#parts.log.error("retention failed", { error: e });
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** Waits for the run under way; later ones do nothing. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#abort.abort();
    await this.#running;
  }

  /**
   * While retention is disabled the files of what L1 replaced are still deleted; so are they when a
   * segment cannot be dropped: the disk may be about to fill up.
   */
  async #run(): Promise<void> {
    const failures: unknown[] = [];
    if (!this.#settings.disabled) {
      await this.#drop().catch((e) => failures.push(e));
    }
    await this.#deleteFiles();
    if (failures.length > 0) throw failures[0];
  }

  async #drop(): Promise<void> {
    const { policyOf } = this.#parts;
    const failures: unknown[] = [];
    const byTenant = Map.groupBy(await this.due(), ({ segment }) => segment.tenant);
    let budget = MAX_EXTRACTIONS;
    for (const [tenant, drops] of byTenant) {
      const policy = policyOf(tenant);
      const classesOf = ({ segment }: Drop) =>
        classesFor(policy, segment, this.#parts.nowMs()).length > 0;
      const plain = drops.filter((drop) => !classesOf(drop));
      try {
        await this.#retire(plain);
      } catch (e) {
        failures.push(e);
      }
      for (const drop of drops.filter(classesOf)) {
        if (budget-- <= 0 || this.#closed) break;
        try {
          await this.#keepClasses(drop, policy);
        } catch (e) {
          failures.push(e);
        }
      }
    }
    if (failures.length === 0) return;
    throw new Error(`${failures.length} segments or groups of them not dropped`, {
      cause: failures[0],
    });
  }

  /** What would go now and when more does, of these tenants. */
  async report(tenants: readonly string[]): Promise<readonly RetentionReport[]> {
    const { catalog, policyOf, nowMs } = this.#parts;
    const due = this.#settings.disabled ? [] : await this.due();
    return tenants.flatMap((tenant) => {
      const segments = catalog.segments(tenant);
      if (segments.length === 0) return [];
      const policy = policyOf(tenant);
      // Switched off, it is as if every tenant were frozen.
      const frozen = policy.frozen || this.#settings.disabled;
      return [retentionReport(tenant, { ...policy, frozen }, segments, due, nowMs())];
    });
  }

  /** What would go now. */
  async due(): Promise<readonly Drop[]> {
    const { catalog, policyOf, nowMs, excessDiskBytes } = this.#parts;
    return planDrops({
      tenants: catalog.tenants().map((tenant) => ({
        policy: policyOf(tenant),
        segments: catalog.segments(tenant),
      })),
      nowMs: nowMs(),
      maxBytesPerTenant: this.#settings.maxBytesPerTenant,
      excessDiskBytes: await excessDiskBytes(),
    });
  }

  /** Segments without traces of classes, all at once. */
  async #retire(drops: readonly Drop[]): Promise<void> {
    const { catalog, changes } = this.#parts;
    await changes.exclusive(async () => {
      const live = drops.filter(({ segment }) => catalog.segment(segment.id) !== undefined);
      if (live.length === 0) return;
      await changes.retire(
        live.map(({ segment }) => segment),
        [],
      );
      reached("retention:dropped");
      this.#report(live, []);
    });
  }

  /** A segment some of whose traces may be kept longer. */
  async #keepClasses(drop: Drop, policy: TenantPolicy): Promise<void> {
    const { catalog, changes, matchTraces, nowMs } = this.#parts;
    const { segment } = drop;
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(MATCH_TIMEOUT_MS)]);
    const classes = classesFor(policy, segment, nowMs());
    using loaded = await catalog.loadFilters([segment], signal);
    const [filtered] = loaded.segments;
    if (filtered === undefined) return;
    const byClass = await tracesOfClasses(matchTraces, filtered, classes, signal);
    await changes.exclusive(async () => {
      // Merged, or dropped, while the query ran: its time comes again.
      const live = catalog.segment(segment.id);
      if (live === undefined) return;
      const kept: SegmentMeta[] = [];
      try {
        for (const [retentionClass, traceIds] of byClass) {
          if (isExpired(policy, { maxEnd: live.maxEnd, retentionClass }, nowMs())) continue;
          for (const some of inParts(traceIds)) {
            kept.push(...(await changes.extract(live, { retentionClass, traceIds: some })));
          }
        }
      } catch (e) {
        await changes.discard(kept);
        throw e;
      }
      reached("extraction:written");
      await changes.retire([live], kept);
      reached("extraction:committed");
      this.#report([drop], kept);
    });
  }

  #report(drops: readonly Drop[], kept: readonly SegmentSummary[]): void {
    this.#parts.metrics.dropped(drops.length);
    this.#parts.log.info("segments expired", {
      tenant: drops[0]?.segment.tenant,
      reason: drops[0]?.reason,
      segments: drops.length,
      spanCount: drops.reduce((total, { segment }) => total + segment.rowCount, 0),
      keptSpanCount: kept.reduce((total, { rowCount }) => total + rowCount, 0),
    });
  }

  /** A file that cannot be deleted does not keep the others: the disk may be about to fill up. */
  async #deleteFiles(): Promise<void> {
    const { catalog, segments, metrics } = this.#parts;
    const deleted: string[] = [];
    const failures: unknown[] = [];
    for (const segment of catalog.deletable(this.#settings.deleteGraceMs)) {
      if (segments.isHeld?.(segment) === true) continue;
      try {
        await segments.remove([segment]);
        deleted.push(segment.id);
      } catch (e) {
        failures.push(e);
      }
    }
    if (deleted.length > 0) {
      reached("deletion:all-gone");
      await segments.keepRemoved?.();
      await catalog.forget(deleted);
      reached("deletion:forgotten");
      metrics.deleted(deleted.length);
    }
    if (failures.length > 0) {
      throw new Error(`${failures.length} files not deleted`, { cause: failures[0] });
    }
  }
}

function inParts(ids: ReadonlySet<string>): ReadonlySet<string>[] {
  const all = [...ids];
  const parts: ReadonlySet<string>[] = [];
  for (let at = 0; at < all.length; at += MAX_KEPT_TRACES) {
    parts.push(new Set(all.slice(at, at + MAX_KEPT_TRACES)));
  }
  return parts;
}
