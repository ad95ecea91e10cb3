import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { compileSearch } from "../../src/query/compile-search.ts";
import { searchTraces } from "../../src/query/search.ts";
import { readSegments } from "../../src/query/segment-sql.ts";
import { traceById } from "../../src/query/trace-by-id.ts";
import { aSpan, hex } from "../support/otlp-builder.ts";
import { type RequestInit, SegmentStore } from "./segment-store.ts";

function request(traceId: string): RequestInit {
  const span = aSpan({ traceId: hex(traceId.padStart(32, "0")) });
  return { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] };
}

test.each(["*", "**", "a*"])("the tenant %j is no pattern", async (tenant) => {
  const store = await SegmentStore.open();
  try {
    const own = await store.add([request("1")], { tenant });
    const other = await store.add([request("2")], { tenant: "aa" });
    // Names are never equal, but isolation must not rest on that.
    const path = (of: string, id: string) => join(store.dir, of, `${id}.parquet`);
    await mkdir(dirname(path("aa", own.id)), { recursive: true });
    await copyFile(path("aa", other.id), path("aa", own.id));
    const search = compileSearch("{}", 1000);
    const request1 = { tenants: [tenant], search, range: undefined, limit: 9, spansPerSpanset: 3 };
    const { traces } = await searchTraces(store.engine(), request1);
    expect(traces.map(({ traceId }) => traceId)).toEqual(["1".padStart(32, "0")]);
    const traceId = hex("2".padStart(32, "0"));
    const { trace } = await traceById(store.engine(), { tenants: [tenant], traceId });
    expect(trace.resourceSpans).toEqual([]);
  } finally {
    await store.close();
  }
});

test.each(["plain", "it's [one]", "two\nlines"])(
  "files in the folder %j are read",
  async (name) => {
    const dir = await mkdtemp(join(tmpdir(), "pintail-query-"));
    const store = await SegmentStore.open();
    try {
      const metas = [];
      for (const id of ["1", "2", "3"]) metas.push(await store.add([request(id)]));
      const { context } = store.engine();
      await mkdir(join(dir, name));
      const segmentPath = ({ id }: { id: string }): string => join(dir, name, `${id}.parquet`);
      for (const meta of metas) await copyFile(context.segmentPath(meta), segmentPath(meta));
      for (const count of [1, 2, 3]) {
        const source = readSegments({ segmentPath }, metas.slice(0, count), {
          with: "file_row_number",
        });
        const sql = `SELECT count(*)::INTEGER, max(file_row_number)::INTEGER FROM ${source}`;
        expect(await context.database.rows(sql)).toEqual([[count, 0]]);
      }
    } finally {
      await store.close();
      await rm(dir, { recursive: true });
    }
  },
);
