import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { IsolatedSql, SqlFormat } from "../../../src/drivers/duckdb/isolated/isolated-sql.ts";
import { ProcessSql } from "../../../src/drivers/duckdb/isolated/process-sql.ts";
import { QueryFolders } from "../../../src/drivers/duckdb/isolated/query-folders.ts";
import { DEFAULT_SQL_SETTINGS, type SqlSettings } from "../../../src/query/sql/settings.ts";
import { SqlQuery, type SqlQueryParts } from "../../../src/query/sql/sql-query.ts";
import { WHOLE_SEGMENTS } from "../../support/loaded-segments.ts";
import { SegmentStore } from "../segment-store.ts";

export const TENANT = "single-tenant";

/** Real segments, asked through real query processes. */
export class SqlStore {
  readonly segments: SegmentStore;
  readonly tempDir: string;

  private constructor(segments: SegmentStore) {
    this.segments = segments;
    this.tempDir = join(segments.dir, "sql-tmp");
  }

  static async open(): Promise<SqlStore> {
    return new SqlStore(await SegmentStore.open());
  }

  path = (segment: { tenant: string; id: string }): string =>
    join(this.segments.dir, segment.tenant, `${segment.id}.parquet`);

  isolated(memoryLimitBytes = 256 * 2 ** 20): IsolatedSql {
    const settings = { memoryLimitBytes, threads: 2, maxTempBytes: 256 * 2 ** 20 };
    return new ProcessSql(new QueryFolders({ onLeft: () => {} }, this.tempDir), settings);
  }

  query(
    settings: Partial<SqlSettings> = {},
    memoryLimitBytes?: number,
    parts: Partial<SqlQueryParts> = {},
  ): SqlQuery {
    return new SqlQuery(
      {
        catalog: {
          ...WHOLE_SEGMENTS,
          segments: (tenant) => this.segments.segments.filter((meta) => meta.tenant === tenant),
        },
        isolated: this.isolated(memoryLimitBytes),
        segmentPath: this.path,
        segmentFiles: this.segments.segmentFiles,
        cutHead: async () => {},
        ...parts,
      },
      { ...DEFAULT_SQL_SETTINGS, ...settings },
    );
  }

  /** The whole result as text. */
  async text(
    sql: string,
    options: { format?: SqlFormat; tenants?: string[]; limit?: number; query?: SqlQuery } = {},
  ): Promise<string> {
    const { format = "csv", tenants = [TENANT], limit = 0, query = this.query() } = options;
    const { body } = await query.run({ tenants, sql, format, limit }, new AbortController().signal);
    return await new Response(body).text();
  }

  async close(): Promise<void> {
    await this.segments.close();
    await rm(this.segments.dir, { recursive: true, force: true });
  }
}

export async function codeOf(run: Promise<unknown>): Promise<string> {
  return await run.then(
    () => "resolved",
    (error: { kind?: string; message: string }) => `${error.kind}: ${error.message}`,
  );
}
