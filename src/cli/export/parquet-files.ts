import { rename, writeFile } from "node:fs/promises";
import { SpanBatch } from "../../model/span-batch.ts";
import { OtlpDecoder } from "../../receivers/otlp/decode.ts";
import { SINGLE_TENANT } from "../../server/tenant.ts";
import { writeSegment } from "../../storage/segments/write-segment.ts";
import { ulidSource } from "../../util/ulid.ts";
import { ByteReader } from "../import/byte-reader.ts";
import { framedMessages } from "../import/protobuf-parts.ts";
import { partFile, partialFile } from "./output-path.ts";

export type ParquetResult = { readonly files: readonly string[]; readonly spanCount: number };

/** Of one file: its spans are held until it is written, a few hundred bytes each. */
const FILE_SPANS = 250_000;
/** The same in bytes of OTLP, where spans are large. */
const FILE_BYTES = 96 * 1024 * 1024;
const ROW_GROUP_ROWS = 61_440;
const ZSTD_LEVEL = 3;

/**
 * Writes the spans of framed OTLP messages as the server stores them, by the same decoder and writer,
 * so that nothing is lost or changed. One file as long as it has at most `maxSpans`, then further
 * ones; of a trace in one message all spans are in one file. Without spans there is no file.
 */
export async function writeParquetFiles(
  pieces: AsyncIterable<Uint8Array>,
  file: string,
  options: {
    tenant: string | undefined;
    maxSpans?: number;
    onSpans?: (spanCount: number) => void;
  },
): Promise<ParquetResult> {
  const { tenant = SINGLE_TENANT, maxSpans = FILE_SPANS, onSpans } = options;
  const newId = ulidSource(Date.now);
  const files: string[] = [];
  let spanCount = 0;
  let open = openBatch();
  const flush = async (): Promise<void> => {
    const { batch } = open;
    if (batch.spanCount === 0) return;
    const path = partFile(file, files.length + 1);
    const { chunks } = writeSegment(batch, {
      ...{ id: newId(), tenant, level: 1, walRange: undefined, replaces: [] },
      ...{ createdUnixMs: Date.now(), zstdLevel: ZSTD_LEVEL, rowGroupRows: ROW_GROUP_ROWS },
    });
    await writeFile(partialFile(path), chunks);
    await rename(partialFile(path), path);
    files.push(path);
    open = openBatch();
  };
  for await (const message of framedMessages(new ByteReader(pieces))) {
    spanCount += open.decoder.decode(message);
    open.bytes += message.length;
    onSpans?.(spanCount);
    if (open.batch.spanCount >= maxSpans || open.bytes >= FILE_BYTES) await flush();
  }
  await flush();
  return { files, spanCount };
}

function openBatch() {
  const batch = new SpanBatch(1);
  return { batch, decoder: new OtlpDecoder(batch, { maxAttributeBytes: 0 }), bytes: 0 };
}
