import { describe, expect, test } from "vitest";
import { BodyFormat } from "../../../src/ingest/ingest.ts";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { decode, valuesOf } from "./support.ts";

const IDS = '"traceId":"8448eb211c80319c","id":"b7ad6b7169203331"';
const RECEIVED_UNIX_MS = 1_800_000_000_123;

const decodeText = (text: string, format: 18 | 22 = BodyFormat.zipkinV1Json) =>
  decode(format, new TextEncoder().encode(text), { receivedUnixMs: RECEIVED_UNIX_MS });
const one = (members: string) => decodeText(`[{${IDS},"timestamp":1,${members}}]`)[0]!;

test("a span without any time has that of its receipt, and an attribute says so", () => {
  const [span] = decodeText(`[{${IDS},"annotations":[{"timestamp":0,"value":"x"}]}]`);
  const received = BigInt(RECEIVED_UNIX_MS) * 1_000_000n;
  expect(span).toMatchObject({ startUnixNano: received, endUnixNano: received });
  expect(valuesOf(span!.attributes)).toEqual({ "otel.zipkin.absentField.startTime": true });
});

describe("values of binary annotations", () => {
  test.each<[string, unknown]>([
    ['"x"', "x"],
    ["true", true],
    ["false", false],
    ["12", 12n],
    ["12.0", 12n],
    ["1.5", 1.5],
    ["-9223372036854775808", -(2n ** 63n)],
    ["null", ""],
  ])("%s is %s", (text, expected) => {
    const span = one(`"binaryAnnotations":[{"key":"sa","value":${text}}]`);
    expect(valuesOf(span.attributes)).toEqual({ sa: expected });
  });

  test.each(["{}", "[]", "tru"])("%s refuses the request", (text) => {
    expect(() => one(`"binaryAnnotations":[{"key":"k","value":${text}}]`)).toThrow(DecodeError);
  });

  test("are parsed with parse_string_tags", () => {
    const values = ["12", "1.5", "true", "x"].map((v, i) => `{"key":"k${i}","value":"${v}"}`);
    const text = `[{${IDS},"timestamp":1,"binaryAnnotations":[${values}]}]`;
    const [span] = decodeText(text, BodyFormat.zipkinV1JsonTyped);
    expect(valuesOf(span!.attributes)).toEqual({ k0: 12n, k1: 1.5, k2: true, k3: "x" });
  });

  test.each([
    ["2", 2],
    ["0", 0],
    ["true", 0],
    ["4294967298", 0],
  ])("otel.status_code may be a number: %s is %i", (text, status) => {
    const span = one(`"binaryAnnotations":[{"key":"otel.status_code","value":${text}}]`);
    expect([span.status, span.attributes]).toEqual([status, []]);
  });
});

test("members may come in any order and letter case, be null, or be unknown", () => {
  const [span] = decodeText(
    `[{"binaryAnnotations":[{"endpoint":{"serviceName":"s","x":1},"value":"v","KEY":"k","z":[]}],
      "annotations":[{"endpoint":null,"value":"cs","timestamp":5}],"parentId":null,"name":null,
      "duration":null,"timestamp":null,"x":{},${IDS}}]`,
  );
  expect(span).toMatchObject({ kind: 3, startUnixNano: 5000n, parentSpanId: "", name: "" });
  expect(valuesOf(span!.attributes)).toEqual({ k: "v" });
  expect(span!.resource.serviceName).toBe("s");
});

test("an address is kept as its text", () => {
  const endpoint = '{"serviceName":"s","ipv4":"x","ipv6":"::0001"}';
  const span = one(`"annotations":[{"timestamp":1,"value":"sr","endpoint":${endpoint}}]`);
  expect(valuesOf(span.resource.attributes)).toMatchObject({ ipv4: "x", ipv6: "::0001" });
});

test.each([
  '{"id":"b7ad6b7169203331"}',
  '{"traceId":"8448eb211c80319c"}',
  '{"traceId":"","id":"b7ad6b7169203331"}',
  '{"traceId":"1","id":"b7ad6b7169203331"}',
  '{"traceId":"0000000000000000","id":"b7ad6b7169203331"}',
  '{"traceId":"18448eb211c80319c","id":"b7ad6b7169203331"}',
  '{"traceId":"8448eb211c80319c","id":"1"}',
  '{"traceId":"8448eb211c80319c","id":"0000000000000000"}',
  `{${IDS},"parentId":"1"}`,
  `{${IDS},"parentId":"0000000000000000"}`,
  `{${IDS},"parentId":"000000000000000g"}`,
  `{${IDS},"timestamp":-1}`,
  `{${IDS},"duration":"1"}`,
  `{${IDS},"annotations":[{"timestamp":"1"}]}`,
  `{${IDS},"annotations":{}}`,
  `{${IDS},"annotations":[{"endpoint":{"port":65536}}]}`,
  `{${IDS},"binaryAnnotations":[1]}`,
  "null",
])("%s refuses the request", (span) => {
  expect(() => decodeText(`[${span}]`)).toThrow(DecodeError);
  try {
    decodeText(`[${span}]`);
  } catch (e) {
    expect((e as DecodeError).failure).toBe("syntax");
  }
});

test("null and [] are no spans, and nothing may follow", () => {
  expect([decodeText("null"), decodeText("[]")]).toEqual([[], []]);
  expect(() => decodeText("[] x")).toThrow(DecodeError);
  expect(() => decodeText("")).toThrow(DecodeError);
});
