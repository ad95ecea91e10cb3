import type {
  OnChunk,
  QueryOptions,
  ScratchDatabase,
  SqlValue,
} from "../drivers/duckdb/database.ts";
import type { ScratchColumn, ScratchTable } from "../drivers/duckdb/scratch-table.ts";
import { isPintailError, PintailError } from "../errors.ts";
import type { SegmentSummary, SegmentWithFilter, SegmentWithKeys } from "../schema/segment-meta.ts";
import { type Catalog, DETAILS_PORTION, type Loaded } from "../storage/catalog/catalog.ts";
import type { SegmentFiles } from "../storage/segment-cache/segment-files.ts";
import type {
  CountedFile,
  FilesCounts,
  FilesRequest,
} from "../storage/segments/count/counting-job.ts";
import type { ValueCounter } from "../storage/segments/count/counting-threads.ts";
import type { SegmentFilters } from "../storage/segments/filters/segment-filters.ts";
import { withHiddenIds } from "./hidden-traces.ts";
import { QueryGate } from "./query-gate.ts";
import type { QueryRecorder } from "./query-recorder.ts";
import { hasMarkers } from "./remote/markers.ts";
import { remoteStatement } from "./remote/remote-statement.ts";
import { damaged, type SegmentReaders } from "./segment-readers.ts";
import { isRemote } from "./segment-sql.ts";
import type { QueryLimits, QuerySettings } from "./settings.ts";
import { TimeLimit } from "./time-limit.ts";

/** What the read path is built from. */
export type QueryContext = {
  readonly catalog: Catalog;
  readonly database: ScratchDatabase;
  /** Path of a segment's file as DuckDB opens it. */
  segmentPath(meta: SegmentSummary): string;
  /** Brings segments that rest in a bucket; without it, all are local files. */
  readonly segmentFiles?: SegmentFiles | undefined;
  /** Reads few rows faster than the database; without it, the database reads them all. */
  readonly segmentReaders?: SegmentReaders | undefined;
  /** Tells of values that segments lack; without it, what the catalog says is all that is known. */
  readonly segmentFilters?: SegmentFilters | undefined;
  /** Counts values faster than the database; without it, the database counts them all. */
  readonly valueCounter?: ValueCounter | undefined;
  /** Makes everything acknowledged before the call visible in the catalog. */
  cutHead(signal: AbortSignal): Promise<void>;
  limitsFor(tenant: string): QueryLimits;
  /** Told the columns (`span.<key>`, `resource.<key>`) of attributes that a query names. */
  readonly recordKeys?: ((columns: readonly string[]) => void) | undefined;
  readonly settings: QuerySettings;
  /** Wall clock, Unix milliseconds. */
  nowMs(): number;
};

export type RunOptions = {
  /** Sorted, without duplicates, at least one. */
  readonly tenants: readonly string[];
  /** For the query's own work, waiting for its turn not counted; 0 = off. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * Not what a user waits for: it queues apart from its tenant's queries, and what the catalog has
   * is enough, so the head is not cut for it.
   */
  readonly background?: boolean | undefined;
  /** Told every statement of the run. */
  readonly recorder?: QueryRecorder | undefined;
};

/** A segment, and which of its rows to count. */
export type SegmentToCount = { readonly meta: SegmentSummary } & Omit<CountedFile, "path">;

/** One attempt at a query: a fixed view of the catalog, and the database bounded by the deadline. */
export interface QueryRun {
  readonly context: QueryContext;
  readonly signal: AbortSignal;
  readonly recorder: QueryRecorder | undefined;
  /** The tenant's segments in this view, newest first. */
  segments(tenant: string): readonly SegmentSummary[];
  rows(sql: string, options?: { maxRows?: number }): Promise<SqlValue[][]>;
  chunks(sql: string, onChunk: OnChunk): Promise<void>;
  /**
   * Counts of columns of the first of these segments together, without the database; `undefined` when
   * that is not possible. Rows are numbered as in the stored files.
   */
  countValues(
    segments: readonly SegmentToCount[],
    request: FilesRequest,
  ): Promise<FilesCounts | undefined>;
  /** A table for the run's own queries; whoever makes it disposes of it. */
  scratchTable(columns: readonly ScratchColumn[]): Promise<ScratchTable>;
  /** The same of the rows of a SELECT. */
  scratchTableOf(select: string): Promise<ScratchTable>;
  /** Throws `canceled` or `timeout` when it is time to stop: for work that is not the database's. */
  throwIfOver(): void;
  /** Calls `visit` for each item; lets other requests have the thread now and then. */
  forEach<T>(items: readonly T[], visit: (item: T) => void): Promise<void>;
  /**
   * The same for segments of the view, of which `visit` may read the key statistics: a portion of
   * them is in memory at a time, so it keeps what it needs and no more.
   */
  withKeys(
    segments: readonly SegmentSummary[],
    visit: (meta: SegmentWithKeys) => void,
  ): Promise<void>;
  /** The same for their trace filters. */
  withFilters(
    segments: readonly SegmentSummary[],
    visit: (meta: SegmentWithFilter) => void,
  ): Promise<void>;
}

function noFile(id: string): never {
  throw new Error(`the file of segment ${id} was not asked for`);
}

/** No tenant's name. */
const BACKGROUND = "";

/** Longest work on the main thread without a pause, besides one item's. */
const TURN_MS = 20;
/** So many items go by without a look at the clock while as many take next to nothing. */
const QUICK_ITEMS = 16;
const QUICK_MS = 0.1;

/** Runs queries: takes turns, cuts the head, fixes the view, keeps time, retries a lost file. */
export class QueryEngine {
  readonly context: QueryContext;
  readonly #gate: QueryGate;

  constructor(context: QueryContext) {
    this.context = context;
    this.#gate = new QueryGate(context.settings);
  }

  /**
   * Throws `limited` (queue full), `canceled` (the signal), `timeout` (the query's own), and
   * `unavailable` when the whole took longer than `apiTimeoutMs`.
   */
  async run<T>(options: RunOptions, work: (run: QueryRun) => Promise<T>): Promise<T> {
    const { apiTimeoutMs } = this.context.settings;
    const whole = new AbortController();
    const onAbort = (): void => whole.abort(options.signal?.reason);
    if (options.signal?.aborted) onAbort();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    let late = false;
    const timer =
      apiTimeoutMs > 0
        ? setTimeout(() => {
            late = true;
            whole.abort();
          }, apiTimeoutMs)
        : undefined;
    try {
      const queue = options.background ? BACKGROUND : options.tenants.join("|");
      return await this.#gate.run(queue, whole.signal, () =>
        this.#attempts(options, whole.signal, work),
      );
    } catch (error) {
      if (late && isPintailError(error, "canceled")) {
        throw new PintailError(
          "unavailable",
          "unable to process request in the configured timeout",
          { cause: error },
        );
      }
      if (isPintailError(error, "timeout")) {
        // In Tempo's words; the database speaks of what was left for its last statement.
        throw new PintailError("timeout", "context deadline exceeded", { cause: error });
      }
      throw error;
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
    }
  }

  async #attempts<T>(
    options: RunOptions,
    signal: AbortSignal,
    work: (run: QueryRun) => Promise<T>,
  ): Promise<T> {
    const deadlineMs = options.timeoutMs > 0 ? performance.now() + options.timeoutMs : undefined;
    if (!options.background) await this.#cutHead(options, signal);
    const attempt = () => work(new Attempt(this.context, options, signal, deadlineMs));
    try {
      return await attempt();
    } catch (error) {
      if (!isVanishedFile(error)) throw error;
    }
    // Merging replaced a segment and its grace period ended under us; the new view has the new one.
    try {
      return await attempt();
    } catch (cause) {
      if (!isVanishedFile(cause) || isPintailError(cause, "corrupt")) throw cause;
      // To the client this must not look like a trace that is not there.
      throw new PintailError("corrupt", "the file of a segment is missing", { cause });
    }
  }

  /** It waits for the disk, and the whole request may have no bound. */
  async #cutHead({ timeoutMs }: RunOptions, signal: AbortSignal): Promise<void> {
    if (timeoutMs <= 0) return this.context.cutHead(signal);
    using time = new TimeLimit(signal, timeoutMs);
    await time.within(this.context.cutHead(time.signal));
  }
}

class Attempt implements QueryRun {
  readonly context: QueryContext;
  readonly signal: AbortSignal;
  readonly recorder: QueryRecorder | undefined;
  readonly #deadlineMs: number | undefined;
  readonly #segments: ReadonlyMap<string, readonly SegmentSummary[]>;
  #byId: Map<string, SegmentSummary> | undefined;

  constructor(
    context: QueryContext,
    { tenants, recorder }: RunOptions,
    signal: AbortSignal,
    deadlineMs: number | undefined,
  ) {
    this.context = context;
    this.signal = signal;
    this.recorder = recorder;
    recorder?.beginAttempt();
    this.#deadlineMs = deadlineMs;
    this.#segments = new Map(tenants.map((tenant) => [tenant, context.catalog.segments(tenant)]));
  }

  segments(tenant: string): readonly SegmentSummary[] {
    return this.#segments.get(tenant) ?? [];
  }

  rows(sql: string, options: { maxRows?: number } = {}): Promise<SqlValue[][]> {
    const { database } = this.context;
    return this.#recorded(sql, async (text, count) => {
      const rows = await database.rows(text, { ...this.#bounds(), maxRows: options.maxRows });
      count(rows.length);
      return rows;
    });
  }

  chunks(sql: string, onChunk: OnChunk): Promise<void> {
    const { database } = this.context;
    return this.#recorded(sql, (text, count) => {
      const counting: OnChunk = (chunk, columns) => {
        count(chunk.rowCount);
        return onChunk(chunk, columns);
      };
      return database.chunks(text, counting, this.#bounds());
    });
  }

  /** Runs a statement once its files are there; `count` is told the rows that came. */
  async #recorded<T>(
    sql: string,
    work: (text: string, count: (rows: number) => void) => Promise<T>,
  ): Promise<T> {
    const { recorder } = this;
    let rowCount = 0;
    const began = performance.now();
    let error: string | undefined;
    let text = sql;
    try {
      using files = await this.#files(sql);
      text = files.text;
      return await work(text, (rows) => {
        rowCount += rows;
      });
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
      throw cause;
    } finally {
      recorder?.addStatement({ sql: text, durationMs: performance.now() - began, rowCount, error });
    }
  }

  /** Brings what a statement needs of segments in a bucket; its text is without markers then. */
  async #files(sql: string): Promise<Disposable & { readonly text: string }> {
    const { segmentFiles } = this.context;
    const metaOf = (id: string): SegmentSummary => this.#segmentOf(id);
    const plain = (text: string) => ({
      text: withHiddenIds(text, metaOf),
      [Symbol.dispose]: () => {},
    });
    if (!hasMarkers(sql)) return plain(sql);
    const statement = remoteStatement(sql, metaOf);
    if (segmentFiles === undefined || statement.needs.length === 0) {
      return plain(statement.textOf({ pathOf: noFile }));
    }
    const limit = this.#limit();
    try {
      const files = await segmentFiles.pin(statement.needs, limit);
      const text = withHiddenIds(statement.textOf(files), metaOf);
      return { text, [Symbol.dispose]: () => files[Symbol.dispose]() };
    } catch (cause) {
      this.throwIfOver();
      // Not the kind of what was asked for: a trace that is not found is something else.
      if (!isPintailError(cause, "not_found")) throw cause;
      throw new PintailError("corrupt", cause.message, { cause });
    }
  }

  async countValues(
    segments: readonly SegmentToCount[],
    request: FilesRequest,
  ): Promise<FilesCounts | undefined> {
    const { valueCounter } = this.context;
    const [first] = segments;
    if (valueCounter === undefined || first === undefined) return undefined;
    const signal = this.#limit();
    const began = performance.now();
    let error: string | undefined;
    try {
      using local = await this.#localFiles(segments, request, signal);
      const files = segments.map(({ meta, ...rows }) => ({ path: local.pathOf(meta), ...rows }));
      return await valueCounter.count(files, request, signal);
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
      this.throwIfOver();
      throw isPintailError(cause, "corrupt") ? damaged(first.meta, cause) : cause;
    } finally {
      const { columns } = request;
      this.recorder?.addStatement({
        sql: `-- counted without SQL: ${columns.length} columns of ${segments.length} segments from ${first.meta.id} on`,
        durationMs: performance.now() - began,
        rowCount: 0,
        error,
      });
    }
  }

  /** Copies of those segments that are in a bucket, with the columns to count. */
  async #localFiles(
    segments: readonly SegmentToCount[],
    { columns }: FilesRequest,
    signal: AbortSignal,
  ): Promise<Disposable & { pathOf(meta: SegmentSummary): string }> {
    const { segmentFiles, segmentPath } = this.context;
    const remote = segments.filter(({ meta }) => isRemote(this.context, meta));
    if (segmentFiles === undefined || remote.length === 0) {
      return { pathOf: segmentPath, [Symbol.dispose]: () => {} };
    }
    const names = new Set(["start_time", ...columns.map(({ name }) => name)]);
    const needs = remote.map(({ meta }) => ({ meta, columns: names, rowGroups: "all" as const }));
    const files = await segmentFiles.pin(needs, signal);
    return {
      pathOf: (meta) => (isRemote(this.context, meta) ? files.pathOf(meta.id) : segmentPath(meta)),
      [Symbol.dispose]: () => files[Symbol.dispose](),
    };
  }

  /** Aborted when the query is, and when its time is over. */
  #limit(): AbortSignal {
    const { signal, timeoutMs } = this.#bounds();
    const limits = [signal, timeoutMs && AbortSignal.timeout(Math.ceil(timeoutMs))].filter(
      (one) => !!one,
    );
    return AbortSignal.any(limits);
  }

  #segmentOf(id: string): SegmentSummary {
    this.#byId ??= new Map(
      [...this.#segments.values()].flatMap((segments) => segments.map((meta) => [meta.id, meta])),
    );
    const meta = this.#byId.get(id);
    if (meta === undefined) {
      throw new Error("a statement over a segment that is not in the query's view");
    }
    return meta;
  }

  scratchTable(columns: readonly ScratchColumn[]): Promise<ScratchTable> {
    return this.context.database.scratchTable(columns, this.#bounds());
  }

  scratchTableOf(select: string): Promise<ScratchTable> {
    return this.#recorded(select, async (text, count) => {
      const table = await this.context.database.scratchTableOf(text, this.#bounds());
      count(table.rowCount);
      return table;
    });
  }

  throwIfOver(): void {
    this.#bounds();
  }

  async forEach<T>(items: readonly T[], visit: (item: T) => void): Promise<void> {
    let began = performance.now();
    let looked = began;
    let untilLook = 1;
    for (let i = 0; i < items.length; i++) {
      visit(items[i]!);
      if (--untilLook > 0) continue;
      const now = performance.now();
      untilLook = now - looked < QUICK_MS ? QUICK_ITEMS : 1;
      looked = now;
      if (now - began < TURN_MS) continue;
      await new Promise((resolve) => setTimeout(resolve));
      this.#bounds();
      began = performance.now();
      looked = began;
    }
  }

  withKeys(
    segments: readonly SegmentSummary[],
    visit: (meta: SegmentWithKeys) => void,
  ): Promise<void> {
    const { catalog } = this.context;
    return this.#inPortions(segments, (some) => catalog.loadKeys(some, this.signal), visit);
  }

  withFilters(
    segments: readonly SegmentSummary[],
    visit: (meta: SegmentWithFilter) => void,
  ): Promise<void> {
    const { catalog } = this.context;
    return this.#inPortions(segments, (some) => catalog.loadFilters(some, this.signal), visit);
  }

  async #inPortions<T>(
    segments: readonly SegmentSummary[],
    load: (portion: readonly SegmentSummary[]) => Promise<Loaded<T>>,
    visit: (meta: T) => void,
  ): Promise<void> {
    for (let at = 0; at < segments.length; at += DETAILS_PORTION) {
      using loaded = await load(segments.slice(at, at + DETAILS_PORTION));
      await this.forEach(loaded.segments, visit);
      this.#bounds();
    }
  }

  #bounds(): QueryOptions {
    if (this.signal.aborted) throw new PintailError("canceled", "query canceled");
    if (this.#deadlineMs === undefined) return { signal: this.signal };
    const timeoutMs = this.#deadlineMs - performance.now();
    if (timeoutMs <= 0) throw new PintailError("timeout", "context deadline exceeded");
    return { signal: this.signal, timeoutMs };
  }
}

/** DuckDB's words for a file that is gone, before or after it listed it. */
const VANISHED = /No files found that match|Cannot open file|No such file or directory/;

function isVanishedFile(error: unknown): boolean {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 5; e = e.cause, depth++) {
    if (VANISHED.test(e.message) || isPintailError(e, "not_found")) return true;
  }
  return false;
}
