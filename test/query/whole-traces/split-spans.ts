import { aService, aSpan, spanIdOf, traceIdOf } from "../../support/batch-builder.ts";
import type { PlainLink, PlainSpan } from "../../support/read-batch.ts";

export const T0 = 1_767_225_600_000_000_000n;
export const MS = 1_000_000n;

/** A span of 10 ms; `parent` 0 = a root. */
export function spanAt(
  trace: number,
  id: number,
  parent: number,
  atMs: number,
  over: Partial<PlainSpan> = {},
): PlainSpan {
  return aSpan({
    traceId: traceIdOf(trace),
    spanId: spanIdOf(id),
    parentSpanId: parent === 0 ? "" : spanIdOf(parent),
    startUnixNano: T0 + BigInt(atMs) * MS,
    endUnixNano: T0 + BigInt(atMs + 10) * MS,
    name: `op${id}`,
    resource: aService(`service${id}`),
    ...over,
  });
}

/** A link that OpenTracing bridges write instead of a parent id. */
export function childOfLink(trace: number): PlainLink {
  return {
    traceId: traceIdOf(trace),
    spanId: spanIdOf(99),
    traceState: "",
    flags: 0,
    droppedAttributes: 0,
    attributes: [{ key: "opentracing.ref_type", value: "child_of" }],
  };
}

/**
 * The spans of these segments as one would hold them: of a span that lies in several, only the
 * copies in the segment whose copy is the first by start, end and segment.
 */
export function mergedSpans(segments: readonly (readonly PlainSpan[])[]): PlainSpan[] {
  const owners = new Map<string, { span: PlainSpan; segment: number }>();
  for (const [segment, spans] of segments.entries()) {
    for (const span of spans) {
      const owner = owners.get(identity(span));
      if (owner === undefined || isBefore(span, owner.span)) {
        owners.set(identity(span), { span, segment });
      }
    }
  }
  return segments.flatMap((spans, segment) =>
    spans.filter((span) => owners.get(identity(span))!.segment === segment),
  );
}

function identity({ traceId, spanId, kind }: PlainSpan): string {
  return `${traceId} ${spanId} ${kind}`;
}

function isBefore(a: PlainSpan, b: PlainSpan): boolean {
  if (a.startUnixNano !== b.startUnixNano) return a.startUnixNano < b.startUnixNano;
  return a.endUnixNano < b.endUnixNano;
}

/** Traces of up to 12 spans within some seconds, thrown into up to four segments, some into two. */
export function randomSegments(random: () => number): PlainSpan[][] {
  const int = (n: number) => Math.floor(random() * n);
  const segments: PlainSpan[][] = Array.from({ length: 1 + int(4) }, () => []);
  // Near the end of the range of times, too, where exact ones are stored beside the clamped.
  const base = random() < 0.2 ? 9_223_286_399_000_000_000n : T0;
  for (let trace = 1; trace <= 6; trace++) {
    const ids = 1 + int(12);
    const home = int(segments.length);
    const together = random() < 0.3;
    for (let n = 0; n < ids; n++) {
      const start = base + BigInt(int(4)) * 500_000_000n + BigInt(int(3));
      const span = spanAt(trace, 1 + int(ids + 1), random() < 0.2 ? 0 : 1 + int(ids + 1), 0, {
        startUnixNano: start,
        endUnixNano: random() < 0.03 ? 2n ** 64n - 1n : start + BigInt(int(2000) - 100) * MS,
        kind: 1 + int(3),
        name: `op${int(5)}`,
        links: random() < 0.1 ? [childOfLink(trace)] : [],
      });
      segments[together ? home : int(segments.length)]!.push(span);
      if (random() < 0.15) {
        const late = random() < 0.5 ? 0n : BigInt(int(2));
        segments[int(segments.length)]!.push({
          ...span,
          endUnixNano:
            span.endUnixNano + (random() < 0.5 || span.endUnixNano > 2n ** 63n ? 0n : late),
        });
      }
    }
  }
  return segments.filter((spans) => spans.length > 0);
}
