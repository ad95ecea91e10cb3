import { describe, expect, test } from "vitest";
import {
  aJaegerSpan,
  type JaegerReference,
  type JaegerSpan,
  type JaegerTag,
  SPAN_ID,
  TRACE_ID,
} from "../../support/jaeger-builder.ts";
import type { PlainAttribute, PlainSpan } from "../../support/read-batch.ts";
import { FORMATS, type Format, stored } from "./support.ts";

const OTHER_TRACE = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
const PARENT = "2122232425262728";
const OTHER = "3132333435363738";

const THRIFT: readonly Format[] = ["binary", "compact"];

function one(format: Format, span: Partial<JaegerSpan>): PlainSpan {
  const [found, ...others] = stored(format, [aJaegerSpan(span)]);
  expect(others).toEqual([]);
  return found!;
}

function withTags(format: Format, ...tags: JaegerTag[]): PlainSpan {
  return one(format, { tags });
}

/** Attributes in no order: the store keeps none. */
function attributesOf(span: { attributes: PlainAttribute[] }): Record<string, unknown> {
  return Object.fromEntries(span.attributes.map(({ key, value }) => [key, value]));
}

function resourceOf(
  format: Format,
  service: string,
  ...tags: JaegerTag[]
): Record<string, unknown> & { name: string } {
  const [span] = stored(format, [aJaegerSpan()], { service, tags });
  return { ...attributesOf(span!.resource), name: span!.resource.serviceName };
}

describe.each(FORMATS)("in %s", (format) => {
  test("ids, name and times arrive", () => {
    expect(one(format, {})).toMatchObject({
      traceId: TRACE_ID,
      spanId: SPAN_ID,
      parentSpanId: "",
      name: "op",
      startUnixNano: 1_700_000_000_123_456_000n,
      endUnixNano: 1_700_000_000_124_245_000n,
      traceState: "",
      kind: 0,
      status: 0,
      statusMessage: "",
      // Jaeger's flags say whether to sample.
      flags: 0,
      attributes: [],
      events: [],
      links: [],
    });
  });

  test("a trace id of 64 bits has zeros before it", () => {
    const traceId = "0000000000000000ffffffffffffffff";
    const spanId = "ffffffffffffffff";
    expect(one(format, { traceId, spanId })).toMatchObject({ traceId, spanId });
  });

  describe("the process becomes the resource:", () => {
    test.each<[string, string, JaegerTag[], Record<string, unknown>]>([
      ["service name", "shop", [], { "service.name": "shop", name: "shop" }],
      ["no service name", "", [["a", 1n]], { a: 1n, name: "" }],
      [
        "a tag of the same name overrides it",
        "shop",
        [["service.name", "other"]],
        { "service.name": "other", name: "other" },
      ],
      [
        "typed tags",
        "s",
        [
          ["s", "x"],
          ["b", false],
          ["i", -5n],
          ["d", 0.5],
          ["y", Uint8Array.of(1, 2, 255)],
        ],
        {
          "service.name": "s",
          s: "x",
          b: false,
          i: -5n,
          d: 0.5,
          y: { json: '{"bytesValue":"AQL/"}' },
          name: "s",
        },
      ],
      [
        "hostname gets OTLP's name",
        "s",
        [["hostname", "h1"]],
        { "service.name": "s", "host.name": "h1", name: "s" },
      ],
      [
        "hostname stays beside host.name",
        "s",
        [
          ["hostname", "h1"],
          ["host.name", "h2"],
        ],
        { "service.name": "s", hostname: "h1", "host.name": "h2", name: "s" },
      ],
      [
        "jaeger.version becomes an exporter's version",
        "s",
        [["jaeger.version", "Go-2.30.0"]],
        {
          "service.name": "s",
          "opencensus.exporterversion": "Jaeger-Go-2.30.0",
          name: "s",
        },
      ],
      [
        "jaeger.version stays beside an exporter's version",
        "s",
        [
          ["opencensus.exporterversion", "x"],
          ["jaeger.version", "Go-2"],
        ],
        {
          "service.name": "s",
          "opencensus.exporterversion": "x",
          "jaeger.version": "Go-2",
          name: "s",
        },
      ],
    ])("%s", (_, service, tags, expected) => {
      expect(resourceOf(format, service, ...tags)).toEqual(expected);
    });
  });

  test("tags keep their types", () => {
    const span = withTags(
      format,
      ["s", "grüße"],
      ["empty", ""],
      ["yes", true],
      ["no", false],
      ["small", -1n],
      ["big", 2n ** 63n - 1n],
      ["least", -(2n ** 63n)],
      ["d", -0.1],
      ["inf", Number.NEGATIVE_INFINITY],
      ["bytes", new Uint8Array(0)],
      ["odd", { type: 9 }],
    );
    expect(attributesOf(span)).toEqual({
      s: "grüße",
      empty: "",
      yes: true,
      no: false,
      small: -1n,
      big: 2n ** 63n - 1n,
      least: -(2n ** 63n),
      d: -0.1,
      inf: Number.NEGATIVE_INFINITY,
      bytes: { json: '{"bytesValue":""}' },
      odd: '<Unknown Jaeger TagType "9">',
    });
  });

  test("tags that mean nothing to OTLP stay attributes", () => {
    const tags: JaegerTag[] = [
      ["internal.span.format", "jaeger"],
      ["sampler.type", "const"],
      ["sampler.param", true],
      ["ip", 2130706433n],
      ["otel.library.name", "lib"],
    ];
    expect(attributesOf(withTags(format, ...tags))).toEqual(Object.fromEntries(tags));
  });

  describe("kind", () => {
    test.each<[JaegerTag, number]>([
      [["span.kind", "internal"], 1],
      [["span.kind", "server"], 2],
      [["span.kind", "client"], 3],
      [["span.kind", "producer"], 4],
      [["span.kind", "consumer"], 5],
      [["span.kind", "Server"], 0],
      [["span.kind", ""], 0],
      [["span.kind", 2n], 0],
    ])("of %s is %i, and the tag is gone", (tag, kind) => {
      expect(withTags(format, tag, ["a", 1n])).toMatchObject({
        kind,
        attributes: [{ key: "a", value: 1n }],
      });
    });
  });

  describe("status", () => {
    const OK = 1;
    const ERROR = 2;
    test.each<[string, JaegerTag[], number, string, JaegerTag[]]>([
      ["error is true", [["error", true]], ERROR, "", []],
      [
        "error is true, with a description",
        [
          ["error", true],
          ["otel.status_description", "d"],
          ["http.status_message", "m"],
        ],
        ERROR,
        "d",
        [["http.status_message", "m"]],
      ],
      [
        "error is true, with a message of HTTP",
        [
          ["http.status_message", "m"],
          ["error", true],
        ],
        ERROR,
        "m",
        [["http.status_message", "m"]],
      ],
      [
        "error is true and decides over codes",
        [
          ["error", true],
          ["otel.status_code", "OK"],
          ["http.status_code", 200n],
        ],
        ERROR,
        "",
        [["http.status_code", 200n]],
      ],
      ["error is false", [["error", false]], 0, "", [["error", false]]],
      ["error is a string", [["error", "true"]], 0, "", [["error", "true"]]],
      ["error is a number", [["error", 1n]], 0, "", [["error", 1n]]],
      [
        "the last error counts",
        [
          ["error", false],
          ["error", true],
        ],
        ERROR,
        "",
        [],
      ],
      ["code is OK", [["otel.status_code", "OK"]], OK, "", []],
      ["code is ok in small letters", [["otel.status_code", "ok"]], OK, "", []],
      [
        "code is ERROR, with a description",
        [
          ["otel.status_code", "Error"],
          ["otel.status_description", "why"],
        ],
        ERROR,
        "why",
        [],
      ],
      [
        "code is another word",
        [
          ["otel.status_code", "STATUS_CODE_ERROR"],
          ["otel.status_description", "why"],
        ],
        0,
        "why",
        [],
      ],
      ["code is a number", [["otel.status_code", 2n]], 0, "", []],
      [
        "code decides over HTTP, error that is false stays",
        [
          ["error", false],
          ["otel.status_code", "OK"],
          ["http.status_code", 500n],
        ],
        OK,
        "",
        [
          ["error", false],
          ["http.status_code", 500n],
        ],
      ],
      [
        "a description alone",
        [["otel.status_description", "d"]],
        0,
        "",
        [["otel.status_description", "d"]],
      ],
      [
        "the description of a failed HTTP request stays",
        [
          ["http.status_code", 500n],
          ["otel.status_description", "d"],
          ["http.status_message", "m"],
        ],
        ERROR,
        "m",
        [
          ["http.status_code", 500n],
          ["otel.status_description", "d"],
          ["http.status_message", "m"],
        ],
      ],
    ])("when %s", (_, tags, status, message, attributes) => {
      const span = withTags(format, ...tags);
      expect([span.status, span.statusMessage]).toEqual([status, message]);
      expect(attributesOf(span)).toEqual(Object.fromEntries(attributes));
    });

    test.each<[JaegerTag[1], string | undefined, number]>([
      [200n, undefined, 0],
      [100n, undefined, 0],
      [398n, undefined, 0],
      [399n, undefined, ERROR],
      [99n, undefined, ERROR],
      [0n, undefined, ERROR],
      [-1n, undefined, ERROR],
      [2n ** 40n, undefined, ERROR],
      [404n, "client", ERROR],
      [404n, "server", 0],
      [404n, "consumer", ERROR],
      [499n, undefined, ERROR],
      [500n, "server", ERROR],
      ["503", "server", ERROR],
      ["200", "server", 0],
      ["+404", "client", ERROR],
      ["-1", undefined, ERROR],
      ["4o4", undefined, 0],
      ["", undefined, 0],
      [500.5, undefined, 0],
      [true, undefined, 0],
    ])("of http.status_code %s with kind %s is %i", (code, kind, status) => {
      const tags: JaegerTag[] = [["http.status_code", code]];
      if (kind !== undefined) tags.push(["span.kind", kind]);
      const span = withTags(format, ...tags);
      expect(span.status).toBe(status);
      expect(attributesOf(span)).toEqual({ "http.status_code": code });
    });
  });

  describe("references:", () => {
    const ref = (type: JaegerReference["type"], traceId: string, spanId: string) => ({
      type,
      traceId,
      spanId,
    });
    const link = (type: "child_of" | "follows_from", traceId: string, spanId: string) => ({
      traceId,
      spanId,
      attributes: [{ key: "opentracing.ref_type", value: type }],
    });
    test.each<[string, JaegerReference[], string, ReturnType<typeof link>[]]>([
      ["a child has a parent", [ref("childOf", TRACE_ID, PARENT)], PARENT, []],
      [
        "what it follows is parent and link",
        [ref("followsFrom", TRACE_ID, PARENT)],
        PARENT,
        [link("follows_from", TRACE_ID, PARENT)],
      ],
      [
        "a parent goes before what it follows",
        [ref("followsFrom", TRACE_ID, OTHER), ref("childOf", TRACE_ID, PARENT)],
        PARENT,
        [link("follows_from", TRACE_ID, OTHER)],
      ],
      [
        "of two parents the first counts",
        [ref("childOf", TRACE_ID, PARENT), ref("childOf", TRACE_ID, OTHER)],
        PARENT,
        [link("child_of", TRACE_ID, OTHER)],
      ],
      [
        "another trace's spans are no parents",
        [ref("childOf", OTHER_TRACE, PARENT), ref("followsFrom", OTHER_TRACE, OTHER)],
        "",
        [link("child_of", OTHER_TRACE, PARENT), link("follows_from", OTHER_TRACE, OTHER)],
      ],
      [
        "another trace's span with the parent's id is no link",
        [ref("childOf", TRACE_ID, PARENT), ref("childOf", OTHER_TRACE, PARENT)],
        PARENT,
        [],
      ],
      ["a zero id is no parent", [ref("childOf", TRACE_ID, "0000000000000000")], "", []],
    ])("%s", (_, references, parentSpanId, links) => {
      expect(one(format, { references })).toMatchObject({ parentSpanId, links });
    });
  });

  describe("logs become events:", () => {
    const micros = 1_700_000_000_000_001n;
    test.each<[string, JaegerTag[], string, PlainAttribute[]]>([
      ["without fields", [], "", []],
      [
        "the event names it",
        [
          ["event", "retry"],
          ["n", 3n],
        ],
        "retry",
        [{ key: "n", value: 3n }],
      ],
      ["an event that is no string names nothing", [["event", 5n]], "", []],
      ["no event", [["message", "m"]], "", [{ key: "message", value: "m" }]],
    ])("%s", (_, fields, name, attributes) => {
      expect(one(format, { logs: [{ micros, fields }] }).events).toEqual([
        { timeUnixNano: 1_700_000_000_000_001_000n, name, attributes, droppedAttributes: 0 },
      ]);
    });

    test("in their order, each with its own fields", () => {
      const logs = [1n, 2n, 3n].map((n) => ({ micros: n, fields: [["n", n]] as JaegerTag[] }));
      const events = one(format, { logs, tags: [["t", 1n]] }).events;
      expect(events.map((e) => [e.timeUnixNano, e.attributes])).toEqual(
        [1n, 2n, 3n].map((n) => [n * 1000n, [{ key: "n", value: n }]]),
      );
    });
  });

  test("spans without anything are left out, others without an id refused", () => {
    const blank = aJaegerSpan({
      traceId: "0",
      spanId: "0",
      name: "",
      flags: 0,
      startMicros: 0n,
      durationMicros: 0n,
    });
    if (format !== "protobuf") expect(stored(format, [blank, aJaegerSpan()]).length).toBe(1);
    const zeroes = { traceId: "0".repeat(32), spanId: "0".repeat(16) };
    const no = (span: Partial<JaegerSpan>) => () =>
      stored(format, [aJaegerSpan(), aJaegerSpan(span)]);
    expect(no({ traceId: zeroes.traceId })).toThrow(
      expect.objectContaining({ failure: "trace_id" }),
    );
    expect(no({ spanId: zeroes.spanId })).toThrow(expect.objectContaining({ failure: "span_id" }));
  });
});

describe("tags that mean something in protobuf only", () => {
  const TAGS: JaegerTag[] = [
    ["w3c.tracestate", "a=1,b=2"],
    ["otel.scope.name", "lib"],
    ["otel.scope.version", "1.0"],
    ["x", 1n],
  ];

  test("are trace state and scope there", () => {
    const span = withTags("protobuf", ...TAGS);
    expect(span.traceState).toBe("a=1,b=2");
    expect(span.scope).toMatchObject({ name: "lib", version: "1.0", attributes: [] });
    expect(attributesOf(span)).toEqual({ x: 1n });
  });

  test.each(THRIFT)("are attributes in %s", (format) => {
    const span = withTags(format, ...TAGS);
    expect(span.traceState).toBe("");
    expect(span.scope).toMatchObject({ name: "", version: "" });
    expect(attributesOf(span)).toEqual(Object.fromEntries(TAGS));
  });

  test("a version without a name is an attribute; a name that is no string is empty", () => {
    const unnamed = withTags("protobuf", ["otel.scope.version", "1.0"]);
    expect([unnamed.scope.version, attributesOf(unnamed)]).toEqual([
      "",
      { "otel.scope.version": "1.0" },
    ]);
    const odd = withTags("protobuf", ["otel.scope.name", 5n], ["otel.scope.version", "1.0"]);
    expect([odd.scope.name, odd.scope.version, odd.attributes]).toEqual(["", "1.0", []]);
  });

  test("spans of one scope share its row", () => {
    const spans = ["a", "b", "a", ""].map((name) =>
      aJaegerSpan({ tags: name === "" ? [] : [["otel.scope.name", name]] }),
    );
    expect(stored("protobuf", spans).map((span) => span.scope.name)).toEqual(["a", "b", "a", ""]);
  });

  test("a service name that stands for none leaves the resource empty", () => {
    const none = "OTLPResourceNoServiceName";
    expect(resourceOf("protobuf", none, ["a", 1n])).toEqual({ name: "" });
    for (const format of THRIFT) {
      expect(resourceOf(format, none, ["a", 1n])).toEqual({
        "service.name": none,
        a: 1n,
        name: none,
      });
    }
  });
});

describe.each(THRIFT)("in %s", (format) => {
  test("the parent's id decides, and references to it are no links", () => {
    const references: JaegerReference[] = [
      { type: "childOf", traceId: TRACE_ID, spanId: OTHER },
      { type: "childOf", traceId: TRACE_ID, spanId: PARENT },
    ];
    expect(one(format, { parentSpanId: PARENT, references })).toMatchObject({
      parentSpanId: PARENT,
      links: [{ spanId: OTHER }],
    });
  });

  test("times are unsigned and wrap", () => {
    expect(one(format, { startMicros: -1n, durationMicros: 2n })).toMatchObject({
      startUnixNano: 2n ** 64n - 1000n,
      endUnixNano: 1000n,
    });
  });
});
