import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { RetentionClass } from "../settings.ts";

/** What holds for one tenant. */
export type TenantPolicy = {
  /** 0 = for ever. */
  readonly retentionMs: number;
  /** The first one that matches a trace counts. */
  readonly classes: readonly RetentionClass[];
  /** Nothing of the tenant is dropped, for whatever reason. */
  readonly frozen: boolean;
};

/** How long the segment is kept after its latest span ended; 0 = for ever. */
export function keepMsOf(policy: TenantPolicy, retentionClass: string | undefined): number {
  // A class that is no longer configured is none.
  const own = policy.classes.find(({ name }) => name === retentionClass);
  if (own === undefined) return policy.retentionMs;
  if (own.retentionMs === 0 || policy.retentionMs === 0) return 0;
  // A tenant may keep everything longer than the class says.
  return Math.max(own.retentionMs, policy.retentionMs);
}

/** When the segment is dropped at the latest; undefined: never for its age. */
export function expiryMsOf(
  policy: TenantPolicy,
  segment: Pick<SegmentSummary, "maxEnd" | "retentionClass">,
): number | undefined {
  const keepMs = keepMsOf(policy, segment.retentionClass);
  if (policy.frozen || keepMs <= 0) return undefined;
  return Number(segment.maxEnd / 1_000_000n) + keepMs;
}

/** Whether it is older than its policy allows. */
export function isExpired(
  policy: TenantPolicy,
  segment: Pick<SegmentSummary, "maxEnd" | "retentionClass">,
  nowMs: number,
): boolean {
  const keepMs = keepMsOf(policy, segment.retentionClass);
  if (policy.frozen || keepMs <= 0) return false;
  return segment.maxEnd < BigInt(Math.floor(nowMs - keepMs)) * 1_000_000n;
}

/**
 * The classes that traces of the segment may still belong to, in the order in which they count.
 * Those that the segment is too old for matter too: they take traces from those behind them.
 */
export function classesFor(
  policy: TenantPolicy,
  segment: Pick<SegmentSummary, "maxEnd" | "retentionClass">,
  nowMs: number,
): readonly RetentionClass[] {
  if (policy.classes.some(({ name }) => name === segment.retentionClass)) return [];
  const lives = (name: string) =>
    !isExpired(policy, { maxEnd: segment.maxEnd, retentionClass: name }, nowMs);
  const last = policy.classes.findLastIndex(({ name }) => lives(name));
  return policy.classes.slice(0, last + 1);
}
