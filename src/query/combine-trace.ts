import type {
  InstrumentationScope,
  Resource,
  ResourceSpans,
  Span,
  StoredSpan,
  Trace,
} from "./trace.ts";

const SERVER = 2;
const CLIENT = 3;

/**
 * One trace of the parts found in several segments: a span that came twice (same id and kind, as a
 * client's retry leaves it) counts once, spans are sorted by start and then id, resources and
 * scopes by their first span. Zipkin's shared spans are told apart as `splitSharedSpans` says.
 */
export function combineTrace(parts: readonly StoredSpan[]): Trace {
  return groupSpans(splitSharedSpans(distinctSpans([...parts].sort(byStart))));
}

/** The same with all spans as they are stored: ids that are shared stay shared. */
export function combineStored(parts: readonly StoredSpan[]): Trace {
  return groupSpans(distinctSpans([...parts].sort(byStart)));
}

function byStart(a: StoredSpan, b: StoredSpan): number {
  return (
    compare(a.span.startUnixNano, b.span.startUnixNano) ||
    compare(a.span.spanId, b.span.spanId) ||
    a.span.kind - b.span.kind ||
    compare(a.span.endUnixNano, b.span.endUnixNano)
  );
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function distinctSpans(spans: readonly StoredSpan[]): StoredSpan[] {
  const seen = new Set<string>();
  return spans.filter(({ span }) => {
    const identity = `${span.spanId} ${span.kind}`;
    if (seen.has(identity)) return false;
    seen.add(identity);
    return true;
  });
}

/**
 * Zipkin lets a server span take the id of the client span that called it. Such a server span gets
 * an id that is free (counting from 1), the client span as its parent, and the children of the
 * shared id. Source: Tempo's answers to such traces.
 */
function splitSharedSpans(spans: readonly StoredSpan[]): readonly StoredSpan[] {
  const clientIds = new Set<bigint>();
  for (const { span } of spans) if (span.kind === CLIENT) clientIds.add(span.spanId);
  if (!spans.some(({ span }) => span.kind === SERVER && clientIds.has(span.spanId))) return spans;

  const used = new Set(spans.map(({ span }) => span.spanId));
  let nextId = 1n;
  const newIds = new Map<bigint, bigint>();
  for (const { span } of spans) {
    if (span.kind !== SERVER || !clientIds.has(span.spanId)) continue;
    while (used.has(nextId)) nextId++;
    used.add(nextId);
    newIds.set(span.spanId, nextId);
  }
  return spans.map((stored) => {
    const { span } = stored;
    if (span.kind === SERVER) {
      const own = newIds.get(span.spanId);
      if (own !== undefined)
        return { ...stored, span: { ...span, spanId: own, parentSpanId: span.spanId } };
    }
    const parent = span.parentSpanId === undefined ? undefined : newIds.get(span.parentSpanId);
    // A client span may name its own id as its parent; that is not a child of the server span.
    if (parent === undefined || span.parentSpanId === span.spanId) return stored;
    return { ...stored, span: { ...span, parentSpanId: parent } };
  });
}

/** Spans as they are, by resource and scope, in the order of the first of each. */
export function groupSpans(spans: readonly StoredSpan[]): Trace {
  const groups = new Map<Resource, Map<InstrumentationScope, Span[]>>();
  for (const { span, resource, scope } of spans) {
    let scopes = groups.get(resource);
    if (scopes === undefined) {
      scopes = new Map();
      groups.set(resource, scopes);
    }
    const group = scopes.get(scope);
    if (group === undefined) scopes.set(scope, [span]);
    else group.push(span);
  }
  const resourceSpans: ResourceSpans[] = [];
  for (const [resource, scopes] of groups) {
    resourceSpans.push({
      resource,
      scopeSpans: Array.from(scopes, ([scope, group]) => ({ scope, spans: group })),
    });
  }
  return { resourceSpans };
}
