import { DecodeError } from "../../model/decode-error.ts";
import { RESOURCE_SPANS_OF_FILES } from "../../receivers/otlp/json-messages.ts";
import { jsonToProtobuf } from "../../receivers/shared/json-to-protobuf.ts";
import { decompress } from "../../runtime/compression.ts";
import { WireWriter } from "../../util/wire-writer.ts";
import type { ByteReader } from "./byte-reader.ts";
import { compressionOf } from "./compression-of.ts";
import { BYTES_TO_KNOW, byteOrderMarkBytes, type FileForm, formOf } from "./file-form.ts";
import { ImportFileError, MAX_PART_BYTES } from "./import-file-error.ts";
import { JsonOutline } from "./json-outline.ts";
import { framedMessages, protobufParts, varintMessages } from "./protobuf-parts.ts";

/**
 * A file's spans as ExportTraceServiceRequests in protobuf, in their order, each of one ResourceSpans
 * or one message of the file and at most about `MAX_PART_BYTES`. What the file is, is told by how it
 * begins; see `FileForm`. Throws an `ImportFileError` where the file is not what it seemed to be:
 * what was before that has been given.
 */
export async function* otlpParts(
  reader: ByteReader,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  // A fault comes again where it is, after what stands before it.
  await reader.fill(BYTES_TO_KNOW).catch(() => false);
  yield* partsOf(reader, formOf(reader.available));
}

async function* partsOf(
  reader: ByteReader,
  form: FileForm,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  switch (form) {
    case "json":
      yield* jsonParts(reader);
      return;
    case "protobuf":
      yield* protobufParts(reader);
      return;
    case "varint-messages":
      yield* varintMessages(reader);
      return;
    case "framed-messages":
      for await (const message of framedMessages(reader)) yield* messageParts(message);
      return;
    case "unknown": {
      const start = Array.from(reader.available.subarray(0, 8), hexOf).join(" ");
      throw new ImportFileError(`this is no OTLP file: it begins with ${start}`);
    }
    default:
      form satisfies never;
  }
}

/** The Collector compresses messages one by one, and puts lengths before JSON, too, then. */
function* messageParts(message: Uint8Array<ArrayBuffer>): Generator<Uint8Array<ArrayBuffer>> {
  const compression = compressionOf(message);
  const bytes = compression === undefined ? message : decompressed(compression, message);
  if (bytes.length === 0) return;
  if (formOf(bytes) !== "json") {
    yield bytes as Uint8Array<ArrayBuffer>;
    return;
  }
  const outline = new JsonOutline();
  for (const text of outline.read(bytes.subarray(byteOrderMarkBytes(bytes)))) {
    yield protobufOf(text);
  }
  outline.end();
}

function decompressed(codec: "gzip" | "zstd", message: Uint8Array): Uint8Array {
  try {
    return decompress(codec, message, MAX_PART_BYTES);
  } catch (cause) {
    throw new ImportFileError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

async function* jsonParts(reader: ByteReader): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const outline = new JsonOutline();
  reader.skip(byteOrderMarkBytes(reader.available));
  while (await reader.fill(1)) {
    const piece = reader.available;
    for (const text of outline.read(piece)) yield protobufOf(text);
    reader.skip(piece.length);
  }
  outline.end();
}

const RESOURCE_SPANS_TAG = 0x0a;

function protobufOf(resourceSpans: Uint8Array): Uint8Array<ArrayBuffer> {
  try {
    const message = jsonToProtobuf(resourceSpans, RESOURCE_SPANS_OF_FILES);
    const writer = new WireWriter(message.length + 8);
    writer.byte(RESOURCE_SPANS_TAG);
    writer.varint32(message.length);
    writer.append(message);
    return writer.bytes.subarray(0, writer.length);
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new ImportFileError(`a ResourceSpans is no valid OTLP/JSON: ${cause.message}`, { cause });
  }
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
