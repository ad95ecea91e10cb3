import type { ReadFile, SyncReadFile } from "../../drivers/files/files.ts";
import { crc32 } from "../../runtime/crc32.ts";
import type { Lsn, WalRange } from "../../schema/segment-meta.ts";
import {
  decodeHeader,
  decodeVoid,
  HEADER_BYTES,
  MAGIC,
  RecordKind,
  type WalHeader,
  type WalRecord,
} from "./wal-format.ts";

export type ScanItem =
  | { readonly type: "entry"; readonly record: WalRecord }
  | { readonly type: "void"; readonly ranges: readonly WalRange[]; readonly endLsn: Lsn }
  /** Bytes that are no record: damage, or the unfinished end of the last write. */
  | {
      readonly type: "bad";
      readonly range: WalRange;
      /** The header is good and all the bytes it promises are there. */
      readonly whole: boolean;
    };

/** Part of one file: records that begin in `[start, stop)`, none of which reaches beyond `end`. */
export type ScanPart = {
  readonly firstLsn: Lsn;
  readonly start: number;
  readonly stop: number;
  readonly end: number;
};

/** Asks for `length` bytes at `position`; a view into the window, or with `own` bytes to keep. */
type Need = { readonly type: "need"; position: number; length: number; own: boolean };

/** How much of a file is in memory at a time, beside the record being read. */
const WINDOW_BYTES = 256 * 1024;
const SEARCH_BYTES = 64 * 1024;
const utf8 = new TextDecoder();

/** Reads one file part in order, in memory bounded by the window and the largest record. */
export async function* scan(file: ReadFile, part: ScanPart): AsyncGenerator<ScanItem, void> {
  const steps = scanSteps(part);
  const window = new Window(part.end);
  let answer: Uint8Array | undefined;
  for (;;) {
    const step = answer === undefined ? steps.next() : steps.next(answer);
    answer = undefined;
    if (step.done) return;
    if (step.value.type !== "need") {
      yield step.value;
      continue;
    }
    const load = window.plan(step.value);
    if (load !== undefined) window.loaded(await file.read(load.target, load.position));
    answer = window.take(step.value);
  }
}

/** The same without waiting, for worker threads. */
export function scanSync(
  file: SyncReadFile,
  part: ScanPart,
  onItem: (item: ScanItem) => void,
): void {
  const steps = scanSteps(part);
  const window = new Window(part.end);
  let answer: Uint8Array | undefined;
  for (;;) {
    const step = answer === undefined ? steps.next() : steps.next(answer);
    answer = undefined;
    if (step.done) return;
    if (step.value.type !== "need") {
      onItem(step.value);
      continue;
    }
    const load = window.plan(step.value);
    if (load !== undefined) window.loaded(file.readSync(load.target, load.position));
    answer = window.take(step.value);
  }
}

/** Is resumed with bytes after every `need`, and with `undefined` after the rest. */
type Steps<T> = Generator<Need | ScanItem, T, Uint8Array>;

function* scanSteps({ firstLsn, start, stop, end }: ScanPart): Steps<void> {
  let at = start;
  while (at < stop) {
    const lsn = firstLsn + at;
    const header = yield* headerAt(at, firstLsn, end);
    if (header === undefined || at + header.totalBytes > end) {
      // A good header names the length, so what follows a cut-off record is nothing.
      const next = header === undefined ? yield* findHeader(at + 1, firstLsn, end) : end;
      yield { type: "bad", range: { from: lsn, to: firstLsn + next }, whole: false };
      at = next;
      continue;
    }
    const item = yield* readRecord(at, lsn, header);
    at += header.totalBytes;
    yield item ?? { type: "bad", range: { from: lsn, to: firstLsn + at }, whole: true };
  }
}

function* headerAt(at: number, firstLsn: Lsn, end: number): Steps<WalHeader | undefined> {
  if (at + HEADER_BYTES > end) return undefined;
  const bytes = yield { type: "need", position: at, length: HEADER_BYTES, own: false };
  return decodeHeader(bytes, firstLsn + at);
}

function* readRecord(at: number, lsn: Lsn, header: WalHeader): Steps<ScanItem | undefined> {
  const { tenantBytes, bodyBytes, totalBytes } = header;
  const position = at + HEADER_BYTES;
  const name = yield { type: "need", position, length: tenantBytes, own: false };
  const tenantCrc = crc32(name);
  const tenant = utf8.decode(name);
  const body = yield {
    type: "need",
    position: position + tenantBytes,
    length: bodyBytes,
    own: true,
  };
  // A file cut off meanwhile gives fewer bytes, which do not check.
  if (body.length !== bodyBytes || crc32(body, tenantCrc) !== header.payloadCrc) return undefined;
  const endLsn = lsn + totalBytes;
  if (header.kind === RecordKind.void) return { type: "void", ranges: decodeVoid(body), endLsn };
  const { format, encoding, receivedUnixMs, maxDecodedBytes } = header;
  return {
    type: "entry",
    record: { lsn, endLsn, tenant, format, encoding, receivedUnixMs, maxDecodedBytes, body },
  };
}

/** Offset of the next good header at or after `from`, else `end`. */
function* findHeader(from: number, firstLsn: Lsn, end: number): Steps<number> {
  let at = from;
  while (at + HEADER_BYTES <= end) {
    const length = Math.min(SEARCH_BYTES, end - at);
    const bytes = yield { type: "need", position: at, length, own: false };
    const found = indexOfMagic(bytes);
    if (found === -1) {
      if (bytes.length < MAGIC.length) return end;
      at += bytes.length - (MAGIC.length - 1);
      continue;
    }
    at += found;
    if ((yield* headerAt(at, firstLsn, end)) !== undefined) return at;
    at++;
  }
  return end;
}

function indexOfMagic(bytes: Uint8Array): number {
  for (let at = bytes.indexOf(MAGIC[0]); at !== -1; at = bytes.indexOf(MAGIC[0], at + 1)) {
    if (at + MAGIC.length > bytes.length) return -1;
    if (MAGIC.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

/** The bytes of a file around the position of a scan. */
class Window {
  readonly #end: number;
  #buffer = new Uint8Array(0);
  #position = 0;
  #length = 0;
  /** A record too large for the window is read into its own buffer. */
  #large: Uint8Array | undefined;

  constructor(end: number) {
    this.#end = end;
  }

  /** What has to be read before `take`, if anything. */
  plan(need: Need): { target: Uint8Array; position: number } | undefined {
    const { position, length } = need;
    const inside = position >= this.#position && position + length <= this.#position + this.#length;
    if (inside) return undefined;
    if (length > WINDOW_BYTES) {
      this.#large = new Uint8Array(length);
      return { target: this.#large, position };
    }
    if (this.#buffer.length === 0) {
      this.#buffer = new Uint8Array(Math.min(WINDOW_BYTES, Math.max(this.#end, length)));
    }
    this.#position = position;
    this.#length = 0;
    return {
      target: this.#buffer.subarray(
        0,
        Math.max(length, Math.min(this.#buffer.length, this.#end - position)),
      ),
      position,
    };
  }

  loaded(byteCount: number): void {
    if (this.#large === undefined) this.#length = byteCount;
    else if (byteCount < this.#large.length) this.#large = this.#large.subarray(0, byteCount);
  }

  take({ position, length, own }: Need): Uint8Array {
    const large = this.#large;
    if (large !== undefined) {
      this.#large = undefined;
      return large;
    }
    const at = position - this.#position;
    const bytes = this.#buffer.subarray(at, Math.min(at + length, this.#length));
    return own ? bytes.slice() : bytes;
  }
}
