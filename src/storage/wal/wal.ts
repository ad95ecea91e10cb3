import type { Files } from "../../drivers/files/files.ts";
import { PintailError } from "../../errors.ts";
import type { Lsn, WalRange } from "../../schema/segment-meta.ts";
import { LsnRanges } from "./lsn-ranges.ts";
import { Quarantine } from "./quarantine.ts";
import { scanWalRange } from "./read-range.ts";
import { recoverWal, type WalRecovery } from "./recovery.ts";
import { WAL_DEFAULTS, type WalSettings } from "./settings.ts";
import {
  encodeEntryHead,
  encodeTenant,
  encodeVoid,
  entryBytes,
  MAX_BODY_BYTES,
  MAX_TENANT_BYTES,
  type WalEntry,
  type WalRecord,
} from "./wal-format.ts";
import { WalWriter } from "./wal-writer.ts";

export type WalParts = {
  readonly files: Files;
  /** Folder of the WAL alone; made when missing. */
  readonly dir: string;
  /** Records before this are released: `releasedTo` of the catalog. */
  readonly recoverFrom: Lsn;
  /** No new record begins before this (`cutTo`), even when the folder's files are lost. */
  readonly startAtLeast: Lsn;
  readonly nowMs: () => number;
};

export type WalAppend = {
  readonly lsn: Lsn;
  /** Position after the record. */
  readonly endLsn: Lsn;
  /**
   * Resolves when the record is on the disk. Rejects with `unavailable` when it could not be
   * written; then it is never replayed. Ignoring it is allowed.
   */
  readonly durable: Promise<void>;
};

export type WalCounts = {
  readonly appendedRecords: number;
  readonly appendedBytes: number;
  /** Writes, each with one fsync. */
  readonly groups: number;
  readonly failedGroups: number;
  readonly queuedBytes: number;
  readonly fileCount: number;
  readonly fileBytes: number;
  readonly quarantined: { saved: number; savedBytes: number; failed: number; kept: number };
};

type Queued = {
  readonly lsn: Lsn;
  readonly endLsn: Lsn;
  readonly parts: readonly Uint8Array[];
  /** Of a void record: what it voids. */
  readonly voids: readonly WalRange[];
  readonly resolve: () => void;
  readonly reject: (e: unknown) => void;
};

/** How soon a sender may try again when the queue is full or the WAL is closed. */
const BUSY_RETRY_MS = 1000;

/**
 * The write-ahead log: request bodies in the order they came, on the disk before anyone is
 * acknowledged. One write and one fsync serve all records that came meanwhile. The format is in
 * README.md beside this file.
 */
export class Wal {
  readonly recovery: WalRecovery;
  readonly dir: string;
  readonly #files: Files;
  readonly #settings: WalSettings;
  readonly #nowMs: () => number;
  readonly #writer: WalWriter;
  readonly #quarantine: Quarantine;
  readonly #voided: LsnRanges;
  /** Groups that were refused and whose bytes could not be taken off: voided with the next write. */
  readonly #leftovers = new LsnRanges();
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #waitingBytes = 0;
  #nextLsn: Lsn;
  #durableTo: Lsn;
  #lastWriteMs = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;
  #closed = false;
  #appendedRecords = 0;
  #appendedBytes = 0;
  #groups = 0;
  #failedGroups = 0;

  /** Reads what is there from `recoverFrom` on; damage is put aside and never fails the start. */
  static async open(parts: WalParts, settings: Partial<WalSettings> = {}): Promise<Wal> {
    const all = { ...WAL_DEFAULTS, ...settings };
    const { files, dir, recoverFrom, startAtLeast } = parts;
    await files.mkdir(dir);
    const quarantine = new Quarantine(files, dir, all.maxQuarantineBytes);
    await quarantine.open();
    const found = await recoverWal(files, dir, recoverFrom, startAtLeast, quarantine);
    const writer = new WalWriter(files, dir, all.maxFileBytes, found.files);
    // Left over when the process ended between a commit and the removal. A failure costs space only.
    await writer.release(recoverFrom).catch(() => {});
    return new Wal(parts, all, quarantine, writer, found.recovery, found.voided);
  }

  private constructor(
    parts: WalParts,
    settings: WalSettings,
    quarantine: Quarantine,
    writer: WalWriter,
    recovery: WalRecovery,
    voided: LsnRanges,
  ) {
    this.dir = parts.dir;
    this.recovery = recovery;
    this.#files = parts.files;
    this.#nowMs = parts.nowMs;
    this.#settings = settings;
    this.#quarantine = quarantine;
    this.#writer = writer;
    this.#voided = voided;
    this.#nextLsn = recovery.endLsn;
    this.#durableTo = recovery.endLsn;
  }

  /** Everything before this is durable or was refused. */
  get durableTo(): Lsn {
    return this.#durableTo;
  }

  /** Where the next record will begin. */
  get nextLsn(): Lsn {
    return this.#nextLsn;
  }

  /** Records before this are not on the disk any more. */
  get oldestLsn(): Lsn {
    return this.#writer.oldestLsn ?? this.#durableTo;
  }

  /** Begins a new file with the next write, and writes: the files before can be released then. */
  roll(): void {
    if (this.#closed) return;
    this.#writer.roll();
    this.#enqueueVoid([]);
    this.#schedule();
  }

  counts(): WalCounts {
    return {
      appendedRecords: this.#appendedRecords,
      appendedBytes: this.#appendedBytes,
      groups: this.#groups,
      failedGroups: this.#failedGroups,
      queuedBytes: this.#queuedBytes,
      fileCount: this.#writer.fileCount,
      fileBytes: this.#writer.bytes,
      quarantined: this.#quarantine.counts,
    };
  }

  /**
   * Takes the entry into the next group. The body must not change until `durable` settles. Throws
   * `unavailable` when the queue is full or the WAL is closed, `too_large` beyond 1 GiB.
   */
  append(entry: WalEntry): WalAppend {
    if (this.#closed) throw busy("the write-ahead log is closed");
    const tenant = encodeTenant(entry.tenant);
    if (entry.body.length > MAX_BODY_BYTES || tenant.length > MAX_TENANT_BYTES) {
      throw new PintailError(
        "too_large",
        `a record of ${entry.body.length} bytes exceeds the ${MAX_BODY_BYTES} that the write-ahead log takes`,
      );
    }
    const byteCount = entryBytes(tenant, entry.body);
    const { maxQueueBytes } = this.#settings;
    if (this.#queuedBytes > 0 && this.#queuedBytes + byteCount > maxQueueBytes) {
      throw busy(`the write-ahead log has ${this.#queuedBytes} bytes waiting of ${maxQueueBytes}`);
    }
    const head = encodeEntryHead(entry, tenant, this.#nextLsn);
    const appended = this.#enqueue([head, entry.body], byteCount, []);
    this.#schedule();
    return appended;
  }

  /**
   * Marks records appended before as refused: replay and range reads leave them out. Takes effect
   * at once here, and across a crash when `durable` resolves.
   */
  appendVoid(lsns: readonly Lsn[]): WalAppend {
    if (this.#closed) throw busy("the write-ahead log is closed");
    const ranges = new LsnRanges();
    for (const lsn of lsns) ranges.add({ from: lsn, to: lsn + 1 });
    for (const range of ranges.all) this.#voided.add(range);
    const appended = this.#enqueueVoid(ranges.all);
    this.#schedule();
    return appended;
  }

  /** What `readWalRange` must leave out of `[from, to)`. */
  voided({ from, to }: WalRange): WalRange[] {
    return this.#voided.within(from, to);
  }

  /**
   * Durable records that begin in `[from, to)` and are not voided, in order. Bytes that turn out
   * damaged are put into quarantine and left out.
   */
  async *read({ from, to }: WalRange): AsyncGenerator<WalRecord, void> {
    const range = { from, to: Math.min(to, this.#durableTo) };
    for await (const item of scanWalRange(this.#files, this.dir, range)) {
      if (item.type === "bad" && !this.#voided.has(item.range.from)) {
        await this.#quarantine.saveRange(item.range, "damaged bytes in the WAL");
      }
      if (item.type === "entry" && !this.#voided.has(item.record.lsn)) yield item.record;
    }
  }

  /** The records found at the start, from `from` on. */
  replay(from: Lsn): AsyncGenerator<WalRecord, void> {
    return this.read({ from, to: this.recovery.endLsn });
  }

  /** Keeps a record that was acknowledged and now does not decode, outside of the WAL. */
  async quarantine(record: WalRecord, reason: string): Promise<void> {
    const tenant = encodeTenant(record.tenant);
    const head = encodeEntryHead(record, tenant, record.lsn);
    const bytes = new Uint8Array(head.length + record.body.length);
    bytes.set(head);
    bytes.set(record.body, head.length);
    await this.#quarantine.saveBytes(record.lsn, bytes, reason);
  }

  /** Nobody will read records before `before` again: whole files below it are removed. */
  async release(before: Lsn): Promise<void> {
    await this.#writer.release(Math.min(before, this.#durableTo));
    this.#voided.dropBefore(before);
  }

  /** Writes what is queued; appends throw from now on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#start();
    while (this.#writing !== undefined) await this.#writing;
    await this.#writer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #enqueueVoid(ranges: readonly WalRange[]): WalAppend {
    const bytes = encodeVoid(ranges, this.#nextLsn);
    return this.#enqueue([bytes], bytes.length, ranges);
  }

  #enqueue(parts: readonly Uint8Array[], byteCount: number, voids: readonly WalRange[]): WalAppend {
    const lsn = this.#nextLsn;
    const endLsn = lsn + byteCount;
    this.#nextLsn = endLsn;
    this.#queuedBytes += byteCount;
    this.#waitingBytes += byteCount;
    const { promise: durable, resolve, reject } = Promise.withResolvers<void>();
    durable.catch(() => {});
    this.#queue.push({ lsn, endLsn, parts, voids, resolve, reject });
    return { lsn, endLsn, durable };
  }

  #schedule(): void {
    if (this.#writing !== undefined) return;
    if (this.#waitingBytes >= this.#settings.maxGroupBytes) {
      this.#start();
      return;
    }
    if (this.#timer !== undefined) return;
    const waitMs = this.#lastWriteMs + this.#settings.groupDelayMs - this.#nowMs();
    // Idle until now: do not wait, but let the appends of this turn come together.
    this.#timer = setTimeout(
      () => this.#start(),
      Math.max(0, Math.min(waitMs, this.#settings.groupDelayMs)),
    );
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#writing !== undefined) return;
    const lastChance = this.#closed && this.#leftovers.all.length > 0;
    if (this.#queue.length === 0 && !lastChance) return;
    this.#writing = this.#writeGroup().finally(() => {
      this.#writing = undefined;
      if (this.#queue.length === 0) return;
      if (this.#closed) this.#start();
      else this.#schedule();
    });
  }

  async #writeGroup(): Promise<void> {
    this.#lastWriteMs = this.#nowMs();
    if (this.#leftovers.all.length > 0) {
      const leftovers = [...this.#leftovers.all];
      // In this very group, so that nothing is acknowledged before the refusal is on the disk.
      this.#enqueueVoid(leftovers);
    }
    const group = this.#queue;
    this.#queue = [];
    this.#waitingBytes = 0;
    const lsn = group[0]?.lsn ?? this.#nextLsn;
    const endLsn = group.at(-1)?.endLsn ?? this.#nextLsn;
    try {
      const parts = group.flatMap((queued) => queued.parts);
      await this.#writer.write(parts, lsn, endLsn);
    } catch (e) {
      await this.#refuse(group, { from: lsn, to: endLsn }, e);
      return;
    }
    this.#settled(endLsn - lsn, endLsn);
    this.#groups++;
    this.#appendedRecords += group.length;
    this.#appendedBytes += endLsn - lsn;
    for (const queued of group) {
      for (const range of queued.voids) this.#forgetLeftover(range);
      queued.resolve();
    }
  }

  async #refuse(group: readonly Queued[], range: WalRange, cause: unknown): Promise<void> {
    this.#failedGroups++;
    if ((await this.#writer.discard()) === "leftovers") {
      this.#voided.add(range);
      this.#leftovers.add(range);
    }
    // A void that was not written is written again with the next group.
    for (const queued of group) for (const voided of queued.voids) this.#leftovers.add(voided);
    this.#settled(range.to - range.from, range.to);
    const error = refusal(cause);
    for (const queued of group) queued.reject(error);
  }

  #settled(byteCount: number, endLsn: Lsn): void {
    this.#queuedBytes -= byteCount;
    this.#durableTo = endLsn;
  }

  #forgetLeftover(written: WalRange): void {
    const left = this.#leftovers.all.filter(
      ({ from, to }) => from < written.from || to > written.to,
    );
    this.#leftovers.clear();
    for (const range of left) this.#leftovers.add(range);
  }
}

function busy(message: string): PintailError {
  return new PintailError("unavailable", message, { retryAfterMs: BUSY_RETRY_MS });
}

function refusal(cause: unknown): PintailError {
  const retryAfterMs =
    cause instanceof PintailError ? (cause.retryAfterMs ?? BUSY_RETRY_MS) : BUSY_RETRY_MS;
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new PintailError("unavailable", `cannot write the write-ahead log: ${reason}`, {
    cause,
    retryAfterMs,
  });
}
