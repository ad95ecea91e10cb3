import { describe, expect, test } from "vitest";
import { BodyFormat } from "../../../src/ingest/ingest.ts";
import type { ZipkinFormat } from "../../../src/receivers/zipkin/decode.ts";
import type { PlainSpan } from "../../support/read-batch.ts";
import {
  ipv6Bytes,
  json,
  START_MICROS,
  type ThriftEndpoint,
  v1Thrift,
  type ZipkinEndpoint,
} from "../../support/zipkin-builder.ts";
import { decode, valuesOf } from "./support.ts";

/** A v1 span as it stands in JSON; `v1Thrift` takes the same after a translation. */
type V1Span = {
  traceId?: string;
  id?: string;
  parentId?: string;
  name?: string;
  timestamp?: number;
  duration?: number;
  debug?: boolean;
  annotations?: { timestamp: number; value: string; endpoint?: ZipkinEndpoint }[];
  binaryAnnotations?: { key: string; value: string; endpoint?: ZipkinEndpoint }[];
};

type V1Encoding = {
  name: string;
  format: ZipkinFormat;
  encode: (spans: readonly V1Span[]) => Uint8Array<ArrayBuffer>;
};

const ENCODINGS: readonly V1Encoding[] = [
  { name: "JSON", format: BodyFormat.zipkinV1Json, encode: json },
  { name: "Thrift", format: BodyFormat.zipkinV1Thrift, encode: thriftOf },
];

function thriftOf(spans: readonly V1Span[]): Uint8Array<ArrayBuffer> {
  return v1Thrift(
    spans.map(({ traceId = "", annotations, binaryAnnotations, ...span }) => ({
      ...span,
      traceId: traceId.slice(-16),
      ...(traceId.length > 16 && { traceIdHigh: traceId.slice(0, -16) }),
      ...(annotations && {
        annotations: annotations.map(({ endpoint, ...a }) => ({ ...a, ...hostOf(endpoint) })),
      }),
      ...(binaryAnnotations && {
        binaryAnnotations: binaryAnnotations.map(({ endpoint, ...b }) => ({
          ...b,
          ...hostOf(endpoint),
        })),
      }),
    })),
  );
}

function hostOf(endpoint: ZipkinEndpoint | undefined): { host?: ThriftEndpoint } {
  if (endpoint === undefined) return {};
  const { serviceName, ipv4, ipv6, port } = endpoint;
  return {
    host: {
      ...(serviceName !== undefined && { service: serviceName }),
      ...(port !== undefined && { port }),
      ...(ipv4 !== undefined && { ipv4: Buffer.from(ipv4.split(".").map(Number)).readInt32BE() }),
      ...(ipv6 !== undefined && { ipv6: ipv6Bytes(ipv6) }),
    },
  };
}

function aSpan(over: V1Span = {}): V1Span {
  return {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    id: "b7ad6b7169203331",
    name: "get /",
    timestamp: START_MICROS,
    duration: 1500,
    ...over,
  };
}

const START = BigInt(START_MICROS) * 1000n;
const shop: ZipkinEndpoint = { serviceName: "shop", ipv4: "10.0.0.1", port: 8080 };
const at = (value: string, endpoint?: ZipkinEndpoint, timestamp = START_MICROS) => ({
  timestamp,
  value,
  ...(endpoint && { endpoint }),
});
const tag = (key: string, value: string, endpoint?: ZipkinEndpoint) => ({
  key,
  value,
  ...(endpoint && { endpoint }),
});

describe.each(ENCODINGS)("a v1 span in $name", ({ format, encode }) => {
  const one = (over: V1Span): PlainSpan => decode(format, encode([aSpan(over)]))[0]!;

  test.each<[string, V1Span, Partial<PlainSpan>]>([
    [
      "ids of 128 and 64 bits",
      {},
      { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", parentSpanId: "" },
    ],
    [
      "a trace id of 64 bits",
      { traceId: "8448eb211c80319c" },
      { traceId: `${"0".repeat(16)}8448eb211c80319c` },
    ],
    ["a parent", { parentId: "00000000000000ff" }, { parentSpanId: "00000000000000ff" }],
    ["a parent that is the span itself", { parentId: "b7ad6b7169203331" }, { parentSpanId: "" }],
    ["a name", { name: "Ü" }, { name: "Ü" }],
    ["times", {}, { startUnixNano: START, endUnixNano: START + 1_500_000n }],
    [
      "times of annotations, when the span has none",
      {
        timestamp: 0,
        duration: 9,
        annotations: [at("b", shop, 300), at("sr", shop, 100), at("ss", shop, 700)],
      },
      { startUnixNano: 100_000n, endUnixNano: 700_000n },
    ],
    ["debug", { debug: true }, { flags: 0, attributes: [] }],
  ])("%s", (_, over, expected) => {
    expect(one(over)).toMatchObject(expected);
  });

  test.each([
    [["cs", "cr"], 3],
    [["cr"], 3],
    [["sr", "ss"], 2],
    [["ss"], 2],
    [["ms"], 4],
    [["mr"], 5],
    [["x", "sr", "cs"], 2],
    [["x", "ws"], 0],
    [[], 0],
  ])("annotations %j are kind %i", (values, kind) => {
    const span = one({ annotations: values.map((value) => at(value, shop)) });
    expect(span.kind).toBe(kind);
    expect(span.events.map((e) => e.name)).toEqual(
      values.filter((v) => v.length === 1 || v === "ws"),
    );
  });

  test("an event has the annotation's time and whole text", () => {
    expect(one({ annotations: [at('a|{"b":1}|2', shop, START_MICROS + 5)] }).events).toEqual([
      {
        name: 'a|{"b":1}|2',
        timeUnixNano: START + 5000n,
        attributes: [],
        droppedAttributes: 0,
      },
    ]);
  });

  describe("the service", () => {
    const other: ZipkinEndpoint = { serviceName: "other", port: 1 };
    const unnamed: ZipkinEndpoint = { port: 7 };
    test.each<[string, V1Span, Record<string, string>]>([
      [
        "of the first kind-bearing annotation that names one",
        { annotations: [at("x", other), at("cs", unnamed), at("cr", shop), at("cs", other)] },
        { "service.name": "shop", ipv4: "10.0.0.1", port: "8080" },
      ],
      [
        "with an IPv6 address",
        { annotations: [at("sr", { serviceName: "s", ipv6: "2001:db8::1" })] },
        { "service.name": "s", ipv6: "2001:db8::1" },
      ],
      [
        "of the last binary annotation",
        {
          annotations: [at("x", other)],
          binaryAnnotations: [tag("a", "b", other), tag("c", "d", shop), tag("lc", "lc")],
        },
        { "service.name": "shop" },
      ],
      ["of lc", { binaryAnnotations: [tag("lc", "spring")] }, { "service.name": "spring" }],
      ["unknown", {}, { "service.name": "unknown-service" }],
    ])("%s", (_, over, expected) => {
      const span = one(over);
      expect(valuesOf(span.resource.attributes)).toEqual(expected);
      expect(span.resource.serviceName).toBe(expected["service.name"]);
      expect(span.scope).toMatchObject({ name: "", version: "" });
    });

    test("and its address group spans", () => {
      const spans = decode(
        format,
        encode(
          [shop, shop, { ...shop, port: 1 }].map((e) => aSpan({ annotations: [at("sr", e)] })),
        ),
      );
      expect(spans[0]!.resource).toBe(spans[1]!.resource);
      expect(spans[2]!.resource).not.toBe(spans[1]!.resource);
    });
  });

  test("binary annotations are attributes, lc as component", () => {
    const binaryAnnotations = [
      tag("http.path", "/ü"),
      tag("lc", "spring"),
      tag("sa", "1", shop),
      tag("", "no key"),
      tag("", ""),
      tag("number", "12"),
    ];
    expect(valuesOf(one({ binaryAnnotations }).attributes)).toEqual({
      "http.path": "/ü",
      component: "spring",
      sa: "1",
      "": "no key",
      number: "12",
    });
  });

  describe("the status", () => {
    const census = "census.status_code";
    const otel = "otel.status_code";
    const http = "http.status_code";
    test.each<[Record<string, string>, number, string, string[]]>([
      [{ [census]: "0", [otel]: "2", error: "x" }, 1, "", []],
      [{ [census]: "5", "census.status_description": "why" }, 2, "why", []],
      [{ [census]: "5", "opencensus.status_description": "why" }, 2, "why", []],
      [{ [otel]: "0", error: "x" }, 0, "", []],
      [{ [otel]: "1", [http]: "500" }, 1, "", [http]],
      [
        { [otel]: "2", "otel.status_description": "why", "census.status_description": "no" },
        2,
        "why",
        [],
      ],
      [{ [otel]: "ERROR" }, 2, "", []],
      [{ [otel]: "nonsense", [http]: "500" }, 2, "", [http]],
      [{ error: "true" }, 2, "", []],
      [{ error: "", [http]: "200" }, 2, "", [http]],
      [{ error: "boom", "http.status_message": "m" }, 2, "boom", ["http.status_message"]],
      [{ [http]: "100" }, 0, "", [http]],
      [{ [http]: "399", "http.status_message": "m" }, 0, "m", [http, "http.status_message"]],
      [{ [http]: "400" }, 2, "", [http]],
      [{ [http]: "99" }, 2, "", [http]],
      [{ [http]: "x" }, 0, "", [http]],
    ])("of %j is %i", (tags, status, statusMessage, left) => {
      const span = one({ binaryAnnotations: Object.entries(tags).map(([k, v]) => tag(k, v)) });
      expect(span).toMatchObject({ status, statusMessage });
      expect(span.attributes.map((a) => a.key)).toEqual(left);
    });
  });
});
