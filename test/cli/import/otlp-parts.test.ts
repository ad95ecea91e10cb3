import { zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { ByteReader } from "../../../src/cli/import/byte-reader.ts";
import { MAX_PART_BYTES } from "../../../src/cli/import/import-file-error.ts";
import { otlpParts } from "../../../src/cli/import/otlp-parts.ts";
import { requestsOf } from "../../../src/cli/import/requests.ts";
import { aRequest, aSpan, encodeRequest } from "../../support/otlp-builder.ts";

const REQUEST = encodeRequest(aRequest([aSpan({ name: "one" }), aSpan({ name: "two" })]));
const JSON_SPANS = `[{"resource":{},"scopeSpans":[{"spans":[{"traceId":"${"ab".repeat(16)}","spanId":"${"cd".repeat(8)}","name":"] } \\" {"}]}]}]`;
const JSON_REQUEST = `{"resourceSpans":${JSON_SPANS}}`;

const utf8 = (text: string) => new TextEncoder().encode(text);
const framed = (...messages: Uint8Array[]) =>
  Buffer.concat(
    messages.flatMap((message) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(message.length);
      return [length, message];
    }),
  );
const varint = (value: number): number[] =>
  value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];

/** Spans of a file that comes in pieces of so many bytes; also those before what is wrong. */
async function spansOf(
  file: Uint8Array,
  pieceBytes = file.length,
): Promise<{ spans: number; error: string | undefined }> {
  async function* pieces() {
    for (let i = 0; i < file.length; i += pieceBytes) yield file.subarray(i, i + pieceBytes);
  }
  let spans = 0;
  try {
    for await (const { spanCount } of requestsOf(otlpParts(new ByteReader(pieces())))) {
      spans += spanCount;
    }
  } catch (error) {
    return { spans, error: (error as Error).message };
  }
  return { spans, error: undefined };
}

describe("what a file is, is told by its content", () => {
  test.each<[string, Uint8Array, number]>([
    ["one protobuf message", REQUEST, 2],
    ["protobuf messages one after the other", Buffer.concat([REQUEST, REQUEST]), 4],
    ["framed protobuf", framed(REQUEST, REQUEST, REQUEST), 6],
    ["framed and compressed one by one", framed(zstdCompressSync(REQUEST), REQUEST), 4],
    ["framed and compressed JSON", framed(zstdCompressSync(utf8(JSON_REQUEST))), 1],
    ["protobuf behind varints", Buffer.from([...varint(REQUEST.length), ...REQUEST]), 2],
    ["a JSON document", utf8(JSON_REQUEST), 1],
    ["JSON lines", utf8(`${JSON_REQUEST}\n${JSON_REQUEST}\r\n\n${JSON_REQUEST}`), 3],
    ["a JSON array of documents", utf8(`[${JSON_REQUEST}, ${JSON_REQUEST}]`), 2],
    ["pretty JSON", utf8(JSON.stringify(JSON.parse(JSON_REQUEST), null, 2)), 1],
    ["JSON behind a byte order mark", utf8(`\ufeff${JSON_REQUEST}`), 1],
    ["JSON behind an empty line", utf8(`\n${JSON_REQUEST}`), 1],
    ["the former spelling", utf8(JSON_REQUEST.replace("resourceSpans", "resource_spans")), 1],
    ["Tempo's first API", utf8(`{"batches":${JSON_SPANS}}`), 1],
    [
      "Tempo's second API",
      utf8(`{"metrics":{"a":[{}]},"trace":{"resourceSpans":${JSON_SPANS}}}`),
      1,
    ],
    ["an unknown trace", utf8('{"trace":{},"metrics":{}}'), 0],
    ["an empty file", new Uint8Array(), 0],
    ["blanks", utf8(" \n\n"), 0],
    ["an empty document", utf8("{}"), 0],
  ])("%s", async (_, file, spans) => {
    expect(await spansOf(file)).toEqual({ spans, error: undefined });
    expect(await spansOf(file, 1)).toEqual({ spans, error: undefined });
    expect(await spansOf(file, 7)).toEqual({ spans, error: undefined });
  });

  test("ids in base64, enums by name and former scopes are those of Tempo's answers", async () => {
    const span = {
      traceId: Buffer.alloc(16, 7).toString("base64"),
      spanId: Buffer.alloc(8, 9).toString("base64"),
      kind: "SPAN_KIND_SERVER",
      status: { code: "STATUS_CODE_ERROR" },
    };
    const scopes = [{ instrumentationLibrary: { name: "lib" }, spans: [span] }];
    const file = JSON.stringify({ batches: [{ instrumentationLibrarySpans: scopes }] });
    expect(await spansOf(utf8(file))).toEqual({ spans: 1, error: undefined });
  });
});

describe("a file that is not what it seems is refused, with what is wrong", () => {
  const bad = JSON_REQUEST.replace('"spanId":"cd', '"spanId":"zz');
  test.each<[string, Uint8Array, number, RegExp]>([
    ["text", utf8("hello"), 0, /no OTLP file: it begins with 68 65/],
    ["an image", Buffer.from([0x89, 0x50, 0x4e, 0x47]), 0, /no OTLP file/],
    ["other JSON", utf8('{"resourceMetrics":[]}'), 0, /line 1: holds "resourceMetrics" but no/],
    ["JSON that is no object", utf8('["a"]'), 0, /unexpected '"'/],
    ["words", utf8("{} nonsense"), 0, /unexpected 'n'/],
    ["an array of other things", utf8('{"resourceSpans":[1]}'), 0, /is no object/],
    ["an array of texts", utf8('{"resourceSpans":["a"]}'), 0, /is no object/],
    [
      "JSON that ends too early",
      utf8(`${JSON_REQUEST}\n{"resourceSpans":[{`),
      1,
      /line 2: .*early/,
    ],
    ["a text that does not end", utf8(`${JSON_REQUEST}\n{"resource`), 1, /line 2: .*early/],
    ["brackets that were never open", utf8("{}}"), 0, /unexpected '}'/],
    ["an id that is none", utf8(`${JSON_REQUEST}\n${bad}`), 1, /span_id: expected 16 hex/],
    ["a frame that is cut", framed(REQUEST, REQUEST).subarray(0, -1), 2, /ends within what begins/],
    ["a frame of a huge length", Buffer.from([4, 0, 0, 1, 0]), 0, /exceed/],
    ["frames of nothing", new Uint8Array(100_000), 0, /message of length 0/],
    ["a field of a huge length", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), 0, /exceed/],
    ["a field that is cut", REQUEST.subarray(0, -3), 0, /ends within/],
    ["a varint without end", new Uint8Array(20).fill(0xff).fill(0x0a, 0, 1), 0, /no protobuf/],
    ["protobuf of other things", Buffer.from([0x0a, 2, 0x12, 0x7f]), 0, /no OTLP: truncated/],
    ["a field number 0", Buffer.concat([REQUEST, Buffer.from([0, 1])]), 2, /no protobuf/],
    ["a group", Buffer.concat([REQUEST, Buffer.from([0x1b])]), 2, /no protobuf/],
  ])("%s", async (_, file, spans, reason) => {
    const outcome = await spansOf(file);
    expect(outcome.spans).toBe(spans);
    expect(outcome.error).toMatch(reason);
    expect(await spansOf(file, 1)).toEqual(outcome);
  });

  test("deep JSON ends in an error, in the outline and in a part", async () => {
    const deep = `{"a":${"[".repeat(200_000)}`;
    expect((await spansOf(utf8(deep))).error).toMatch(/early/);
    const value = '{"arrayValue":{"values":['.repeat(1000) + "]}}".repeat(1000);
    const attributes = `{"resourceSpans":[{"resource":{"attributes":[{"key":"a","value":${value}}]}}]}`;
    expect((await spansOf(utf8(attributes))).error).toMatch(/no valid OTLP\/JSON/);
  });

  test("a part without end is given up at the bound, and memory is not taken for it before", async () => {
    async function* endless() {
      const blanks = new Uint8Array(1024 * 1024).fill(0x20);
      yield utf8('{"resourceSpans":[{');
      for (;;) yield blanks;
    }
    const parts = otlpParts(new ByteReader(endless()));
    await expect(parts.next()).rejects.toThrow(`more than ${MAX_PART_BYTES} bytes`);
  });
});
