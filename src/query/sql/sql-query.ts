import type {
  IsolatedAnswer,
  IsolatedSql,
  SqlFormat,
} from "../../drivers/duckdb/isolated/isolated-sql.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import type { SegmentMeta } from "../../schema/segment-meta.ts";
import type { Catalog } from "../../storage/catalog/catalog.ts";
import { QueryGate } from "../query-gate.ts";
import { planLookups } from "./attribute-lookups.ts";
import type { SqlSettings } from "./settings.ts";
import { spansView } from "./spans-view.ts";

export type SqlQueryParts = {
  readonly catalog: Pick<Catalog, "segments">;
  readonly isolated: IsolatedSql;
  segmentPath(segment: SegmentMeta): string;
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
  /** Absent: the default. */
  readonly timeoutMs?: number | undefined;
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
    const release = await this.#enter(request.tenants.join("|"), signal);
    try {
      await this.#parts.cutHead(signal);
      const answer = await this.#attempts(request, signal);
      void answer.ended.then(release);
      return answer;
    } catch (error) {
      release();
      throw error;
    }
  }

  async #attempts(request: SqlRequest, signal: AbortSignal): Promise<IsolatedAnswer> {
    try {
      return await this.#attempt(request, signal);
    } catch (error) {
      if (!isPintailError(error, "not_found")) throw error;
      // Merging replaced a segment and its grace period ended under us: the new view has the new one.
      return await this.#attempt(request, signal);
    }
  }

  #attempt(request: SqlRequest, signal: AbortSignal): Promise<IsolatedAnswer> {
    const { catalog, isolated, segmentPath } = this.#parts;
    const { defaultTimeoutMs, maxTimeoutMs, maxJsonRows } = this.#settings;
    const segments = request.tenants.flatMap((tenant) => catalog.segments(tenant));
    const plan = planLookups(request.sql);
    return isolated.run(
      {
        sql: request.sql,
        fasterSql: plan?.sql,
        setup: [spansView(segments, segmentPath, plan?.lookups)],
        allowedPaths: segments.map(segmentPath),
        format: request.format,
        limit: request.limit,
        maxRows: request.format === "json" && request.limit === 0 ? maxJsonRows : 0,
      },
      { signal, timeoutMs: Math.min(request.timeoutMs ?? defaultTimeoutMs, maxTimeoutMs) },
    );
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
