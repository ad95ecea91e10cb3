import type {
  IsolatedAnswer,
  IsolatedSql,
  SqlFormat,
} from "../../drivers/duckdb/isolated/isolated-sql.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { Catalog } from "../../storage/catalog/catalog.ts";
import type { SegmentFiles } from "../../storage/segment-cache/segment-files.ts";
import { quoteLiteral } from "../../traceql/sql/sql.ts";
import { hidesTraces } from "../hidden-traces.ts";
import { QueryGate } from "../query-gate.ts";
import { fileMarker } from "../remote/markers.ts";
import { remoteStatement } from "../remote/remote-statement.ts";
import { isRemote } from "../segment-sql.ts";
import { TimeLimit } from "../time-limit.ts";
import { type LookupPlan, planLookups } from "./attribute-lookups.ts";
import { namedColumns } from "./named-columns.ts";
import type { SqlSettings } from "./settings.ts";
import { spansView } from "./spans-view.ts";

export type SqlQueryParts = {
  readonly catalog: Pick<Catalog, "segments" | "loadKeys">;
  readonly isolated: IsolatedSql;
  segmentPath(segment: SegmentSummary): string;
  /** Brings segments that rest in a bucket; without it, all are local files. */
  readonly segmentFiles?: SegmentFiles | undefined;
  /** Makes everything acknowledged before the call visible in the catalog. */
  cutHead(signal: AbortSignal): Promise<void>;
};

export type SqlRequest = {
  /** Sorted, without duplicates, at least one. */
  readonly tenants: readonly string[];
  readonly sql: string;
  readonly format: SqlFormat;
  /** Rows that the result ends after, 0 = all. */
  readonly limit: number;
  /** For the whole query, waiting for its turn not counted; absent: the default. */
  readonly timeoutMs?: number | undefined;
};

/** Ready for a process that may read `paths`, until it is released. */
type View = {
  readonly sql: string;
  readonly paths: readonly string[];
  readonly hidesTraces: boolean;
  readonly release: () => void;
};

/**
 * SQL that people write, over the view `spans` of their tenants' segments and nothing else. Each
 * statement runs in a process of its own that can open those files only.
 */
export class SqlQuery {
  readonly #parts: SqlQueryParts;
  readonly #settings: SqlSettings;
  readonly #gate: QueryGate;

  constructor(parts: SqlQueryParts, settings: SqlSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#gate = new QueryGate({
      maxConcurrentQueries: settings.maxConcurrent,
      maxOutstandingPerTenant: settings.maxOutstandingPerTenant,
    });
  }

  /**
   * Resolves with the encoded result when its first rows are there. Throws `invalid` for a statement
   * that is wrong or not allowed, `limited`, `timeout`, `canceled`. A place is held until the query
   * has ended, at the latest by the time-out.
   */
  async run(request: SqlRequest, signal: AbortSignal): Promise<IsolatedAnswer> {
    this.#check(request);
    const leave = await this.#enter(request.tenants.join("|"), signal);
    const { defaultTimeoutMs, maxTimeoutMs } = this.#settings;
    const timeoutMs = Math.min(request.timeoutMs ?? defaultTimeoutMs, maxTimeoutMs);
    const time = new TimeLimit(signal, timeoutMs);
    const release = (): void => {
      time[Symbol.dispose]();
      leave();
    };
    try {
      const answer = await time.within(this.#attempts(request, time.signal));
      void answer.ended.then(release);
      return answer;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Until `signal` aborts. */
  async #attempts(request: SqlRequest, signal: AbortSignal): Promise<IsolatedAnswer> {
    await this.#parts.cutHead(signal);
    try {
      return await this.#attempt(request, signal);
    } catch (error) {
      if (!isPintailError(error, "not_found")) throw error;
      // Merging replaced a segment and its grace period ended under us: the new view has the new one.
      return await this.#attempt(request, signal);
    }
  }

  async #attempt(request: SqlRequest, signal: AbortSignal): Promise<IsolatedAnswer> {
    const { isolated } = this.#parts;
    const { maxJsonRows } = this.#settings;
    const plan = planLookups(request.sql);
    const view = await this.#view(request, plan, signal);
    try {
      const answer = await isolated.run(
        {
          sql: request.sql,
          fasterSql: plan?.sql,
          setup: [view.sql],
          allowedPaths: view.paths,
          viewOnly: view.hidesTraces,
          format: request.format,
          limit: request.limit,
          maxRows: request.format === "json" && request.limit === 0 ? maxJsonRows : 0,
        },
        { signal },
      );
      void answer.ended.then(view.release);
      return answer;
    } catch (error) {
      view.release();
      throw error;
    }
  }

  /** The view, and its files; of segments in a bucket what the statement may read is brought first. */
  async #view(
    request: SqlRequest,
    plan: LookupPlan | undefined,
    signal: AbortSignal,
  ): Promise<View> {
    const { catalog, segmentPath, segmentFiles } = this.#parts;
    using loaded = await catalog.loadKeys(
      request.tenants.flatMap((tenant) => catalog.segments(tenant)),
      signal,
    );
    const { segments } = loaded;
    const remote = segments.filter((segment) => isRemote(this.#parts, segment));
    if (segmentFiles === undefined || remote.length === 0) {
      const fileOf = (segment: SegmentSummary) => quoteLiteral(segmentPath(segment));
      const sql = spansView(segments, fileOf, plan?.lookups);
      return {
        sql,
        paths: segments.map(segmentPath),
        hidesTraces: segments.some(hidesTraces),
        release: () => {},
      };
    }
    const sql = spansView(
      segments,
      (segment) =>
        isRemote(this.#parts, segment)
          ? fileMarker(segment, "all")
          : quoteLiteral(segmentPath(segment)),
      plan?.lookups,
      namedColumns(plan?.sql ?? request.sql),
    );
    const byId = new Map(remote.map((segment) => [segment.id, segment]));
    const statement = remoteStatement(sql, (id) => byId.get(id)!);
    const files = await segmentFiles.pin(statement.needs, signal);
    return {
      sql: statement.textOf(files),
      paths: segments.map((one) => (byId.has(one.id) ? files.pathOf(one.id) : segmentPath(one))),
      hidesTraces: segments.some(hidesTraces),
      release: () => files[Symbol.dispose](),
    };
  }

  #check({ sql, limit, timeoutMs }: SqlRequest): void {
    const bytes = new TextEncoder().encode(sql).length;
    const { maxStatementBytes } = this.#settings;
    if (bytes > maxStatementBytes) {
      throw new PintailError("invalid", `the statement has ${bytes} bytes of ${maxStatementBytes}`);
    }
    if (sql.includes("\0")) throw new PintailError("invalid", "the statement has a NUL character");
    if (!Number.isSafeInteger(limit) || limit < 0) {
      throw new PintailError("invalid", `limit ${limit} is not a whole number from 0`);
    }
    if (timeoutMs !== undefined && !(timeoutMs >= 1)) {
      throw new PintailError("invalid", `a time-out of ${timeoutMs} ms is not positive`);
    }
  }

  /** Waits for a place; the function returned gives it back. */
  #enter(tenants: string, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      this.#gate
        .run(tenants, signal, () => new Promise<void>((release) => resolve(() => release())))
        .catch(reject);
    });
  }
}
