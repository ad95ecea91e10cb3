import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ExportTraceServiceRequestSchema } from "../../gen/opentelemetry/proto/collector/trace/v1/trace_service_pb.ts";
import type { ScratchDatabase } from "../../src/drivers/duckdb/database.ts";
import { openDatabase } from "../../src/drivers/duckdb/node-database.ts";
import { nodeFiles } from "../../src/drivers/files/node-files.ts";
import { SpanBatch } from "../../src/model/span-batch.ts";
import { type QueryContext, QueryEngine } from "../../src/query/query-context.ts";
import { SegmentReaders } from "../../src/query/segment-readers.ts";
import type { QueryLimits, QuerySettings } from "../../src/query/settings.ts";
import { OtlpDecoder } from "../../src/receivers/otlp/decode.ts";
import type { KeyStats, SegmentMeta } from "../../src/schema/segment-meta.ts";
import { segmentKey } from "../../src/storage/bucket/object-keys.ts";
import type { Catalog } from "../../src/storage/catalog/catalog.ts";
import { KeySharer } from "../../src/storage/catalog/shared-keys.ts";
import { SegmentCache } from "../../src/storage/segment-cache/segment-cache.ts";
import type { SegmentFiles } from "../../src/storage/segment-cache/segment-files.ts";
import { SegmentFilters } from "../../src/storage/segments/filters/segment-filters.ts";
import { mayContain } from "../../src/storage/segments/trace-filter.ts";
import { writeSegment } from "../../src/storage/segments/write-segment.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { hexToBytes } from "../../src/util/hex.ts";
import { counterOnThisThread } from "../storage/segments/count/counter-on-this-thread.ts";
import { WHOLE_SEGMENTS } from "../support/loaded-segments.ts";

export type RequestInit = MessageInitShape<typeof ExportTraceServiceRequestSchema>;

export const TEST_LIMITS: QueryLimits = {
  defaultSearchLimit: 20,
  maxSearchLimit: 262_144,
  defaultSpansPerSpanSet: 3,
  maxSpansPerSpanSet: 100,
  maxSearchDurationMs: 168 * 3_600_000,
  maxMetricsDurationMs: 24 * 3_600_000,
  maxBytesPerTrace: 5_000_000,
  maxBytesPerTagValuesQuery: 1_000_000,
  maxConditionGroupsPerTagQuery: 100,
  leftPadTraceIds: false,
};

/** Real segments in a temporary folder, read by a real database, listed by a catalog in memory. */
export class SegmentStore {
  readonly dir: string;
  readonly database: ScratchDatabase;
  readonly segments: SegmentMeta[] = [];
  /** Mutable, so that a test can set what it is about. */
  limits: QueryLimits = TEST_LIMITS;
  settings: QuerySettings;
  nowMs = Date.parse("2023-11-14T22:30:00Z");
  cuts = 0;
  #nextId = 0;
  /** Segments share what they have in common, as the catalog's do. */
  readonly #sharer = new KeySharer();
  readonly #columnLists = new Map<string, readonly string[]>();
  /** Statements run so far. */
  readonly statements: string[] = [];
  /** Off, everything is read by the database. */
  useReaders = true;
  readers = new SegmentReaders({
    openFile: (meta, signal) =>
      meta.object !== undefined && this.segmentFiles !== undefined
        ? this.segmentFiles.openRead(meta, signal)
        : nodeFiles().openRead(this.#path(meta)),
  });
  /** Off, what the catalog says is all that is known of segments. */
  useFilters = true;
  filters = new SegmentFilters({
    openFile: (meta) =>
      meta.object !== undefined && this.segmentFiles !== undefined
        ? this.segmentFiles.openLocal(meta)
        : nodeFiles().openRead(this.#path(meta)),
  });
  /** Off, segments added from now on list no values, as those with very many of them. */
  listValues = true;
  /** Off, all values are counted by the database. */
  useCounter = true;
  /** Segments added from now on rest in a bucket; nothing is fetched whole. */
  inBucket = false;
  /** Brings segments that have an `object`. */
  segmentFiles: SegmentFiles | undefined;
  /** What the cut before a query waits for. */
  onCut: (signal: AbortSignal) => Promise<void> = async () => {};
  /** Called before a snapshot is read. */
  onSnapshot: () => void = () => {};

  constructor(dir: string, database: ScratchDatabase) {
    this.dir = dir;
    this.database = database;
    this.settings = {
      searchTimeoutMs: 30_000,
      traceByIdTimeoutMs: 10_000,
      apiTimeoutMs: 0,
      maxConcurrentQueries: 4,
      maxOutstandingPerTenant: 10,
      maxQueryBytes: 131_072,
      queryEndCutoffMs: 0,
      maxMetricsExemplars: 100,
      maxMetricsIntervals: 10_000,
      maxMetricsSeries: 0,
      multiTenantQueriesEnabled: true,
      urlDenyList: [],
      memoryLimitBytes: 512 * 2 ** 20,
      tempDir: dir,
    };
  }

  static async open(): Promise<SegmentStore> {
    const dir = await mkdtemp(join(tmpdir(), "pintail-query-"));
    const database = await openDatabase({
      memoryLimitBytes: 512 * 2 ** 20,
      tempDir: join(dir, "tmp"),
      threads: 2,
      maxConcurrent: 2,
    });
    const store = new SegmentStore(dir, database);
    store.segmentFiles = await cacheOver(dir);
    return store;
  }

  async close(): Promise<void> {
    await this.database[Symbol.asyncDispose]();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Writes one segment of these OTLP requests. */
  async add(
    requests: readonly RequestInit[],
    options: { tenant?: string; level?: number; rowGroupRows?: number } = {},
  ): Promise<SegmentMeta> {
    const batch = new SpanBatch(7);
    const decoder = new OtlpDecoder(batch, { maxAttributeBytes: 0 });
    for (const request of requests) {
      const message = create(ExportTraceServiceRequestSchema, request);
      decoder.decode(toBinary(ExportTraceServiceRequestSchema, message));
    }
    return await this.addBatch(batch, options);
  }

  async addBatch(
    batch: SpanBatch,
    options: { tenant?: string; level?: number; rowGroupRows?: number } = {},
  ): Promise<SegmentMeta> {
    const { tenant = "single-tenant", level = 1, rowGroupRows = 61_440 } = options;
    // Never twice: the database caches what it knows of a file.
    const id = `01SEGMENT${String(this.#nextId++).padStart(17, "0")}`;
    const { chunks, meta } = writeSegment(batch, {
      id,
      tenant,
      level,
      walRange: undefined,
      replaces: [],
      createdUnixMs: 0,
      zstdLevel: 1,
      rowGroupRows,
    });
    const path = this.inBucket ? objectPath(this.dir, segmentKey(meta)) : this.#path(meta);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, Buffer.concat(chunks));
    const object = this.inBucket ? { version: "1" } : undefined;
    const { keys, same, sameServices } = this.#sharer.share(
      this.listValues ? meta.keys : meta.keys.map(withoutList),
    );
    const optionalColumns = this.#sharedColumns(meta.optionalColumns);
    const sames = { sameKeys: same, sameKeyServices: sameServices };
    const listed = { ...meta, optionalColumns, keys, ...sames, object };
    this.segments.push(listed);
    return listed;
  }

  #sharedColumns(columns: readonly string[]): readonly string[] {
    const known = this.#columnLists.get(columns.join());
    this.#columnLists.set(columns.join(), known ?? columns);
    return known ?? columns;
  }

  /** As the catalog does while a redaction is under way. */
  hide(traceIds: readonly string[], tenant = "single-tenant"): void {
    for (const [i, meta] of this.segments.entries()) {
      const hiddenTraces = traceIds.filter((id) => mayContain(meta.traceFilter, hexToBytes(id)));
      if (meta.tenant === tenant && hiddenTraces.length > 0) {
        this.segments[i] = { ...meta, hiddenTraces };
      }
    }
  }

  /** As written by older versions, which do not tell with which services keys and values occur. */
  forgetServices(): void {
    this.segments.forEach((meta, i) => {
      const keys = meta.keys.map(({ services: _, keyServices: __, ...stats }): KeyStats => stats);
      this.segments[i] = { ...meta, keys };
    });
  }

  async deleteFile(meta: SegmentMeta): Promise<void> {
    await rm(this.#path(meta));
  }

  clear(): void {
    this.segments.length = 0;
  }

  engine(): QueryEngine {
    return new QueryEngine(this.#context());
  }

  #path(meta: Pick<SegmentMeta, "id" | "tenant">): string {
    return join(this.dir, meta.tenant, `${meta.id}.parquet`);
  }

  #context(): QueryContext {
    const database: ScratchDatabase = {
      rows: (sql, options) => {
        this.statements.push(sql);
        return this.database.rows(sql, options);
      },
      chunks: (sql, onChunk, options) => {
        this.statements.push(sql);
        return this.database.chunks(sql, onChunk, options);
      },
      scratchTable: (columns, options) => this.database.scratchTable(columns, options),
      scratchTableOf: (select, options) => {
        this.statements.push(select);
        return this.database.scratchTableOf(select, options);
      },
      [Symbol.asyncDispose]: async () => {},
    };
    return {
      catalog: this.#catalog(),
      database,
      segmentPath: (meta) => this.#path(meta),
      segmentFiles: this.segmentFiles,
      segmentReaders: this.useReaders ? this.readers : undefined,
      segmentFilters: this.useFilters ? this.filters : undefined,
      valueCounter: this.useCounter ? counterOnThisThread() : undefined,
      cutHead: async (signal) => {
        this.cuts++;
        await this.onCut(signal);
      },
      limitsFor: () => this.limits,
      settings: this.settings,
      nowMs: () => this.nowMs,
    };
  }

  #catalog(): Catalog {
    const unused = (): never => {
      throw new Error("queries do not call this");
    };
    return {
      segments: (tenant) => {
        this.onSnapshot();
        return this.segments
          .filter((meta) => meta.tenant === tenant)
          .sort((a, b) =>
            a.maxTraceStart !== b.maxTraceStart
              ? a.maxTraceStart > b.maxTraceStart
                ? -1
                : 1
              : a.id > b.id
                ? -1
                : 1,
          );
      },
      ...WHOLE_SEGMENTS,
      segment: unused,
      tenants: unused,
      redactions: () => [],
      walPositions: unused,
      commit: unused,
      deletable: unused,
      forget: unused,
      [Symbol.asyncDispose]: async () => {},
    };
  }
}

function withoutList(stats: KeyStats): KeyStats {
  return { ...stats, values: [], complete: false };
}

function objectPath(dir: string, key: string): string {
  return join(dir, "bucket", key);
}

/** A segment cache over a folder that stands for a bucket. */
function cacheOver(dir: string): Promise<SegmentCache> {
  const none = () => {};
  return SegmentCache.open(
    {
      files: nodeFiles(),
      store: {
        getRanges: async (key, ranges) => {
          const bytes = new Uint8Array(await readFile(objectPath(dir, key)));
          const info = { key, sizeBytes: bytes.length, version: "1" };
          return { info, parts: ranges.map(({ start, end }) => bytes.subarray(start, end)) };
        },
      },
      log: silentLogger,
      metrics: { asked: none, fetched: none, refetched: none, evicted: none, broken: none },
    },
    {
      segmentDir: join(dir, "copies"),
      cacheDir: join(dir, "cache"),
      cacheBytes: 2 ** 40,
      whole: { maxBytes: 0, share: 1 },
    },
    [],
  );
}
