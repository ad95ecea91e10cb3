import { createWriteStream } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { bytesText, ProgressLine, type ProgressTerminal } from "../progress.ts";
import type { ExportArguments } from "./arguments.ts";
import { openExport } from "./export-source.ts";
import { outputFile, partialFile } from "./output-path.ts";
import { writeParquetFiles } from "./parquet-files.ts";

export type ExportTerminal = { readonly stdout: Writable; readonly stderr: ProgressTerminal };

/**
 * Writes an export and tells what was written, or nothing when that is standard output. Rejects with
 * an `Error` to show; a file that is not whole then ends in `.partial`.
 */
export async function runExport(
  args: ExportArguments,
  { stdout, stderr }: ExportTerminal,
  signal: AbortSignal,
): Promise<string | undefined> {
  const progress = new ProgressLine(stderr, Date.now);
  try {
    if (args.format === "parquet") return await exportParquet(args, progress, signal);
    const pieces = await openExport(args, args.format, signal);
    let bytes = 0;
    const counted = counting(pieces, (length) => {
      bytes += length;
      progress.show(() => `${bytesText(bytes)}`);
    });
    if (args.output === undefined) {
      await pipeline(Readable.from(counted, { objectMode: false }), stdout, { end: false });
      return undefined;
    }
    const file = await readyFile(args.output, args);
    await pipeline(
      Readable.from(counted, { objectMode: false }),
      createWriteStream(partialFile(file)),
    );
    await rename(partialFile(file), file);
    return `exported ${bytesText(bytes)} to ${file}`;
  } finally {
    progress.clear();
  }
}

/**
 * Made here of OTLP, not by the server: its own writer is exact, where `/api/sql` has attributes as
 * text, and needs a core and the memory of a whole file, which the server has other uses for.
 */
async function exportParquet(
  args: ExportArguments,
  progress: ProgressLine,
  signal: AbortSignal,
): Promise<string> {
  const pieces = await openExport(args, "otlp-proto", signal);
  const file = await readyFile(args.output ?? ".", args);
  let bytes = 0;
  let spans = 0;
  const draw = () => progress.show(() => `${spans} spans  ${bytesText(bytes)} read`);
  const counted = counting(pieces, (length) => {
    bytes += length;
    draw();
  });
  const { files, spanCount } = await writeParquetFiles(counted, file, {
    tenant: args.tenant,
    onSpans(count) {
      spans = count;
      draw();
    },
  });
  return `exported ${spanCount} spans to ${files.length} files${files.map((f) => `\n${f}`).join("")}`;
}

async function readyFile(output: string, { format }: ExportArguments): Promise<string> {
  const file = outputFile(output, format);
  if (output.endsWith("/")) await mkdir(dirname(file), { recursive: true });
  return file;
}

async function* counting(
  pieces: AsyncIterable<Uint8Array<ArrayBuffer>>,
  onBytes: (count: number) => void,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  for await (const piece of pieces) {
    onBytes(piece.length);
    yield piece;
  }
}
