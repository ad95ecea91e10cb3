import { maxOf } from "../../../src/query/bigint-bounds.ts";
import type { PlainSpan } from "../../support/read-batch.ts";

/** A span with its place in the tree of its trace (§4.5). */
export type OracleSpan = PlainSpan & {
  readonly trace: OracleTrace;
  /** Position in the trace by start, then span id. */
  readonly index: number;
  left: number;
  right: number;
  /** The parent's left, −1 for roots, 0 = not connected. */
  parentLeft: number;
  childCount: number;
  /** By id alone, whether or not the trace has numbers. */
  parent: OracleSpan | undefined;
};

export type OracleTrace = {
  readonly traceId: string;
  /** By start, then span id; a span that was sent twice stands once. */
  readonly spans: OracleSpan[];
  readonly startUnixNano: bigint;
  readonly durationNanos: bigint;
  readonly root: OracleSpan | undefined;
};

const SERVER = 2;
const CLIENT = 3;

export function tracesOf(spans: readonly PlainSpan[]): OracleTrace[] {
  const groups = new Map<string, PlainSpan[]>();
  for (const span of spans) {
    const group = groups.get(span.traceId) ?? [];
    groups.set(span.traceId, group);
    if (!group.some((other) => other.spanId === span.spanId && other.kind === span.kind)) {
      group.push(span);
    }
  }
  return Array.from(groups.values(), traceOf);
}

function traceOf(plain: readonly PlainSpan[]): OracleTrace {
  const sorted = [...plain].sort(
    (a, b) => order(a.startUnixNano, b.startUnixNano) || order(a.spanId, b.spanId),
  );
  const startUnixNano = sorted[0]!.startUnixNano;
  const end = sorted.map((s) => s.endUnixNano).reduce(maxOf);
  const isChildOf = (span: PlainSpan) =>
    span.links.some(
      (link) =>
        link.traceId === span.traceId &&
        link.attributes.some((a) => a.key === "opentracing.ref_type" && a.value === "child_of"),
    );
  const trace = {
    traceId: sorted[0]!.traceId,
    spans: [] as OracleSpan[],
    startUnixNano,
    durationNanos: end - startUnixNano,
    root: undefined as OracleSpan | undefined,
  };
  const blank = { left: 0, right: 0, parentLeft: 0, childCount: 0, parent: undefined };
  trace.spans = sorted.map((span, index) => ({ ...span, ...blank, trace, index }));
  trace.root = trace.spans.find((s) => s.parentSpanId === "" && !isChildOf(s));
  numberTree(trace.spans);
  return trace;
}

function order<T>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function numberTree(spans: readonly OracleSpan[]): void {
  const holders = (id: string) => spans.filter((s) => s.spanId === id);
  for (const span of spans) {
    if (span.parentSpanId === "") continue;
    let found = holders(span.parentSpanId);
    if (found.length > 1) {
      const wanted = span.kind === SERVER ? CLIENT : SERVER;
      found = found.length === 2 ? found.filter((s) => s.kind === wanted) : [];
    }
    if (found[0] !== span) span.parent = found[0];
  }
  // `parent.x` needs no numbers; all else does.
  const roots = spans.filter((s) => s.parentSpanId === "");
  if (roots.length === 0 || spans.some((s) => holders(s.spanId).length > 2)) return;
  for (const span of spans) if (span.parent !== undefined) span.parent.childCount++;
  let counter = 1;
  const visit = (span: OracleSpan, parentLeft: number): void => {
    span.left = counter++;
    span.parentLeft = parentLeft;
    for (const child of spans) if (child.parent === span) visit(child, span.left);
    span.right = counter++;
  };
  for (const root of roots) visit(root, -1);
}

export function isDescendant(d: OracleSpan, a: OracleSpan): boolean {
  const connected = d.left !== 0 && d.right !== 0 && a.left !== 0 && a.right !== 0;
  return connected && a.left < d.left && d.right < a.right;
}

export function isChild(c: OracleSpan, p: OracleSpan): boolean {
  return p.left !== 0 && c.parentLeft === p.left;
}

/** Several roots are siblings of each other. */
export function isSibling(a: OracleSpan, b: OracleSpan): boolean {
  return a !== b && a.parentLeft !== 0 && a.parentLeft === b.parentLeft;
}
