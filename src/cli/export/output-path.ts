import { statSync } from "node:fs";
import { join } from "node:path";
import type { ExportFormat } from "./arguments.ts";

const EXTENSIONS: Readonly<Record<ExportFormat, string>> = {
  "otlp-json": ".jsonl",
  "otlp-proto": ".binpb",
  parquet: ".parquet",
};

/** The file that is meant: in a folder it is named `traces`. */
export function outputFile(output: string, format: ExportFormat): string {
  const isFolder =
    output.endsWith("/") || statSync(output, { throwIfNoEntry: false })?.isDirectory();
  return isFolder ? join(output, `traces${EXTENSIONS[format]}`) : output;
}

/** Of the file's further parts: `traces.parquet`, `traces-2.parquet`, … */
export function partFile(file: string, part: number): string {
  if (part === 1) return file;
  const [, stem, extension = ""] = /^(.*?)(\.[^./]*)?$/s.exec(file) ?? [];
  return `${stem}-${part}${extension}`;
}

/** The file while it is written: what stands under a file's own name is whole. */
export function partialFile(file: string): string {
  return `${file}.partial`;
}
