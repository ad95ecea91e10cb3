import { DecodeError } from "../../model/decode-error.ts";
import { SpanBatch } from "../../model/span-batch.ts";
import { OtlpDecoder } from "../../receivers/otlp/decode.ts";
import { bytesText, ProgressLine, type ProgressTerminal, progressBar } from "../progress.ts";
import { printable } from "../sql/display.ts";
import type { ImportArguments } from "./arguments.ts";
import type { ByteReader } from "./byte-reader.ts";
import { findInputs, type ImportInput } from "./find-inputs.ts";
import { ImportFileError } from "./import-file-error.ts";
import { openInput } from "./open-input.ts";
import { otlpParts } from "./otlp-parts.ts";
import { DEFAULT_RETRIES, RefusedError, type SenderSettings, sendRequest } from "./otlp-sender.ts";
import { parquetParts } from "./parquet-parts.ts";
import { type ImportRequest, requestsOf } from "./requests.ts";

export type ImportTerminal = {
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stderr: ProgressTerminal;
};

export type ImportSummary = {
  readonly files: number;
  readonly failedFiles: number;
  /** Taken by the server, or counted. */
  readonly spans: number;
};

/** Requests on the way at once: each waits for a disk. */
const MAX_IN_FLIGHT = 4;
const PARQUET_MAGIC = "PAR1";

/**
 * Imports all files, one after the other. What is wrong with a file is written to standard error and
 * counted. Rejects when a path is not there, nothing can be sent, or `signal` aborts.
 */
export async function runImport(
  args: ImportArguments,
  { stdin, stderr }: ImportTerminal,
  signal: AbortSignal,
  retries: Pick<SenderSettings, "firstWaitMs" | "maxWaitMs" | "maxAttempts"> = DEFAULT_RETRIES,
): Promise<ImportSummary> {
  const inputs = await findInputs(args.paths);
  const stop = new AbortController();
  const settings = {
    ...{ url: args.url, tenant: args.tenant, ...retries },
    signal: AbortSignal.any([signal, stop.signal]),
  };
  const send = args.dryRun ? check : (request: ImportRequest) => sendRequest(request, settings);
  const run = new ImportRun(inputs, { stdin, stderr }, send);
  try {
    for (const input of inputs) {
      settings.signal.throwIfAborted();
      await run.importFile(input);
    }
    return await run.finish();
  } finally {
    stop.abort();
    run.progress.clear();
  }
}

type Send = (request: ImportRequest) => Promise<{ spanCount: number }>;

class ImportRun {
  readonly progress: ProgressLine;
  readonly #terminal: ImportTerminal;
  readonly #send: Send;
  readonly #totalBytes: number | undefined;
  readonly #startedMs = Date.now();
  readonly #inFlight = new Set<Promise<void>>();
  readonly #failed = new Set<string>();
  #fatal: unknown;
  #readBytes = 0;
  #files = 0;
  #spans = 0;

  constructor(inputs: readonly ImportInput[], terminal: ImportTerminal, send: Send) {
    this.#terminal = terminal;
    this.#send = send;
    this.progress = new ProgressLine(terminal.stderr, Date.now);
    this.#totalBytes = inputs.every(({ bytes }) => bytes !== undefined)
      ? inputs.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0)
      : undefined;
  }

  async importFile(input: ImportInput): Promise<void> {
    this.#files++;
    const { path } = input;
    let reader: ByteReader | undefined;
    try {
      reader = await openInput(path, this.#terminal.stdin, (bytes) => this.#onRead(bytes));
      for await (const request of requestsOf(await partsOf(reader, input))) {
        await this.#start(path, request);
      }
    } catch (error) {
      if (this.#fatal !== undefined || !isOfFile(error)) throw this.#fatal ?? error;
      this.#fail(path, error);
    } finally {
      await reader?.close();
    }
  }

  async finish(): Promise<ImportSummary> {
    await Promise.all(this.#inFlight);
    if (this.#fatal !== undefined) throw this.#fatal;
    return { files: this.#files, failedFiles: this.#failed.size, spans: this.#spans };
  }

  /** Begins to send; waits only while enough others are on the way. */
  async #start(path: string, request: ImportRequest): Promise<void> {
    while (this.#inFlight.size >= MAX_IN_FLIGHT) await Promise.race(this.#inFlight);
    if (this.#fatal !== undefined) throw this.#fatal;
    const sending = this.#deliver(path, request).finally(() => this.#inFlight.delete(sending));
    this.#inFlight.add(sending);
  }

  async #deliver(path: string, request: ImportRequest): Promise<void> {
    try {
      const { spanCount } = await this.#send(request);
      this.#spans += spanCount;
      const left = request.spanCount - spanCount;
      if (left > 0) this.#fail(path, new RefusedError(`the server left out ${left} spans`));
    } catch (error) {
      if (error instanceof RefusedError || error instanceof ImportFileError) {
        this.#fail(path, error);
      } else this.#fatal ??= error;
    }
    this.#draw();
  }

  #fail(path: string, error: Error): void {
    const name = path === "-" ? "standard input" : printable(path);
    this.#failed.add(path);
    this.progress.log(`pintail import: ${name}: ${printable(error.message)}`);
  }

  #onRead(bytes: number): void {
    this.#readBytes += bytes;
    this.#draw();
  }

  #draw(): void {
    this.progress.show(() => {
      const seconds = Math.max(0.001, (Date.now() - this.#startedMs) / 1000);
      const total = this.#totalBytes;
      const bar = total === undefined ? "" : `${progressBar(this.#readBytes / (total || 1))}  `;
      const rate = Math.round(this.#spans / seconds);
      return `${bar}${bytesText(this.#readBytes)}  ${this.#spans} spans  ${rate}/s`;
    });
  }
}

/** Parquet has its outline at its end, so that it is read as a file, not as a stream. */
async function partsOf(
  reader: ByteReader,
  { path }: ImportInput,
): Promise<AsyncIterable<Uint8Array<ArrayBuffer>>> {
  await reader.fill(PARQUET_MAGIC.length);
  const start = String.fromCharCode(...reader.available.subarray(0, PARQUET_MAGIC.length));
  if (start !== PARQUET_MAGIC) return otlpParts(reader);
  if (path === "-") throw new ImportFileError("Parquet is read from files only");
  return parquetParts(path);
}

/** Faults of the file itself: of its content, or of reading it. */
function isOfFile(error: unknown): error is Error {
  return error instanceof ImportFileError || (error instanceof Error && "syscall" in error);
}

/** Decodes as the server would. */
async function check({ body, spanCount }: ImportRequest): Promise<{ spanCount: number }> {
  try {
    new OtlpDecoder(new SpanBatch(1), { maxAttributeBytes: 0 }).decode(body);
    return { spanCount };
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new ImportFileError(cause.message, { cause });
  }
}
