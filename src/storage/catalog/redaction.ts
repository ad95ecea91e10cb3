import { PintailError } from "../../errors.ts";

/**
 * Traces that were redacted: hidden at once from every read, then removed from the segments. Stays in
 * the catalog afterwards, without its trace ids, as a record of who removed what.
 */
export type Redaction = {
  /** ULID. */
  readonly id: string;
  readonly tenant: string;
  /** What was asked for: TraceQL. */
  readonly query: string;
  /** Who asked and why, as they say; may be empty. */
  readonly requestedBy: string;
  readonly reason: string;
  readonly createdUnixMs: number;
  /** What it found when it was applied. */
  readonly traceCount: number;
  readonly spanCount: number;
  /** 32 hex digits each, sorted, at most `MAX_REDACTED_TRACES`; empty when done. */
  readonly traceIds: readonly string[];
  /** `hiding`: something on a disk may still hold the traces; `done`: nothing does. */
  readonly state: "hiding" | "done";
  readonly doneUnixMs: number | undefined;
  /** Spans that rewriting removed so far. */
  readonly removedSpans: number;
};

/** Of one redaction: each read of a segment names those that it may hold. */
export const MAX_REDACTED_TRACES = 10_000;

/** Redactions outside of the catalog's tables, for one that has to be made again. */
export function redactionsJson(redactions: readonly Redaction[]): string {
  return `${JSON.stringify(redactions)}\n`;
}

/** Throws `corrupt`, naming `where`: what redactions hide must not come back for want of reading them. */
export function parseRedactions(bytes: Uint8Array, where: string): Redaction[] {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (Array.isArray(value) && value.every(isRedaction)) return value;
  } catch {
    // Said below.
  }
  throw new PintailError(
    "corrupt",
    `${where} cannot be read: it says which traces were redacted, and without it they would be seen ` +
      "again; bring it back, or delete it when nothing is left to be hidden",
  );
}

const TRACE_ID = /^[0-9a-f]{32}$/;

function isRedaction(value: unknown): value is Redaction {
  if (typeof value !== "object" || value === null) return false;
  const one = value as Partial<Record<keyof Redaction, unknown>>;
  const texts = [one.id, one.tenant, one.query, one.requestedBy, one.reason];
  const numbers = [one.createdUnixMs, one.traceCount, one.spanCount, one.removedSpans];
  return (
    texts.every((text) => typeof text === "string") &&
    numbers.every((n) => typeof n === "number") &&
    (one.doneUnixMs === undefined || typeof one.doneUnixMs === "number") &&
    (one.state === "hiding" || one.state === "done") &&
    Array.isArray(one.traceIds) &&
    one.traceIds.every((id) => typeof id === "string" && TRACE_ID.test(id))
  );
}

/** Two records of the same redactions; of each the one that knows more. */
export function joinRedactions(
  some: readonly Redaction[],
  others: readonly Redaction[],
): Redaction[] {
  const joined = new Map(some.map((one) => [one.id, one]));
  for (const one of others) {
    const known = joined.get(one.id);
    const isNewer = known === undefined || (known.state === "hiding" && one.state === "done");
    const isLonger = known?.state === one.state && one.removedSpans > known.removedSpans;
    if (isNewer || isLonger) joined.set(one.id, one);
  }
  return [...joined.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}
