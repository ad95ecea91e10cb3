import { describe, expect, test } from "vitest";
import { BodyFormat } from "../../../src/ingest/ingest.ts";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { MAX_JSON_DEPTH } from "../../../src/receivers/shared/json-reader.ts";
import { decode, valuesOf } from "./support.ts";

const FORMAT = BodyFormat.zipkinV2Json;
const bytes = (text: string) => new TextEncoder().encode(text);
const decodeText = (text: string) => decode(FORMAT, bytes(text));
/** One span with valid ids and these members. */
const spanWith = (members: string) =>
  `[{"traceId":"1","id":"2"${members === "" ? "" : `,${members}`}}]`;
const one = (members: string) => decodeText(spanWith(members))[0]!;

test.each([
  ["[]", 0],
  ["null", 0],
  [" [ ] \n", 0],
  ["\ufeff[]", 0],
  [spanWith(""), 1],
])("%j holds %i spans", (text, count) => {
  expect(decodeText(text).length).toBe(count);
});

describe("ids", () => {
  test.each([
    ["1", "00000000000000000000000000000001"],
    ["ABCDEF", "00000000000000000000000000abcdef"],
    ["8448eb211c80319c", "00000000000000008448eb211c80319c"],
    ["18448eb211c80319c", "00000000000000018448eb211c80319c"],
    ["0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c"],
  ])("trace id %s is %s", (given, expected) => {
    expect(decodeText(`[{"traceId":"${given}","id":"1"}]`)[0]!.traceId).toBe(expected);
  });

  test.each([
    ["", '"parentId":""'],
    ["", '"parentId":"0"'],
    ["", '"parentId":"2"'],
    ["", '"parentId":null'],
    ["000000000000000f", '"parentId":"F"'],
  ])("parent is %j for %s", (expected, members) => {
    expect(one(members).parentSpanId).toBe(expected);
  });

  test.each([
    ['{"traceId":"","id":"1"}', "syntax"],
    [`{"traceId":"${"1".repeat(33)}","id":"1"}`, "syntax"],
    ['{"traceId":"x1","id":"1"}', "syntax"],
    ['{"traceId":1,"id":"1"}', "syntax"],
    ['{"id":"1"}', "trace_id"],
    ['{"traceId":"00","id":"1"}', "trace_id"],
    ['{"traceId":"1"}', "syntax"],
    ['{"traceId":"1","id":""}', "syntax"],
    ['{"traceId":"1","id":"0"}', "syntax"],
    ['{"traceId":"1","id":"12345678901234567"}', "syntax"],
    ['{"traceId":"1","id":"2","parentId":"zz"}', "syntax"],
  ])("%s fails by %s", (span, failure) => {
    try {
      decodeText(`[${span}]`);
      expect.unreachable();
    } catch (e) {
      expect(e).toBeInstanceOf(DecodeError);
      expect((e as DecodeError).failure).toBe(failure);
    }
  });
});

describe("times", () => {
  test.each([
    ["1767225600000001", 1_767_225_600_000_001_000n],
    ["1767225600000001.4", 1_767_225_600_000_001_000n],
    ["1767225600000001.5", 1_767_225_600_000_002_000n],
    ["1.767225600000001e15", 1_767_225_600_000_001_000n],
    ["9007199254740991", 9_007_199_254_740_991_000n],
  ])("timestamp %s is %s ns", (text, expected) => {
    const span = one(`"timestamp":${text},"duration":1`);
    expect([span.startUnixNano, span.endUnixNano]).toEqual([expected, expected + 1000n]);
    expect(span.attributes).toEqual([]);
  });

  test.each(['"duration":7', '"timestamp":0,"duration":7', '"timestamp":null,"duration":7'])(
    "%s: the start is 1970 and an attribute says so",
    (members) => {
      const span = one(members);
      expect([span.startUnixNano, span.endUnixNano]).toEqual([0n, 7000n]);
      expect(valuesOf(span.attributes)).toEqual({ "otel.zipkin.absentField.startTime": true });
    },
  );

  test.each(['"1"', "-1", "9007199254740992", "9007199254740993", "1e300", "true", "{}", "01"])(
    "timestamp and duration %s refuse the request",
    (text) => {
      expect(() => one(`"timestamp":${text}`)).toThrow(DecodeError);
      expect(() => one(`"duration":${text}`)).toThrow(DecodeError);
    },
  );
});

describe("endpoints", () => {
  test.each([
    ['"ipv4":"::1"', "::1"],
    ['"ipv6":"1.2.3.4"', "1.2.3.4"],
    ['"ipv6":"2001:DB8:0:0::1"', "2001:db8::1"],
    ['"ipv6":"::ffff:1.2.3.4"', "1.2.3.4"],
    ['"ipv4":"1.2.3.4","ipv6":""', "1.2.3.4"],
  ])("%s is %s", (members, expected) => {
    const span = one(`"localEndpoint":{${members}}`);
    expect(valuesOf(span.attributes)["net.host.ip"]).toBe(expected);
  });

  test.each([
    '"ipv4":"x"',
    '"ipv4":"1.2.3"',
    '"ipv4":"01.2.3.4"',
    '"ipv6":"::1%eth0"',
    '"ipv4":1',
    '"port":65536',
    '"port":-1',
    '"port":1.5',
    '"port":"1"',
    '"serviceName":1',
  ])("%s refuses the request", (members) => {
    expect(() => one(`"localEndpoint":{${members}}`)).toThrow(DecodeError);
    expect(() => one(`"remoteEndpoint":{${members}}`)).toThrow(DecodeError);
  });

  test.each(["{}", "null", '{"serviceName":null,"ipv4":null,"ipv6":null,"port":null}'])(
    "%s is none",
    (text) => {
      const span = one(`"timestamp":1,"localEndpoint":${text},"remoteEndpoint":${text}`);
      expect([span.attributes, span.resource.attributes]).toEqual([[], []]);
    },
  );
});

describe("tags", () => {
  test.each(["1", "true", "{}", "[]"])("of %s refuse the request", (value) => {
    expect(() => one(`"tags":{"a":${value}}`)).toThrow(DecodeError);
  });

  test("of null are empty", () => {
    expect(valuesOf(one('"timestamp":1,"tags":{"a":null,"b":"c"}').attributes)).toEqual({
      a: "",
      b: "c",
    });
  });

  test("may be escaped, and before the kind they depend on", () => {
    const span = one(
      '"timestamp":1,"tags":{"span.kind":"internal","\\u0065rror":"\\u0074rue","q\\"":"\\n\\ud83e\\uddf5"},"kind":"SERVER"',
    );
    expect(span).toMatchObject({ kind: 2, status: 2 });
    expect(valuesOf(span.attributes)).toEqual({ "span.kind": "internal", 'q"': "\n\u{1f9f5}" });
  });
});

test.each(["0", "null", '"1"', "-1"])("an annotation at %s refuses the request", (timestamp) => {
  expect(() => one(`"annotations":[{"timestamp":${timestamp},"value":"x"}]`)).toThrow(DecodeError);
  expect(() => one('"annotations":[{"value":"x"}]')).toThrow(DecodeError);
});

test("an annotation without a value has no name", () => {
  expect(one('"annotations":[{"timestamp":1}]').events).toMatchObject([{ name: "" }]);
});

test("other kinds are none, other members are passed over, names may have any letter case", () => {
  const span = decodeText(
    '[{"TRACEID":"1","Id":"2","kind":"server","x":[{"y":[1,{}]}],"LocalEndpoint":{"SERVICENAME":"s","z":1}}]',
  )[0]!;
  expect(span).toMatchObject({ kind: 0, spanId: "0000000000000002" });
  expect(span.resource.serviceName).toBe("s");
});

test.each([
  "",
  " ",
  "{}",
  '"x"',
  "1",
  "[null]",
  "[1]",
  "[[]]",
  "[}",
  '[{"traceId":"1","id":"2"}',
  '[{"traceId":"1","id":"2"}]x',
  '[{"traceId":"1","id":"2"},]',
  '[{"traceId":"1","id":"2","name":"\u0001"}]',
  '[{"traceId":"1","id":"2","annotations":{}}]',
  '[{"traceId":"1","id":"2","tags":[]}]',
])("%j refuses the request", (text) => {
  expect(() => decodeText(text)).toThrow(DecodeError);
});

test("nesting is bounded", () => {
  const nested = (depth: number) =>
    `[{"traceId":"1","id":"2","x":${"[".repeat(depth)}${"]".repeat(depth)}}]`;
  expect(decodeText(nested(MAX_JSON_DEPTH - 2)).length).toBe(1);
  expect(() => decodeText(nested(MAX_JSON_DEPTH))).toThrow("deeper");
  expect(() => decodeText(nested(1_000_000))).toThrow("deeper");
  const inAnnotation = `"annotations":[{"timestamp":1,"value":"a|{\\"x\\":${"[".repeat(100_000)}|0"}]`;
  expect(() => one(inAnnotation)).toThrow("deeper");
});
