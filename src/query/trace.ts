/**
 * An attribute's value: string, bool, int64 (`bigint`), double (`number`), or the OTLP/JSON text of
 * an AnyValue that is none of these (array, kvlist, bytes, unset).
 */
export type AttributeValue = string | boolean | bigint | number | JsonValue;
export type JsonValue = { readonly json: string };

export type Attribute = { readonly key: string; readonly value: AttributeValue };

export type Resource = {
  readonly attributes: readonly Attribute[];
  readonly droppedAttributesCount: number;
  readonly schemaUrl: string;
};

export type InstrumentationScope = {
  readonly name: string;
  readonly version: string;
  readonly attributes: readonly Attribute[];
  readonly droppedAttributesCount: number;
  readonly schemaUrl: string;
};

export type SpanEvent = {
  readonly timeUnixNano: bigint;
  readonly name: string;
  readonly attributes: readonly Attribute[];
  readonly droppedAttributesCount: number;
};

export type SpanLink = {
  /** 32 hex digits; zeros = absent. */
  readonly traceId: string;
  readonly spanId: bigint;
  readonly traceState: string;
  readonly flags: number;
  readonly attributes: readonly Attribute[];
  readonly droppedAttributesCount: number;
};

export type Span = {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** The 8 id bytes as a big-endian number. */
  readonly spanId: bigint;
  /** `undefined` for a root. */
  readonly parentSpanId: bigint | undefined;
  readonly traceState: string;
  readonly flags: number;
  readonly name: string;
  /** OTLP number. */
  readonly kind: number;
  readonly startUnixNano: bigint;
  readonly endUnixNano: bigint;
  readonly attributes: readonly Attribute[];
  readonly droppedAttributesCount: number;
  readonly events: readonly SpanEvent[];
  readonly droppedEventsCount: number;
  readonly links: readonly SpanLink[];
  readonly droppedLinksCount: number;
  /** OTLP number. */
  readonly statusCode: number;
  readonly statusMessage: string;
};

export type ScopeSpans = { readonly scope: InstrumentationScope; readonly spans: readonly Span[] };
export type ResourceSpans = {
  readonly resource: Resource;
  readonly scopeSpans: readonly ScopeSpans[];
};

/** A whole trace as OTLP groups it; no groups = no spans. */
export type Trace = { readonly resourceSpans: readonly ResourceSpans[] };

/** A span with what it belongs to. Equal resources (scopes) of one reader are the same object. */
export type StoredSpan = {
  readonly span: Span;
  readonly resource: Resource;
  readonly scope: InstrumentationScope;
};
