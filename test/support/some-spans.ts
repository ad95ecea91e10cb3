import fc from "fast-check";
import { spanIdOf, traceIdOf } from "./batch-builder.ts";
import type {
  PlainAttribute,
  PlainResource,
  PlainScope,
  PlainSpan,
  PlainValue,
} from "./read-batch.ts";

const strangeText = fc.constantFrom(
  "",
  "\0",
  "a\0b",
  "'quoted\" and \\",
  "line\nbreak",
  "z\u{10ffff}\u{10ffff}",
  "é".repeat(40),
  "\u{1f9f5}".repeat(30),
  "x".repeat(300),
);
const someText = fc.oneof(
  strangeText,
  // Both readers' clients drop a leading BOM; the unit test looks at such bytes in SQL.
  fc.string({ unit: "grapheme", maxLength: 12 }).map((text) => text.replaceAll("\ufeff", "")),
);
const someKey = fc.oneof(
  fc.constantFrom("a", "A", "http.method", "HTTP.method", 'q"uote', "new\nline", "", "é", "É"),
  fc.constantFrom("service.name", "k".repeat(200), "span.a", "opentracing.ref_type"),
  someText,
);
const someInt64 = fc.oneof(
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  fc.constantFrom(0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n, 2n ** 32n),
);
const someValue: fc.Arbitrary<PlainValue> = fc.oneof(
  someText,
  fc.boolean(),
  someInt64,
  fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, Infinity, -Infinity, 5e-324)),
  fc.constantFrom('{"arrayValue":{"values":[{"intValue":"1"}]}}', "{}").map((json) => ({ json })),
);
const someAttributes: fc.Arbitrary<PlainAttribute[]> = fc.array(
  fc.record({ key: someKey, value: someValue }),
  { maxLength: 8 },
);
const someTime = fc.oneof(
  fc.bigInt(1_767_225_600_000_000_000n, 1_767_225_600_000_000_020n),
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(0n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 9_223_286_400_000_000_000n),
);
const someU32 = fc.oneof(fc.constantFrom(0, 257, 0xffffffff), fc.nat(70_000));
const someTraceId = fc.constantFrom(1, 2, 0xffffffffffffn).map(traceIdOf);
const someSpanId = fc.integer({ min: 1, max: 12 }).map(spanIdOf);

const someScope: fc.Arbitrary<PlainScope> = fc.record({
  name: someText,
  version: someText,
  attributes: someAttributes,
  droppedAttributes: someU32,
  schemaUrl: someText,
});
const someResource: fc.Arbitrary<PlainResource> = fc
  .record({ attributes: someAttributes, droppedAttributes: someU32, schemaUrl: someText })
  .map((resource) => {
    const names = resource.attributes.filter(
      (a) => a.key === "service.name" && typeof a.value === "string",
    );
    return { ...resource, serviceName: (names.at(-1)?.value ?? "") as string };
  });
const someLinkAttributes = fc.oneof(
  someAttributes,
  fc.constant<PlainAttribute[]>([{ key: "opentracing.ref_type", value: "child_of" }]),
);

function someSpan(resources: PlainResource[], scopes: PlainScope[]): fc.Arbitrary<PlainSpan> {
  return fc.record({
    traceId: someTraceId,
    spanId: someSpanId,
    parentSpanId: fc.oneof(fc.constant(""), someSpanId),
    traceState: someText,
    name: someText,
    kind: fc.oneof(fc.constantFrom(1, 2, 3), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    startUnixNano: someTime,
    endUnixNano: someTime,
    status: fc.integer({ min: 0, max: 3 }),
    statusMessage: someText,
    flags: someU32,
    droppedAttributes: someU32,
    droppedEvents: someU32,
    droppedLinks: someU32,
    attributes: someAttributes,
    events: fc.array(
      fc.record({
        timeUnixNano: someTime,
        name: someText,
        attributes: someAttributes,
        droppedAttributes: someU32,
      }),
      { maxLength: 3 },
    ),
    links: fc.array(
      fc.record({
        traceId: fc.oneof(someTraceId, fc.constant("")),
        spanId: fc.oneof(someSpanId, fc.constant("")),
        traceState: someText,
        flags: someU32,
        attributes: someLinkAttributes,
        droppedAttributes: someU32,
      }),
      { maxLength: 2 },
    ),
    resource: fc.constantFrom(...resources),
    scope: fc.constantFrom(...scopes),
  });
}

/** Spans with everything that may break a store. Repeating them makes keys frequent enough to have columns of their own. */
export const someSpans: fc.Arbitrary<PlainSpan[]> = fc
  .tuple(
    fc.array(someResource, { minLength: 1, maxLength: 3 }),
    fc.array(someScope, { minLength: 1, maxLength: 2 }),
  )
  .chain(([resources, scopes]) =>
    fc.tuple(
      fc.array(someSpan(resources, scopes), { minLength: 1, maxLength: 12 }),
      fc.constantFrom(1, 1, 25),
    ),
  )
  .map(([spans, times]) => Array.from({ length: times }, () => spans).flat());
