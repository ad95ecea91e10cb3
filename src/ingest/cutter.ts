import { reached } from "../runtime/failpoints.ts";
import type { Lsn, SegmentMeta, WalRange } from "../schema/segment-meta.ts";
import type { Catalog } from "../storage/catalog/catalog.ts";
import { type Logger, rateLimited } from "../telemetry/logger.ts";
import { type CutFailure, cutFailure } from "./cut-failure.ts";

export type CutterParts = {
  readonly cut: (walRange: WalRange) => Promise<readonly SegmentMeta[]>;
  readonly catalog: Catalog;
  /** Room on the disk of the segments. */
  readonly freeBytes: () => Promise<number>;
  /** Told the segments of each cut once they are in the catalog. */
  readonly onCommitted?: (segments: readonly SegmentMeta[]) => void;
  readonly log: Logger;
  readonly monotonicMs: () => number;
  /** Calls back once after `delayMs`; returns a function that takes it back. */
  readonly after: (delayMs: number, run: () => void) => () => void;
};

export type CutterSettings = {
  /** The oldest span waits at most this long for a cut. */
  readonly cutAfterMs: number;
  /** So much of the WAL is cut at once: a thread that writes a large segment decodes nothing. */
  readonly cutAfterBytes: number;
  /** Cuts asked for by queries start at least this long after the one before. */
  readonly minCutIntervalMs: number;
};

/** While tries fail, one record in so much time says so. */
const LOG_INTERVAL_MS = 1000;

/**
 * Decides when the head is cut and commits the result. One cut runs at a time; what comes meanwhile
 * is in the next one.
 */
export class Cutter {
  readonly #parts: CutterParts;
  readonly #settings: CutterSettings;
  /** End of the last record handed to the worker. */
  #handedTo: Lsn;
  /** End of the last record whose segment is committed. */
  #cutTo: Lsn;
  /** End of the last record that the worker was asked to cut, which it remembers if that fails. */
  #askedTo: Lsn;
  /** Segments written whose commit failed. */
  #uncommitted: { readonly metas: readonly SegmentMeta[]; readonly cutTo: Lsn } | undefined;
  #running: Promise<void> | undefined;
  #lastStartMs = Number.NEGATIVE_INFINITY;
  /** The last cut failed: until another try makes sense nobody needs to wait to learn it. */
  #failure: CutFailure | undefined;
  #failures = 0;
  readonly #logFailure: Logger["error"];
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(parts: CutterParts, settings: CutterSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#cutTo = parts.catalog.walPositions().cutTo;
    this.#handedTo = this.#cutTo;
    this.#askedTo = this.#cutTo;
    this.#logFailure = rateLimited(parts.log.error, LOG_INTERVAL_MS, parts.monotonicMs);
  }

  /** The worker was handed all records before `lsn`. */
  handed(lsn: Lsn): void {
    this.#handedTo = lsn;
    if (this.#cancelTimer === undefined && !this.#closed) {
      this.#cancelTimer = this.#parts.after(this.#settings.cutAfterMs, () => this.#onTimer());
    }
    const due = this.pendingBytes() >= this.#settings.cutAfterBytes;
    if (due && this.#running === undefined && this.#failure === undefined) void this.#start();
  }

  /** Bytes of the WAL that are in no segment yet. */
  pendingBytes(): number {
    return this.#handedTo - this.#cutTo;
  }

  /** Tries that failed. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * Resolves when everything handed over before the call is in a committed segment; rejects when
   * the cut failed, at once while another try makes no sense (`CutFailure`), or when `signal` aborts.
   */
  async cutNow(signal?: AbortSignal): Promise<void> {
    const target = this.#handedTo;
    while (this.#cutTo < target) {
      signal?.throwIfAborted();
      if (this.#running === undefined) {
        const failure = this.#failure;
        if (failure !== undefined) {
          if (!(await untilAborted(this.#isWorthTrying(failure), signal))) throw failure.error;
          // Others may have begun meanwhile, or be through with it.
          if (this.#running !== undefined || this.#failure === undefined) continue;
        }
        const waitMs =
          this.#lastStartMs + this.#settings.minCutIntervalMs - this.#parts.monotonicMs();
        if (waitMs > 0) {
          await new Promise<void>((resolve) => this.#parts.after(waitMs, resolve));
          continue;
        }
      }
      await untilAborted(this.#running ?? this.#start(), signal);
    }
  }

  /** Cuts what is left; no timer runs afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#lastStartMs = Number.NEGATIVE_INFINITY;
    this.#failure = undefined;
    await this.cutNow();
  }

  #onTimer(): void {
    this.#cancelTimer = undefined;
    this.#cutDue().then(
      () => this.#rearm(),
      () => this.#rearm(),
    );
  }

  async #cutDue(): Promise<void> {
    const failure = this.#failure;
    if (failure !== undefined && !(await this.#isWorthTrying(failure))) return;
    if (this.#running !== undefined || this.#closed || this.#cutTo === this.#handedTo) return;
    await this.#start();
  }

  async #isWorthTrying({ retryAtMs, roomBytes }: CutFailure): Promise<boolean> {
    if (this.#parts.monotonicMs() >= retryAtMs) return true;
    return roomBytes < Number.POSITIVE_INFINITY && (await this.#freeBytes()) >= roomBytes;
  }

  /** `Infinity` when it cannot be learnt: it is no reason not to try. */
  #freeBytes(): Promise<number> {
    return this.#parts.freeBytes().catch(() => Number.POSITIVE_INFINITY);
  }

  #rearm(): void {
    if (this.#closed || this.#cutTo === this.#handedTo || this.#cancelTimer !== undefined) return;
    const delayMs = this.#settings.cutAfterMs;
    this.#cancelTimer = this.#parts.after(delayMs, () => this.#onTimer());
  }

  #start(): Promise<void> {
    this.#lastStartMs = this.#parts.monotonicMs();
    const running = this.#run().finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    // Those who wait see the failure; nobody has to.
    running.catch(() => {});
    return running;
  }

  async #run(): Promise<void> {
    const target = this.#handedTo;
    const startedMs = this.#lastStartMs;
    try {
      // What an earlier cut wrote goes first: while the catalog refuses, no more files are made.
      await this.#commit();
      if (this.#cutTo < target) {
        const walRange = { from: this.#askedTo, to: target };
        this.#askedTo = target;
        const metas = await this.#parts.cut(walRange);
        reached("cut:written");
        this.#uncommitted = { metas, cutTo: target };
        await this.#commit();
      }
    } catch (e) {
      this.#failures++;
      this.#logFailure("cut failed", { error: e, from: this.#cutTo, to: target });
      const freeBytes = await this.#freeBytes();
      this.#failure = cutFailure(e, this.#failure, {
        startedMs,
        nowMs: this.#parts.monotonicMs(),
        freeBytes,
        isCommit: this.#uncommitted !== undefined,
      });
      throw e;
    }
    this.#failure = undefined;
  }

  async #commit(): Promise<void> {
    if (this.#uncommitted === undefined) return;
    const { metas, cutTo } = this.#uncommitted;
    await this.#parts.catalog.commit({ add: metas, cutTo });
    reached("cut:committed");
    this.#uncommitted = undefined;
    this.#cutTo = cutTo;
    this.#parts.onCommitted?.(metas);
  }
}

/** What `promise` gives; it goes on when `signal` aborts before, and that rejects. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
