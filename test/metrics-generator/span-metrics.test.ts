import { describe, expect, test } from "vitest";
import type {
  FilterPolicy,
  TenantGeneratorSettings,
} from "../../src/metrics-generator/settings.ts";
import { TenantMetrics } from "../../src/metrics-generator/tenant-metrics.ts";
import type { RowRange } from "../../src/model/row-range.ts";
import {
  aResource,
  aService,
  aSpan,
  batchOf,
  spanIdOf,
  traceIdOf,
} from "../support/batch-builder.ts";
import type { PlainSpan } from "../support/read-batch.ts";
import { hostInfo, observe, PARTS, spanMetrics, tenantSettings } from "./generator-settings.ts";
import { valuesOf } from "./written-series.ts";

const NOW = 1_767_225_645_500;
const END = BigInt(NOW) * 1_000_000n;

/** Ended now, after so many milliseconds. */
function span(ms: number, over: Partial<PlainSpan> = {}): PlainSpan {
  const startUnixNano = END - BigInt(Math.round(ms * 1e6));
  return aSpan({ startUnixNano, endUnixNano: END, resource: aService("shop"), ...over });
}

function metricsOf(
  settings: Partial<TenantGeneratorSettings>,
  spans: readonly PlainSpan[],
  skipped: readonly RowRange[] = [],
) {
  const metrics = new TenantMetrics("t", tenantSettings(settings), PARTS, NOW);
  observe(metrics, { batch: batchOf(spans), skipped, bytes: 1000 }, NOW);
  return metrics;
}

function series(...[settings, spans]: Parameters<typeof metricsOf>) {
  return valuesOf(metricsOf(settings, spans).tick(NOW, true));
}

const LABELS =
  'service="shop",span_kind="SPAN_KIND_INTERNAL",span_name="op",status_code="STATUS_CODE_UNSET"';
const only = (over: Parameters<typeof spanMetrics>[0]) => ({
  spanMetrics: spanMetrics({ latency: false, size: false, ...over }),
});

test("spans are counted, timed and weighed by service, name, kind and status", () => {
  const values = series({ spanMetrics: spanMetrics() }, [span(50), span(2000), span(-5)]);
  expect(values).toMatchObject({
    [`traces_spanmetrics_calls_total{${LABELS}}`]: 3,
    [`traces_spanmetrics_latency_count{${LABELS}}`]: 3,
    [`traces_spanmetrics_latency_sum{${LABELS}}`]: 2.05,
  });
  const bucket = (le: string) => values[`traces_spanmetrics_latency_bucket{le="${le}",${LABELS}}`];
  expect(["0.1", "1", "+Inf"].map(bucket)).toEqual([2, 2, 3]);
  // Two ids, two times, a name of two letters, a kind.
  expect(values[`traces_spanmetrics_size_total{${LABELS}}`]).toBe(3 * (46 + 4 + 2));
});

test("series are by what is different, not by resource", () => {
  const values = series(only({}), [
    span(1, { resource: aService("shop", [{ key: "pod", value: "1" }]) }),
    span(1, { resource: aService("shop", [{ key: "pod", value: "2" }]) }),
    span(1, { kind: 2, status: 2, name: "other" }),
    span(1, { kind: 99, status: 0, name: "" }),
    span(1, { resource: aResource(), statusMessage: "not shown" }),
  ]);
  expect(values).toEqual({
    [`traces_spanmetrics_calls_total{${LABELS}}`]: 2,
    'traces_spanmetrics_calls_total{service="shop",span_kind="SPAN_KIND_SERVER",span_name="other",status_code="STATUS_CODE_ERROR"}': 1,
    'traces_spanmetrics_calls_total{service="shop",span_kind="99",status_code="STATUS_CODE_UNSET"}': 1,
    'traces_spanmetrics_calls_total{span_kind="SPAN_KIND_INTERNAL",span_name="op",status_code="STATUS_CODE_UNSET"}': 1,
  });
});

test("dimensions come from the resource, then the span, whatever their type", () => {
  const none = {
    service: false,
    spanName: false,
    spanKind: false,
    statusCode: false,
    statusMessage: true,
  };
  const dimensions = ["region", "http.status", "a.b", "a_b", "status_code", "list"];
  const values = series(only({ intrinsicDimensions: none, dimensions }), [
    span(1, {
      statusMessage: "sad",
      resource: aService("shop", [{ key: "region", value: "eu" }]),
      attributes: [
        { key: "region", value: "us" },
        { key: "http.status", value: 500n },
        { key: "http.status", value: 501n },
        { key: "a.b", value: "lost: the later of one label wins, also without a value" },
        { key: "status_code", value: 1e-7 },
        {
          key: "list",
          value: { json: '{"arrayValue":{"values":[{"intValue":"1"},{"boolValue":true}]}}' },
        },
      ],
    }),
    span(1, { attributes: [{ key: "region", value: true }] }),
    span(1, { attributes: [{ key: "region", value: "true" }] }),
  ]);
  expect(values).toEqual({
    'traces_spanmetrics_calls_total{__status_code="0.0000001",http_status="500",list="[1true]",region="eu",status_message="sad"}': 1,
    'traces_spanmetrics_calls_total{region="true"}': 2,
  });
});

test("mapped dimensions join what there is of their sources", () => {
  const dimensionMappings = [{ name: "who", sourceLabels: ["ns", "absent", "id"], join: "/" }];
  const found = series(only({ dimensionMappings }), [
    span(1, {
      resource: aService("shop", [{ key: "ns", value: "web" }]),
      attributes: [{ key: "id", value: 7n }],
    }),
    span(1, { attributes: [{ key: "id", value: 8n }] }),
  ]);
  const who = Object.keys(found).map((name) => name.match(/who="([^"]*)"/)?.[1]);
  expect(who).toEqual(["web/7", "8"]);
});

test("target info says what the resource does, once for each job and instance", () => {
  const resource = aService("shop", [
    { key: "service.namespace", value: "web" },
    { key: "service.instance.id", value: "i-1" },
    { key: "host.name", value: "h" },
    { key: "service", value: "taken" },
    { key: "secret", value: "hidden" },
    { key: "9lives", value: "no" },
  ]);
  const settings = only({ targetInfo: true, targetInfoExcluded: ["secret"] });
  const named = aService("bare");
  const values = series(settings, [span(1, { resource }), span(1, { resource: named })]);
  expect(values).toEqual({
    'traces_target_info{__service="taken",host_name="h",instance="i-1",job="web/shop"}': 1,
    [`traces_spanmetrics_calls_total{instance="i-1",job="web/shop",${LABELS}}`]: 1,
    [`traces_spanmetrics_calls_total{job="bare",${LABELS.replace("shop", "bare")}}`]: 1,
  });
});

test("only resources whose spans count have target info", () => {
  const resource = (name: string) => aService(name, [{ key: "host.name", value: name }]);
  const exclude = {
    type: "strict",
    attributes: [{ of: "resource", key: "service.name", value: "out" }],
  } as const;
  const filterPolicies = [{ include: undefined, includeAny: undefined, exclude }];
  const spans = ["shop", "out", "skipped"].map((name) => span(1, { resource: resource(name) }));
  const settings = only({ targetInfo: true, calls: false, filterPolicies });
  const metrics = metricsOf(settings, spans, [{ from: 2, to: 3 }]);
  expect(Object.keys(valuesOf(metrics.tick(NOW, true)))).toEqual([
    'traces_target_info{host_name="shop",job="shop"}',
  ]);
});

test("a span stands for as many as its sampling says", () => {
  const multiplier = { key: "rate", fromTraceState: true };
  const rate = (value: number | bigint) => [{ key: "rate", value }];
  const values = series(
    only({
      multiplier,
      intrinsicDimensions: { ...spanMetrics().intrinsicDimensions, spanName: true },
    }),
    [
      span(1, { name: "half", attributes: rate(0.5) }),
      span(1, { name: "int", attributes: rate(2n) }),
      span(1, { name: "none", attributes: rate(0) }),
      span(1, { name: "resource", resource: aService("shop", rate(0.25)) }),
      span(1, { name: "state", traceState: "x=1,ot=rv:1;th:c", attributes: rate(0.5) }),
      span(1, { name: "bad", traceState: "ot=th:xyz", attributes: rate(0.5) }),
    ],
  );
  const counted = Object.entries(values).map(([name, value]) => [
    name.match(/span_name="(\w+)/)?.[1],
    value,
  ]);
  expect(Object.fromEntries(counted)).toEqual({
    half: 2,
    int: 1,
    none: 1,
    resource: 4,
    state: 4,
    bad: 2,
  });
});

describe("filter policies", () => {
  const strict = (
    key: string,
    value: string | bigint | boolean | number,
    of: "span" | "resource" | "kind" | "name" = "span",
  ) => ({ type: "strict", attributes: [{ of, key, value }] }) as const;
  const policy = (over: Partial<FilterPolicy>): FilterPolicy => ({
    include: undefined,
    includeAny: undefined,
    exclude: undefined,
    ...over,
  });
  const spans = [
    span(1, { name: "a", kind: 2, attributes: [{ key: "n", value: 1n }] }),
    span(1, { name: "b", kind: 3, attributes: [{ key: "n", value: 1.5 }] }),
    span(1, {
      name: "c",
      kind: 3,
      attributes: [
        { key: "n", value: "1" },
        { key: "ok", value: true },
      ],
    }),
  ];
  const kept = (...filterPolicies: FilterPolicy[]) => {
    const metrics = metricsOf(only({ filterPolicies }), spans);
    const names = Object.keys(valuesOf(metrics.tick(NOW, true))).map(
      (name) => name.match(/span_name="(\w+)/)?.[1],
    );
    expect(metrics.figures.processors[0]!.filtered).toBe(3 - names.length);
    return names.join("");
  };

  test.each<[string, string, FilterPolicy[]]>([
    ["none keeps all", "abc", []],
    ["an int is no double", "a", [policy({ include: strict("n", 1n) })]],
    ["a double is no int", "b", [policy({ include: strict("n", 1.5) })]],
    ["a text is no number", "c", [policy({ include: strict("n", "1") })]],
    ["a bool", "c", [policy({ include: strict("ok", true) })]],
    ["of the resource", "abc", [policy({ include: strict("service.name", "shop", "resource") })]],
    ["a kind", "bc", [policy({ include: strict("", "SPAN_KIND_CLIENT", "kind") })]],
    [
      "out wins over in",
      "b",
      [policy({ include: strict("", "SPAN_KIND_CLIENT", "kind"), exclude: strict("ok", true) })],
    ],
    [
      "all ins must match",
      "c",
      [
        policy({ include: strict("", "SPAN_KIND_CLIENT", "kind") }),
        policy({ include: strict("ok", true) }),
      ],
    ],
    [
      "any of some",
      "ac",
      [policy({ includeAny: strict("n", 1n) }), policy({ includeAny: strict("ok", true) })],
    ],
    [
      "a part of the name",
      "ab",
      [
        policy({
          include: { type: "regex", attributes: [{ of: "name", key: "", value: "[ab]" }] },
        }),
      ],
    ],
    [
      "a pattern fits texts only",
      "c",
      [policy({ include: { type: "regex", attributes: [{ of: "span", key: "n", value: "1" }] } })],
    ],
  ])("%s", (_, expected, policies) => {
    expect(kept(...policies)).toBe(expected);
  });
});

test("spans of long ago, of the future, and of pushes that ask for it are left out", () => {
  const at = (ms: number): PlainSpan => {
    const endUnixNano = BigInt(NOW + ms) * 1_000_000n;
    return span(0, { startUnixNano: endUnixNano, endUnixNano });
  };
  const spans = [at(-30_001), at(-29_999), at(0), at(0), at(0), at(29_999), at(30_001)];
  const metrics = metricsOf(only({}), spans, [{ from: 2, to: 4 }]);
  expect(valuesOf(metrics.tick(NOW, true))).toEqual({
    [`traces_spanmetrics_calls_total{${LABELS}}`]: 3,
  });
  expect(metrics.figures).toMatchObject({ spansReceived: 7, outsideSlack: 2, pushesSkipped: 1 });
});

test("samples are sent when they are due", () => {
  const metrics = metricsOf(only({}), [span(1)]);
  expect([...metrics.tick(NOW + 14_999, false)]).toEqual([]);
  expect([...metrics.tick(NOW + 15_000, false)]).not.toEqual([]);
  expect([...metrics.tick(NOW + 16_000, false)]).toEqual([]);
  const disabled = metricsOf({ ...only({}), collectionDisabled: true }, [span(1)]);
  expect([...disabled.tick(NOW, true)]).toEqual([]);
  expect(disabled.figures.series.active).toBe(1);
});

test("hosts are told by the first identifier that is a text", () => {
  const host = (...attributes: PlainSpan["attributes"]) =>
    span(1, { resource: aService("x", attributes) });
  const values = series({ hostInfo: hostInfo() }, [
    host({ key: "host.id", value: "h-1" }, { key: "k8s.node.name", value: "node-1" }),
    host({ key: "host.id", value: "h-2" }, { key: "k8s.node.name", value: 5n }),
    host({ key: "host.name", value: "h-3" }),
  ]);
  expect(values).toEqual({
    'traces_host_info{grafana_host_id="node-1",host_source="k8s.node.name"}': 1,
    'traces_host_info{grafana_host_id="h-2",host_source="host.id"}': 1,
  });
});

test("ten thousand spans of a hundred names are a hundred series", () => {
  const spans = Array.from({ length: 10_000 }, (_, i) =>
    span(1, { traceId: traceIdOf(i + 1), spanId: spanIdOf(i + 1), name: `op ${i % 100}` }),
  );
  const values = series(only({}), spans);
  expect(Object.values(values)).toEqual(Array(100).fill(100));
});
