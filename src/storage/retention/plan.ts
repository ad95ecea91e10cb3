import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { isExpired, type TenantPolicy } from "./policy.ts";

export type DropReason = "age" | "bytes" | "disk";

export type Drop = { readonly segment: SegmentSummary; readonly reason: DropReason };

export type PlanInput = {
  readonly tenants: readonly {
    readonly policy: TenantPolicy;
    /** All of the tenant's. */
    readonly segments: readonly SegmentSummary[];
  }[];
  readonly nowMs: number;
  /** Of each tenant; 0 = no bound. */
  readonly maxBytesPerTenant: number;
  /** What the local disk holds beyond its bound, without files about to be deleted; ≤ 0 for none. */
  readonly excessDiskBytes: number;
};

/**
 * What has to go, in this order: what is too old, then for each tenant the oldest segments beyond
 * its bytes, then the oldest of all on a disk that is too full; those of retention classes last.
 * L0 stays: the L1 of its WAL range would bring it back; it goes as L1 a minute later.
 */
export function planDrops(input: PlanInput): readonly Drop[] {
  const { nowMs, maxBytesPerTenant } = input;
  const drops: Drop[] = [];
  const left: SegmentSummary[] = [];
  for (const { policy, segments } of input.tenants) {
    if (policy.frozen) continue;
    const isOld = (s: SegmentSummary) => s.level > 0 && isExpired(policy, s, nowMs);
    const young = segments.filter((s) => !isOld(s));
    drops.push(...segments.filter(isOld).map((segment) => ({ segment, reason: "age" }) as const));
    const excess = maxBytesPerTenant > 0 ? bytesOf(young) - maxBytesPerTenant : 0;
    const beyond = oldestOf(young, excess);
    drops.push(...beyond.map((segment) => ({ segment, reason: "bytes" }) as const));
    left.push(...young.filter((s) => !beyond.includes(s)));
  }
  const freed = bytesOf(drops.map(({ segment }) => segment).filter(isLocal));
  const beyond = oldestOf(left.filter(isLocal), input.excessDiskBytes - freed);
  return [...drops, ...beyond.map((segment) => ({ segment, reason: "disk" }) as const)];
}

/** As few as give `bytes`, oldest first. */
function oldestOf(segments: readonly SegmentSummary[], bytes: number): readonly SegmentSummary[] {
  if (bytes <= 0) return [];
  const chosen: SegmentSummary[] = [];
  let total = 0;
  for (const segment of segments.filter((s) => s.level > 0).sort(firstToGo)) {
    if (total >= bytes) break;
    chosen.push(segment);
    total += segment.byteSize;
  }
  return chosen;
}

function firstToGo(a: SegmentSummary, b: SegmentSummary): number {
  const [ofClassA, ofClassB] = [a, b].map((s) => Number(s.retentionClass !== undefined));
  if (ofClassA !== ofClassB) return (ofClassA ?? 0) - (ofClassB ?? 0);
  if (a.maxEnd !== b.maxEnd) return a.maxEnd < b.maxEnd ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

/** Those of a bucket are on the disk as copies only, which the cache takes care of. */
function isLocal(segment: SegmentSummary): boolean {
  return segment.object === undefined;
}

function bytesOf(segments: readonly SegmentSummary[]): number {
  return segments.reduce((total, { byteSize }) => total + byteSize, 0);
}
