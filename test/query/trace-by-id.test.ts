import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KeyValueSchema } from "../../gen/opentelemetry/proto/common/v1/common_pb.ts";
import {
  type TracesData,
  TracesDataSchema,
} from "../../gen/opentelemetry/proto/trace/v1/trace_pb.ts";
import { traceToProtobuf } from "../../src/api/wire/trace-protobuf.ts";
import { traceById } from "../../src/query/trace-by-id.ts";
import { aRequest, aSpan, attributes, hex } from "../support/otlp-builder.ts";
import { type RequestInit, SegmentStore } from "./segment-store.ts";

const ID = "0af7651916cd43dd8448eb211c80319c";
const OTHER = "ffffffffffffffffffffffffffffffff";
const START = 1_700_000_000_000_000_000n;

let store: SegmentStore;
beforeEach(async () => {
  store = await SegmentStore.open();
});
afterEach(async () => {
  await store.close();
});

async function find(id = ID, range: { start?: bigint; end?: bigint } = {}) {
  return await traceById(store.engine(), {
    tenants: ["single-tenant"],
    traceId: hex(id),
    startUnixNano: range.start,
    endUnixNano: range.end,
  });
}

async function findSpans(id = ID) {
  const { trace } = await find(id);
  return trace.resourceSpans.flatMap((group) => group.scopeSpans.flatMap((scope) => scope.spans));
}

test("a span comes back with every field it was sent with", async () => {
  const request: RequestInit = {
    resourceSpans: [
      {
        resource: {
          attributes: [
            ...attributes({ "service.name": "shop", n: 3n, half: 0.5, on: true, "": "empty key" }),
            {
              key: "list",
              value: {
                value: {
                  case: "arrayValue",
                  value: {
                    values: [
                      { value: { case: "stringValue", value: "a" } },
                      { value: { case: "intValue", value: 9_007_199_254_740_993n } },
                      { value: { case: "doubleValue", value: Number.NaN } },
                    ],
                  },
                },
              },
            },
          ],
          droppedAttributesCount: 4,
        },
        schemaUrl: "https://example.org/resource",
        scopeSpans: [
          {
            scope: {
              name: "lib",
              version: "1.2",
              attributes: attributes({ "lib.mode": "fast", "lib.level": 2n }),
              droppedAttributesCount: 5,
            },
            schemaUrl: "https://example.org/scope",
            spans: [
              {
                traceId: hex(ID),
                spanId: hex("ffffffffffffffff"),
                parentSpanId: hex("8000000000000000"),
                traceState: "a=1,b=2",
                flags: 0x8000_0301,
                name: "GET <all> & \u2028",
                kind: 5,
                startTimeUnixNano: START + 1n,
                endTimeUnixNano: START + 125_000_001n,
                attributes: [
                  ...attributes({
                    text: "ü\u0000\"'",
                    neg: -(2n ** 63n),
                    big: 2n ** 63n - 1n,
                    tiny: 5e-324,
                  }),
                  ...attributes({ zero: 0n, no: false, empty: "", inf: Number.POSITIVE_INFINITY }),
                  {
                    key: "bytes",
                    value: { value: { case: "bytesValue", value: new Uint8Array([0, 255, 7]) } },
                  },
                  { key: "unset", value: {} },
                  {
                    key: "map",
                    value: {
                      value: {
                        case: "kvlistValue",
                        value: {
                          values: [
                            { key: "k", value: { value: { case: "boolValue", value: true } } },
                            {
                              key: "deep",
                              value: { value: { case: "kvlistValue", value: { values: [] } } },
                            },
                          ],
                        },
                      },
                    },
                  },
                ],
                droppedAttributesCount: 1,
                events: [
                  {
                    timeUnixNano: 18_446_744_073_709_551_615n,
                    name: "retry",
                    attributes: attributes({ attempt: 1n, why: "time", ratio: 0.25, last: false }),
                    droppedAttributesCount: 6,
                  },
                  { timeUnixNano: START, name: "" },
                ],
                droppedEventsCount: 2,
                links: [
                  {
                    traceId: hex(OTHER),
                    spanId: hex("0000000000000001"),
                    traceState: "x=y",
                    flags: 257,
                    attributes: attributes({ kind: "follows" }),
                    droppedAttributesCount: 7,
                  },
                ],
                droppedLinksCount: 3,
                status: { code: 2, message: "declined" },
              },
            ],
          },
        ],
      },
    ],
  };
  await store.add([request]);
  const { trace } = await find();
  expect(normal(fromBinary(TracesDataSchema, traceToProtobuf(trace)))).toEqual(
    normal(create(TracesDataSchema, request as MessageInitShape<typeof TracesDataSchema>)),
  );
});

/** Attributes keep no order. */
function normal(traces: TracesData): TracesData {
  const sort = (list: { key: string }[]): void => {
    list.sort((a, b) => (a.key < b.key ? -1 : 1));
  };
  for (const group of traces.resourceSpans) {
    sort(group.resource?.attributes ?? []);
    for (const { scope, spans } of group.scopeSpans) {
      sort(scope?.attributes ?? []);
      for (const span of spans) {
        sort(span.attributes);
        for (const event of span.events) sort(event.attributes);
        for (const link of span.links) sort(link.attributes);
      }
    }
  }
  return traces;
}

test("times beyond int64 and ends before starts come back exactly", async () => {
  const times = [
    [0n, 0n],
    [1n, 0n],
    [START, START - 5n],
    [2n ** 63n - 1n, 2n ** 63n],
    [2n ** 64n - 1n, 0n],
    [5n, 2n ** 64n - 1n],
  ] as const;
  const spans = times.map(([startTimeUnixNano, endTimeUnixNano], i) =>
    aSpan({ spanId: hex(`000000000000000${i + 1}`), startTimeUnixNano, endTimeUnixNano }),
  );
  await store.add([aRequest(spans)]);
  const found = await findSpans();
  const pairs = found
    .sort((a, b) => Number(a.spanId - b.spanId))
    .map((span) => [span.startUnixNano, span.endUnixNano]);
  expect(pairs).toEqual(times.map((pair) => [...pair]));
});

test("a trace in several segments and levels is one trace, by start, without doubles", async () => {
  const span = (n: number) =>
    aSpan({
      spanId: hex(`000000000000000${n}`),
      startTimeUnixNano: START + BigInt(n),
      endTimeUnixNano: START + 100n,
    });
  await store.add([aRequest([span(3), span(1)], { service: "a" })]);
  await store.add([aRequest([span(2)], { service: "b" })], { level: 0 });
  await store.add([aRequest([span(1), span(4)], { service: "a" })], { level: 0 });
  const { trace } = await find();
  const groups = trace.resourceSpans.map((group) => [
    group.resource.attributes.map(({ value }) => value),
    group.scopeSpans.map((scope) => scope.spans.map((s) => s.spanId)),
  ]);
  expect(groups).toEqual([
    [["a"], [[1n, 3n, 4n]]],
    [["b"], [[2n]]],
  ]);
});

test("spans of one id but different kinds stay two", async () => {
  await store.add([aRequest([aSpan({ kind: 1 }), aSpan({ kind: 4 })])]);
  expect(await findSpans()).toHaveLength(2);
});

test("a server span that shares its client's id gets an id of its own and the children", async () => {
  const shared = hex("00000000000000aa");
  await store.add([
    aRequest([
      aSpan({ spanId: hex("0000000000000001") }),
      aSpan({ spanId: shared, parentSpanId: hex("0000000000000001"), kind: 3 }),
      aSpan({ spanId: shared, parentSpanId: hex("0000000000000001"), kind: 2 }),
      aSpan({ spanId: hex("00000000000000bb"), parentSpanId: shared, kind: 1 }),
    ]),
  ]);
  const found = (await findSpans()).map((s) => [s.kind, s.spanId, s.parentSpanId]);
  expect(found.sort()).toEqual(
    [
      [0, 1n, undefined],
      [3, 0xaan, 1n],
      [2, 2n, 0xaan],
      [1, 0xbbn, 2n],
    ].sort(),
  );
});

test("an unknown trace has no groups, and opens no segment that cannot hold it", async () => {
  await store.add([aRequest([aSpan()])]);
  store.statements.length = 0;
  const result = await find(OTHER);
  expect(result.trace.resourceSpans).toEqual([]);
  expect(store.statements).toEqual([]);
});

test("start and end prune segments and never spans", async () => {
  const second = 1_000_000_000n;
  await store.add([
    aRequest([
      aSpan({ startTimeUnixNano: START, endTimeUnixNano: START + 10n * second }),
      aSpan({ spanId: hex("01".repeat(8)), startTimeUnixNano: START + 9n * second }),
    ]),
  ]);
  const count = async (start: bigint, end: bigint) => {
    const { trace } = await find(ID, { start, end });
    return trace.resourceSpans.flatMap((g) => g.scopeSpans.flatMap((s) => s.spans)).length;
  };
  expect(await count(START - 5n, START)).toBe(0);
  expect(await count(START - 5n, START + 1n)).toBe(2);
  expect(await count(START + 9n * second, START + 99n * second)).toBe(2);
  expect(await count(START + 10n * second, START + 99n * second)).toBe(0);
});

test("reading stops where the byte bound of a trace is passed", async () => {
  const spans = Array.from({ length: 5000 }, (_, i) =>
    aSpan({ spanId: hex((i + 1).toString(16).padStart(16, "0")), name: "x".repeat(100) }),
  );
  await store.add([aRequest(spans)]);
  store.limits = { ...store.limits, maxBytesPerTrace: 100_000 };
  const result = await find();
  expect(result.exceededBytes).toBe(100_000);
  const count = result.trace.resourceSpans.flatMap((g) =>
    g.scopeSpans.flatMap((s) => s.spans),
  ).length;
  expect(count).toBeGreaterThan(0);
  expect(count).toBeLessThan(5000);
  store.limits = { ...store.limits, maxBytesPerTrace: 0 };
  expect((await find()).exceededBytes).toBeUndefined();
});

test("a file that vanished is looked for again in a fresh view, once", async () => {
  const gone = await store.add([aRequest([aSpan()])]);
  await store.deleteFile(gone);
  let snapshots = 0;
  store.onSnapshot = () => {
    snapshots++;
    if (snapshots === 2) store.segments.splice(0, 1);
  };
  await store.add([aRequest([aSpan()])], { level: 2 });
  expect(await findSpans()).toHaveLength(1);
  expect(snapshots).toBe(2);
});

test("a file that stays away fails the query", async () => {
  const gone = await store.add([aRequest([aSpan()])]);
  await store.deleteFile(gone);
  await expect(find()).rejects.toMatchObject({ kind: "corrupt" });
});

test("the head is cut before the catalog is read", async () => {
  let cutsAtSnapshot = -1;
  store.onSnapshot = () => {
    cutsAtSnapshot = store.cuts;
  };
  await find();
  expect(cutsAtSnapshot).toBe(1);
});

test("traces of several tenants with one id are shown as one", async () => {
  await store.add([aRequest([aSpan({ spanId: hex("01".repeat(8)) })])], { tenant: "a" });
  await store.add([aRequest([aSpan({ spanId: hex("02".repeat(8)) })])], { tenant: "b" });
  const search = async (tenants: string[]) => {
    const { trace } = await traceById(store.engine(), { tenants, traceId: hex(ID) });
    return trace.resourceSpans.flatMap((g) => g.scopeSpans.flatMap((s) => s.spans)).length;
  };
  expect(await search(["a"])).toBe(1);
  expect(await search(["a", "b"])).toBe(2);
  expect(await search(["c"])).toBe(0);
});

test("a huge resource counts towards the trace's bound, once", async () => {
  const request = aRequest(
    [1, 2, 3].map((n) => aSpan({ spanId: hex(n.toString().padStart(16, "0")) })),
  );
  const large = attributes({ large: "x".repeat(10_000) });
  const resource = request.resourceSpans[0]!.resource!;
  resource.attributes.push(...large.map((init) => create(KeyValueSchema, init)));
  await store.add([request]);
  store.limits = { ...store.limits, maxBytesPerTrace: 15_000 };
  expect(await find()).toMatchObject({ exceededBytes: undefined });
  store.limits = { ...store.limits, maxBytesPerTrace: 9_000 };
  expect(await find()).toMatchObject({ exceededBytes: 9_000 });
});

test("rows of very many events are left to the database, which gives them piece by piece", async () => {
  const events = Array.from({ length: 60_000 }, () => ({}));
  const spans = [1, 2, 3, 4].map((n) =>
    aSpan({ spanId: hex(n.toString().padStart(16, "0")), events }),
  );
  await store.add([aRequest(spans)]);
  store.statements.length = 0;
  expect((await findSpans()).map((span) => span.events.length)).toEqual(spans.map(() => 60_000));
  expect(store.statements.some((sql) => sql.includes("file_row_number BETWEEN"))).toBe(true);
  // The bound ends it at once, not after all that the database has at hand.
  store.limits = { ...store.limits, maxBytesPerTrace: 1_000_000 };
  const { exceededBytes, trace } = await find();
  expect(exceededBytes).toBe(1_000_000);
  const found = trace.resourceSpans.flatMap((g) => g.scopeSpans.flatMap((s) => s.spans));
  expect(found.length).toBeLessThan(4);
});
