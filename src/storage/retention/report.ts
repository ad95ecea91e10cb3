import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { Drop, DropReason } from "./plan.ts";
import { classesFor, expiryMsOf, keepMsOf, type TenantPolicy } from "./policy.ts";

export type Amount = { readonly segments: number; readonly spans: number; readonly bytes: number };

/** What retention would do to one tenant, and when. Times are milliseconds since 1970. */
export type RetentionReport = {
  readonly tenant: string;
  /** Nothing of it is dropped. */
  readonly frozen: boolean;
  /** What is there, by retention class; "" for the tenant's own. */
  readonly held: readonly (Amount & {
    readonly class: string;
    /** 0 = for ever. */
    readonly retentionMs: number;
    readonly oldestEndUnixMs: number;
    /** When the first of them expires; null: never. */
    readonly nextExpiryUnixMs: number | null;
    /** What expires within a day from now, with what is due. */
    readonly withinDay: Amount;
  })[];
  /** What the next run drops. */
  readonly due: readonly (Amount & {
    readonly class: string;
    readonly reason: DropReason;
    /** Classes whose traces are taken out first and stay. */
    readonly keeps: readonly string[];
  })[];
};

const DAY_MS = 24 * 3_600_000;

/** `due` may hold other tenants' as well. Reads the catalog's figures only, no segment. */
export function retentionReport(
  tenant: string,
  policy: TenantPolicy,
  segments: readonly SegmentSummary[],
  due: readonly Drop[],
  nowMs: number,
): RetentionReport {
  const held = [...Map.groupBy(segments, classOf)].map(([name, ofClass]) => {
    const expiries = ofClass.map((s) => expiryMsOf(policy, s)).filter((ms) => ms !== undefined);
    const soon = ofClass.filter((s) => (expiryMsOf(policy, s) ?? Infinity) <= nowMs + DAY_MS);
    return {
      class: name,
      retentionMs: keepMsOf(policy, name),
      ...amountOf(ofClass),
      oldestEndUnixMs: smallest(ofClass.map((s) => Number(s.maxEnd / 1_000_000n))),
      nextExpiryUnixMs: expiries.length === 0 ? null : smallest(expiries),
      withinDay: amountOf(soon),
    };
  });
  const mine = due.filter(({ segment }) => segment.tenant === tenant);
  const groups = Map.groupBy(mine, ({ segment, reason }) => `${reason} ${classOf(segment)}`);
  return {
    tenant,
    frozen: policy.frozen,
    held: held.sort((a, b) => (a.class < b.class ? -1 : 1)),
    due: [...groups.values()].map((drops) => {
      const names = drops.flatMap(({ segment }) =>
        classesFor(policy, segment, nowMs).map(({ name }) => name),
      );
      return {
        class: drops[0] === undefined ? "" : classOf(drops[0].segment),
        reason: drops[0]?.reason ?? "age",
        ...amountOf(drops.map(({ segment }) => segment)),
        keeps: [...new Set(names)],
      };
    }),
  };
}

function classOf({ retentionClass }: SegmentSummary): string {
  return retentionClass ?? "";
}

function amountOf(segments: readonly SegmentSummary[]): Amount {
  let [spans, bytes] = [0, 0];
  for (const { rowCount, byteSize } of segments) {
    spans += rowCount;
    bytes += byteSize;
  }
  return { segments: segments.length, spans, bytes };
}

/** Of lists too long for the arguments of `Math.min`. */
function smallest(numbers: readonly number[]): number {
  return numbers.reduce((least, n) => Math.min(n, least), Number.POSITIVE_INFINITY);
}
