import { describe, expect, test } from "vitest";
import { BodyFormat } from "../../../src/ingest/ingest.ts";
import { DecodeError } from "../../../src/model/decode-error.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import { countZipkinSpans } from "../../../src/receivers/zipkin/count-spans.ts";
import { ZipkinDecoder, type ZipkinFormat } from "../../../src/receivers/zipkin/decode.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { type PlainSpan, readBatch } from "../../support/read-batch.ts";
import {
  aZipkinSpan,
  json,
  v1Thrift,
  v2Protobuf,
  type ZipkinSpan,
} from "../../support/zipkin-builder.ts";

const ROUNDS = 500;
/** Of a body of some hundred bytes; the machine may be busy. */
const MAX_MS = 5000;

const endpoint = { serviceName: "db", ipv4: "10.0.0.1", ipv6: "2001:db8::1", port: 5432 };
const spans: ZipkinSpan[] = [
  aZipkinSpan({
    parentId: "00000000000000ff",
    kind: "CLIENT",
    localEndpoint: endpoint,
    remoteEndpoint: endpoint,
    annotations: [
      { timestamp: 5, value: 'e|{"a":1,"b":"x","c":[{}],"d":1.5}|3' },
      { timestamp: 6, value: "ws" },
    ],
    tags: {
      "http.path": "/ä",
      "host.name": "h",
      "span.kind": "internal",
      "otel.status_code": "ERROR",
      error: "no",
      "otlp.link.0": '0af7651916cd43dd8448eb211c80319d|00f067aa0ba902b7|k=v|{"a":true}|0',
      number: "-12.5",
    },
  }),
  aZipkinSpan({ traceId: "8448eb211c80319c", tags: { "otel.library.name": "lib" } }),
];
const v1 = {
  traceId: "8448eb211c80319c",
  id: "b7ad6b7169203331",
  parentId: "00000000000000ff",
  name: "get",
  timestamp: 100,
  duration: 7,
};
const v1Tags = { "http.status_code": "500", "census.status_code": "3", lc: "spring", k: "12" };
const v1Json = {
  ...v1,
  annotations: [
    { timestamp: 1, value: "cs", endpoint },
    { timestamp: 2, value: "ws" },
  ],
  binaryAnnotations: Object.entries(v1Tags).map(([key, value]) => ({ key, value, endpoint })),
};
const host = { service: "db", ipv4: 0x0a000001, port: 1, ipv6: new Uint8Array(16).fill(1) };
const thrift = v1Thrift([
  {
    ...v1,
    traceIdHigh: "0af7651916cd43dd",
    annotations: [
      { timestamp: 1, value: "cs", host },
      { timestamp: 2, value: "ws" },
    ],
    binaryAnnotations: [
      ...Object.entries(v1Tags).map(([key, value]) => ({ key, value, host })),
      { key: "n", value: { type: "double" as const, bytes: new Uint8Array(8).fill(64) } },
    ],
    unknownDepth: 3,
  },
  v1,
]);

const BODIES: readonly [string, ZipkinFormat, Uint8Array][] = [
  ["v2 JSON", BodyFormat.zipkinV2Json, json(spans)],
  ["v2 JSON, tags parsed", BodyFormat.zipkinV2JsonTyped, json(spans)],
  ["v2 protobuf", BodyFormat.zipkinV2Protobuf, v2Protobuf(spans)],
  ["v2 protobuf, tags parsed", BodyFormat.zipkinV2ProtobufTyped, v2Protobuf(spans)],
  ["v1 JSON", BodyFormat.zipkinV1Json, json([v1Json, v1])],
  ["v1 JSON, tags parsed", BodyFormat.zipkinV1JsonTyped, json([v1Json, v1])],
  ["v1 Thrift", BodyFormat.zipkinV1Thrift, thrift],
];

/** Bytes that mean much in one of the formats. */
const TELLING = [
  0,
  1,
  0x0a,
  0x0c,
  0x0f,
  0x7f,
  0x80,
  0xff,
  ...new TextEncoder().encode('"\\{}[],:|0-'),
];

function mutated(body: Uint8Array, random: () => number): Uint8Array {
  const int = (below: number) => Math.floor(random() * below);
  let bytes = [...body];
  for (let edits = 1 + int(4); edits > 0; edits--) {
    const at = int(bytes.length + 1);
    switch (int(6)) {
      case 0:
        bytes[at] = int(256);
        break;
      case 1:
        bytes[at] = TELLING[int(TELLING.length)]!;
        break;
      case 2:
        bytes.splice(at, 1 + int(8));
        break;
      case 3:
        bytes.splice(at, 0, ...bytes.slice(at, at + int(40)));
        break;
      case 4:
        bytes.splice(at, 0, TELLING[int(TELLING.length)]!, TELLING[int(TELLING.length)]!);
        break;
      default:
        bytes = bytes.slice(0, at);
    }
  }
  // Holes that an edit past the end left.
  return Uint8Array.from(bytes, (byte) => byte ?? 0);
}

class Harness {
  readonly #format: ZipkinFormat;
  readonly #body: Uint8Array;
  #batch = new SpanBatch(7);
  #decoder = new ZipkinDecoder(this.#batch, { maxAttributeBytes: 16 });
  readonly #before: PlainSpan[];

  constructor(format: ZipkinFormat, body: Uint8Array) {
    this.#format = format;
    this.#body = body;
    this.#decoder.decode(format, body);
    this.#before = readBatch(this.#batch);
  }

  #begin(): void {
    this.#batch = new SpanBatch(7);
    this.#decoder = new ZipkinDecoder(this.#batch, { maxAttributeBytes: 16 });
    this.#decoder.decode(this.#format, this.#body);
  }

  /** A body is taken whole or not at all. */
  check(bytes: Uint8Array): void {
    const mark = this.#batch.mark();
    const startedMs = performance.now();
    let refused = false;
    try {
      const added = this.#decoder.decode(this.#format, bytes);
      expect(this.#batch.spanCount).toBe(mark.spanCount + added);
      readBatch(this.#batch);
      expect(countZipkinSpans(this.#format, bytes)).toBe(added);
    } catch (e) {
      if (!(e instanceof DecodeError)) throw e;
      refused = true;
    }
    expect(performance.now() - startedMs).toBeLessThan(MAX_MS);
    if (refused) expect(this.#batch.mark()).toEqual(mark);
    else this.#begin();
    countZipkinSpans(this.#format, bytes);
  }

  /** What was decoded first is untouched, and the decoder goes on as it began. */
  end(): void {
    expect(readBatch(this.#batch)).toEqual(this.#before);
    this.#decoder.decode(this.#format, this.#body);
    expect(readBatch(this.#batch)).toEqual([...this.#before, ...this.#before]);
  }
}

describe.each(BODIES)("%s", (name, format, body) => {
  test("cut at any byte, a body is refused or taken whole", () => {
    const harness = new Harness(format, body);
    for (let length = 0; length < body.length; length++) harness.check(body.slice(0, length));
    harness.end();
  });

  test("with any damage, a body is refused or taken whole", () => {
    const seed = testSeed();
    console.log(`${name}: PINTAIL_TEST_SEED=${seed}`);
    const random = seededRandom(seed);
    const harness = new Harness(format, body);
    for (let round = 0; round < ROUNDS; round++) harness.check(mutated(body, random));
    harness.end();
  });

  test("random bytes are refused or taken whole", () => {
    const seed = testSeed();
    console.log(`${name}: PINTAIL_TEST_SEED=${seed}`);
    const random = seededRandom(seed);
    const harness = new Harness(format, body);
    for (let round = 0; round < 300; round++) {
      const length = Math.floor(random() * 200);
      harness.check(Uint8Array.from({ length }, () => Math.floor(random() * 256)));
    }
    harness.end();
  });
});
