import { reached } from "../runtime/failpoints.ts";
import type { Lsn, SegmentMeta, WalRange } from "../schema/segment-meta.ts";
import type { Catalog } from "../storage/catalog/catalog.ts";
import type { Logger } from "../telemetry/logger.ts";

export type CutterParts = {
  readonly cut: (walRange: WalRange) => Promise<readonly SegmentMeta[]>;
  readonly catalog: Catalog;
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

/** After a failed cut (disk full) the next try waits this long. */
const RETRY_MS = 1000;

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
  /** The last cut failed: until the next try nobody needs to wait to learn it. */
  #failure: { readonly error: unknown; readonly untilMs: number } | undefined;
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(parts: CutterParts, settings: CutterSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#cutTo = parts.catalog.walPositions().cutTo;
    this.#handedTo = this.#cutTo;
    this.#askedTo = this.#cutTo;
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

  /**
   * Resolves when everything handed over before the call is in a committed segment; rejects when
   * the cut failed, at once if that was less than `RETRY_MS` ago, or when `signal` aborts.
   */
  async cutNow(signal?: AbortSignal): Promise<void> {
    const target = this.#handedTo;
    while (this.#cutTo < target) {
      signal?.throwIfAborted();
      if (this.#running === undefined) {
        if (this.#failure !== undefined && this.#parts.monotonicMs() < this.#failure.untilMs) {
          throw this.#failure.error;
        }
        const waitMs =
          this.#lastStartMs + this.#settings.minCutIntervalMs - this.#parts.monotonicMs();
        if (waitMs > 0) {
          await new Promise<void>((resolve) => this.#parts.after(waitMs, resolve));
          continue;
        }
        void this.#start();
      }
      await untilAborted(this.#running, signal);
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
    if (this.#running !== undefined || this.#cutTo === this.#handedTo) {
      this.#rearm();
      return;
    }
    this.#start().then(
      () => this.#rearm(),
      () => this.#rearm(),
    );
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
      this.#parts.log.error("cut failed", { error: e, from: this.#cutTo, to: target });
      this.#failure = { error: e, untilMs: this.#parts.monotonicMs() + RETRY_MS };
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

/** Waits for `running`, which goes on when `signal` aborts before; that rejects. */
async function untilAborted(
  running: Promise<void> | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal === undefined) return running;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await Promise.race([running, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
