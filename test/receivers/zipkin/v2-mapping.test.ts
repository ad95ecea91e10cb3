import { describe, expect, test } from "vitest";
import { DecodeError } from "../../../src/model/decode-error.ts";
import type { PlainSpan } from "../../support/read-batch.ts";
import {
  aZipkinSpan,
  START_MICROS,
  type ZipkinEndpoint,
  type ZipkinSpan,
} from "../../support/zipkin-builder.ts";
import { decode, decodeV2, V2_ENCODINGS, valuesOf } from "./support.ts";

const START = BigInt(START_MICROS) * 1000n;

describe.each(V2_ENCODINGS)("a v2 span in $name", (encoding) => {
  const { format, typed, encode } = encoding;

  test.each<[string, Partial<ZipkinSpan>, Partial<PlainSpan>]>([
    ["ids of 128 and 64 bits", {}, { traceId: "0af7651916cd43dd8448eb211c80319c" }],
    [
      "a trace id of 64 bits",
      { traceId: "8448eb211c80319c" },
      { traceId: `${"0".repeat(16)}8448eb211c80319c` },
    ],
    ["an id", {}, { spanId: "b7ad6b7169203331", parentSpanId: "" }],
    ["a parent", { parentId: "00000000000000ff" }, { parentSpanId: "00000000000000ff" }],
    ["a parent that is the span itself", { parentId: "b7ad6b7169203331" }, { parentSpanId: "" }],
    ["a parent of zeros", { parentId: "0000000000000000" }, { parentSpanId: "" }],
    ["trace state", { tags: { "w3c.tracestate": "a=b" } }, { traceState: "a=b", attributes: [] }],
    ["a name, in its case", { name: "GET /Ü" }, { name: "GET /Ü" }],
    ["kind CLIENT", { kind: "CLIENT" }, { kind: 3 }],
    ["kind SERVER", { kind: "SERVER" }, { kind: 2 }],
    ["kind PRODUCER", { kind: "PRODUCER" }, { kind: 4 }],
    ["kind CONSUMER", { kind: "CONSUMER" }, { kind: 5 }],
    ["no kind", {}, { kind: 0 }],
    [
      "tag span.kind = internal",
      { tags: { "span.kind": "internal" } },
      { kind: 1, attributes: [] },
    ],
    ["another tag span.kind", { tags: { "span.kind": "server" } }, { kind: 0, attributes: [] }],
    [
      "tag span.kind beside a kind",
      { kind: "CLIENT", tags: { "span.kind": "internal" } },
      { kind: 3, attributes: [{ key: "span.kind", value: "internal" }] },
    ],
    ["times", {}, { startUnixNano: START, endUnixNano: START + 1_500_000n }],
    ["no duration", { duration: 0 }, { startUnixNano: START, endUnixNano: START }],
    [
      "the largest times",
      { timestamp: Number.MAX_SAFE_INTEGER, duration: Number.MAX_SAFE_INTEGER },
      {
        startUnixNano: BigInt(Number.MAX_SAFE_INTEGER) * 1000n,
        endUnixNano: BigInt(Number.MAX_SAFE_INTEGER) * 2000n,
      },
    ],
    ["debug and shared", { debug: true, shared: true }, { flags: 0, attributes: [] }],
  ])("%s", (_, over, expected) => {
    expect(decodeV2(encoding, over)).toMatchObject(expected);
  });

  describe("status", () => {
    const code = "otel.status_code";
    test.each<[Record<string, string>, number, string, string[]]>([
      [{}, 0, "", []],
      [{ [code]: "STATUS_CODE_UNSET" }, 0, "", []],
      [{ [code]: "Unset" }, 0, "", []],
      [{ [code]: "STATUS_CODE_OK" }, 1, "", []],
      [{ [code]: "Ok" }, 1, "", []],
      [{ [code]: "OK" }, 1, "", []],
      [{ [code]: "STATUS_CODE_ERROR" }, 2, "", []],
      [{ [code]: "Error" }, 2, "", []],
      [{ [code]: "ERROR" }, 2, "", []],
      [{ [code]: "error" }, 0, "", []],
      [{ [code]: "Error", "otel.status_description": "why" }, 2, "why", []],
      [{ error: "" }, 2, "", ["error"]],
      [{ error: "false" }, 2, "", ["error"]],
      [{ error: "true" }, 2, "", []],
      [{ error: "TRUE" }, 2, "", ["error"]],
      [{ [code]: "Ok", error: "boom" }, 2, "", ["error"]],
    ])("%j is %i", (tags, status, statusMessage, left) => {
      const span = decodeV2(encoding, { tags });
      expect(span).toMatchObject({ status, statusMessage });
      expect(span.attributes.map((a) => a.key)).toEqual(left);
    });
  });

  describe("endpoints", () => {
    const v6 = "2001:db8::1";
    test.each<[string, ZipkinEndpoint, ZipkinEndpoint, Record<string, unknown>]>([
      ["local v4", { ipv4: "10.0.0.1" }, {}, { "net.host.ip": "10.0.0.1" }],
      ["local v6", { ipv6: v6 }, {}, { "net.host.ip": v6 }],
      ["local v4 and v6", { ipv4: "10.0.0.1", ipv6: v6 }, {}, { "net.host.ip": v6 }],
      ["local port", { port: 65_535 }, {}, { "net.host.port": 65_535n }],
      ["local port 0", { port: 0 }, {}, {}],
      ["remote service", {}, { serviceName: "db" }, { "peer.service": "db" }],
      ["remote v4", {}, { ipv4: "10.0.0.2" }, { "net.peer.ip": "10.0.0.2" }],
      ["remote v6", {}, { ipv6: v6 }, { "net.peer.ip": v6 }],
      ["remote port", {}, { port: 5432 }, { "net.peer.port": 5432n }],
    ])("%s", (_, localEndpoint, remoteEndpoint, expected) => {
      const span = decodeV2(encoding, { localEndpoint, remoteEndpoint });
      expect(valuesOf(span.attributes)).toEqual(expected);
      expect(span.resource).toEqual({
        attributes: [],
        droppedAttributes: 0,
        schemaUrl: "",
        serviceName: "",
      });
    });

    test("win over tags of the same names, which count without them", () => {
      const tags = {
        "net.host.ip": "a",
        "net.host.port": "b",
        "net.peer.ip": "c",
        "net.peer.port": "d",
        "peer.service": "e",
      };
      const endpoint = { serviceName: "s", ipv4: "1.2.3.4", port: 1 };
      const both = { localEndpoint: endpoint, remoteEndpoint: endpoint };
      expect(valuesOf(decodeV2(encoding, { ...both, tags }).attributes)).toEqual({
        "net.host.ip": "1.2.3.4",
        "net.host.port": 1n,
        "net.peer.ip": "1.2.3.4",
        "net.peer.port": 1n,
        "peer.service": "s",
      });
      expect(valuesOf(decodeV2(encoding, { tags }).attributes)).toEqual(tags);
    });
  });

  describe("resource and scope", () => {
    test.each<[string, Partial<ZipkinSpan>, string, Record<string, unknown>]>([
      ["a service", {}, "shop", { "service.name": "shop" }],
      [
        "another key for the service",
        { tags: { "otlp.service.name.source": "faas.name" } },
        "",
        { "faas.name": "shop" },
      ],
      [
        "tags of the resource set",
        { tags: { "host.name": "h", "k8s.pod.uid": "u", "telemetry.sdk.name": "zipkin" } },
        "shop",
        {
          "service.name": "shop",
          "host.name": "h",
          "k8s.pod.uid": "u",
          "telemetry.sdk.name": "zipkin",
        },
      ],
      [
        "tag service.name",
        { tags: { "service.name": "other" } },
        "other",
        { "service.name": "other" },
      ],
      [
        "tags without a service",
        { localEndpoint: {}, tags: { "host.name": "h", "otlp.service.name.source": "x" } },
        "",
        { "host.name": "h" },
      ],
    ])("%s", (_, over, serviceName, expected) => {
      const span = decodeV2(encoding, over);
      expect(span.resource.serviceName).toBe(serviceName);
      expect(valuesOf(span.resource.attributes)).toEqual(expected);
      expect(span.attributes).toEqual([]);
    });

    test("spans of one service keep resources of their own, and equal ones share a row", () => {
      const spans = decode(
        format,
        encode([
          aZipkinSpan({ tags: { "host.name": "a" } }),
          aZipkinSpan({ tags: { "host.name": "b" } }),
          aZipkinSpan({ tags: { "host.name": "a", x: "y" } }),
        ]),
      );
      const [first, second, third] = spans.map((span) => span.resource);
      expect(valuesOf(first!.attributes)).toEqual({ "service.name": "shop", "host.name": "a" });
      expect(valuesOf(second!.attributes)).toEqual({ "service.name": "shop", "host.name": "b" });
      expect(third).toBe(first);
    });

    test("otel.library tags are the scope, otel.scope ones are attributes", () => {
      const tags = {
        "otel.library.name": "lib",
        "otel.library.version": "1.2",
        "otel.scope.name": "kept",
      };
      const span = decodeV2(encoding, { tags });
      expect(span.scope).toMatchObject({ name: "lib", version: "1.2", attributes: [] });
      expect(valuesOf(span.attributes)).toEqual({ "otel.scope.name": "kept" });
    });
  });

  test("other tags are string attributes", () => {
    const tags = { "http.path": "/ä", "": "no key", empty: "", number: "12", yes: "true" };
    expect(valuesOf(decodeV2(encoding, { tags }).attributes)).toEqual(tags);
  });

  test.each<[string, unknown]>([
    ["12", 12n],
    ["-0", 0n],
    ["9223372036854775807", 2n ** 63n - 1n],
    ["9223372036854775808", "9223372036854775808"],
    ["1.5", 1.5],
    ["-0.25", -0.25],
    ["1e5", "1e5"],
    [".5", ".5"],
    ["1.", "1."],
    ["true", true],
    ["false", false],
    ["True", "True"],
    ["", ""],
    ["-", "-"],
    ["12a", "12a"],
  ])("with parse_string_tags a tag %j is %s", (text, expected) => {
    const tags = { t: text, "host.name": text, "span.kind": text };
    const [span] = decode(typed, encode([aZipkinSpan({ kind: "CLIENT", tags })]));
    expect(valuesOf(span!.attributes)).toEqual({ t: expected, "span.kind": expected });
    expect(valuesOf(span!.resource.attributes)).toMatchObject({ "host.name": text });
  });

  describe("annotations", () => {
    const at = START_MICROS + 7;
    test.each<[string, string, Record<string, unknown>, number]>([
      ["plain", "plain", {}, 0],
      ["", "", {}, 0],
      ["a|b", "a", {}, 0],
      [
        'e|{"s":"x","i":7,"j":7.0,"d":1.5,"b":true,"n":null,"o":{},"l":[1]}|3',
        "e",
        { s: "x", i: 7n, j: 7n, d: 1.5, b: true },
        3,
      ],
      ['e|{"s":"a|b"}|0', "e", { s: "a|b" }, 0],
      [
        'e|{"big":9223372036854775807,"huge":9223372036854775808}|0',
        "e",
        { big: 2n ** 63n - 1n, huge: 2 ** 63 },
        0,
      ],
      ["e|null|4294967295", "e", {}, 4_294_967_295],
    ])("%j", (value, name, attributes, droppedAttributes) => {
      const [event] = decodeV2(encoding, { annotations: [{ timestamp: at, value }] }).events;
      expect(event).toMatchObject({ name, droppedAttributes, timeUnixNano: BigInt(at) * 1000n });
      expect(valuesOf(event!.attributes)).toEqual(attributes);
    });

    test.each([
      "a|b|c",
      "a|{}|",
      "a|{}|x",
      "a|{}|4294967296",
      "a|{}|-1",
      "a||0",
      "a|{}x|0",
      "a|[]|0",
    ])("%j refuses the request", (value) => {
      const body = encode([aZipkinSpan({ annotations: [{ timestamp: at, value }] })]);
      expect(() => decode(format, body)).toThrow(DecodeError);
    });
  });

  describe("links", () => {
    const ids = "0af7651916cd43dd8448eb211c80319d|00f067aa0ba902b7";
    test("come from otlp.link tags up to the first gap; those after it are attributes", () => {
      const tags = {
        "otlp.link.0": `${ids}|k=v|{"a":1,"b":"x|y"}|2`,
        "otlp.link.1": "fewer|than|five|parts",
        "otlp.link.2": `${ids.toUpperCase()}||{}|0`,
        "otlp.link.4": "after the gap",
        "otlp.link.04": "leading zero",
        "otlp.link.128": "beyond the bound",
        "otlp.link.": "no number",
      };
      const span = decodeV2(encoding, { tags });
      const link = {
        traceId: "0af7651916cd43dd8448eb211c80319d",
        spanId: "00f067aa0ba902b7",
        flags: 0,
      };
      expect(span.links).toMatchObject([
        { ...link, traceState: "k=v", droppedAttributes: 2 },
        { ...link, traceState: "", droppedAttributes: 0, attributes: [] },
      ]);
      expect(valuesOf(span.links[0]!.attributes)).toEqual({ a: 1n, b: "x|y" });
      expect(valuesOf(span.attributes)).toEqual({
        "otlp.link.4": "after the gap",
        "otlp.link.04": "leading zero",
        "otlp.link.128": "beyond the bound",
        "otlp.link.": "no number",
      });
    });

    test("are at most 128", () => {
      const tags = Object.fromEntries(
        Array.from({ length: 130 }, (_, i) => [`otlp.link.${i}`, `${ids}||{}|0`]),
      );
      const span = decodeV2(encoding, { tags });
      expect([span.links.length, span.attributes.length]).toEqual([128, 2]);
    });

    test.each([`x${ids.slice(1)}||{}|0`, "12|34||{}|0", `${ids}||{|0`, `${ids}||{}|`])(
      "%j refuses the request",
      (value) => {
        const body = encode([aZipkinSpan({ tags: { "otlp.link.0": value } })]);
        expect(() => decode(format, body)).toThrow(DecodeError);
      },
    );
  });

  test("one server span and its client may share an id", () => {
    const spans = decode(
      format,
      encode([
        aZipkinSpan({ kind: "CLIENT" }),
        aZipkinSpan({ kind: "SERVER", shared: true, localEndpoint: { serviceName: "db" } }),
      ]),
    );
    expect(spans.map((s) => [s.spanId, s.kind, s.resource.serviceName])).toEqual([
      ["b7ad6b7169203331", 3, "shop"],
      ["b7ad6b7169203331", 2, "db"],
    ]);
  });
});
