import { type BenchResult, expectTrue, type Figure, mebibytesFigure } from "../support/figures.ts";
import type { BenchOptions } from "../support/options.ts";
import { progress } from "../support/progress.ts";
import { prepareDataset } from "./dataset.ts";
import { StoredServer } from "./stored-server.ts";

const STATEMENTS = [
  { id: "count", sql: "SELECT count(*) AS spans FROM spans" },
  {
    id: "group-by-service",
    sql: "SELECT service_name, count(*) AS spans FROM spans GROUP BY service_name",
  },
  {
    id: "p99-by-service",
    sql: `SELECT service_name, quantile_cont(duration_ns, 0.99) AS p99, count(*) AS spans FROM spans GROUP BY service_name`,
  },
] as const;

/** SQL through `POST /api/sql`, over the same stored spans as the query bench. */
export async function benchSql(options: BenchOptions): Promise<BenchResult> {
  const dataset = await prepareDataset(options);
  const server = await StoredServer.start(dataset.dir, options);
  const figures: Figure[] = [];
  const skipped: string[] = [];
  const runtime = await server.runtime();
  const post = (sql: string) =>
    server.ask("/api/sql", {
      method: "POST",
      headers: { accept: "application/json", "content-type": "text/plain" },
      body: sql,
    });
  try {
    for (const { id, sql } of STATEMENTS) {
      progress(`sql: ${sql}`);
      if ((await post(sql)).status === 404) {
        skipped.push(`${sql}: this server has no /api/sql`);
        continue;
      }
      figures.push(
        await server.measure({
          id: `sql.${id}`,
          label: `\`${sql}\``,
          ask: async () => {
            const { status, body } = await post(sql);
            const text = body.toString();
            expectTrue(status === 200, `${sql}: ${status} ${text.slice(0, 500)}`);
            const rows = JSON.parse(text) as readonly { readonly spans: number | string }[];
            const spans = rows.reduce((sum, row) => sum + Number(row.spans), 0);
            expectTrue(spans === dataset.spans, `${sql}: ${spans} spans of ${dataset.spans}`);
          },
        }),
      );
    }
    const { peakRssBytes } = server.usage();
    figures.push(mebibytesFigure("sql.rss.peak", "largest resident size", peakRssBytes));
  } finally {
    await server.stop();
  }
  return {
    name: "sql",
    parameters: {
      runtime,
      spans: dataset.spans,
      segments: dataset.segments,
      runs: server.runs,
    },
    figures,
    skipped,
  };
}
