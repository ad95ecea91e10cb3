import { openDatabase } from "../../src/drivers/duckdb/node-database.ts";
import { QueryEngine } from "../../src/query/query-context.ts";
import { tagNames } from "../../src/query/tag-names.ts";
import { TAG_SCOPES } from "../../src/query/tag-scopes.ts";
import { segmentsOverlapping, type TimeRange } from "../../src/query/time-range.ts";
import { collectGarbage, relaxCollector } from "../../src/runtime/heap-policy.ts";
import type { Catalog } from "../../src/storage/catalog/catalog.ts";
import { openCatalogOf } from "../support/data-folder.ts";
import { sleep } from "../support/progress.ts";
import { FIRST_UNIX_NANO, LARGE, SPREAD_NANOS, SyntheticSegments } from "./synthetic-segments.ts";

/** What one process measured of the catalog in a folder; bytes and milliseconds. */
export type CatalogMeasures = {
  readonly segments: number;
  readonly openMs: number;
  readonly rssBytes: number;
  /** After all that is below. */
  readonly usedRssBytes: number;
  readonly pruned: Readonly<Record<RangeName, { readonly ms: number[]; readonly found: number }>>;
  readonly commitMs: number[];
  readonly tagNames: { readonly ms: number[]; readonly found: number };
};

export type RangeName = "newest hour" | "middle hour" | "all";

const HOUR_NANOS = 3_600_000_000_000n;
const END_UNIX_NANO = FIRST_UNIX_NANO + SPREAD_NANOS;
const RANGES: Readonly<Record<RangeName, TimeRange | undefined>> = {
  "newest hour": { startUnixNano: END_UNIX_NANO - HOUR_NANOS, endUnixNano: END_UNIX_NANO },
  "middle hour": {
    startUnixNano: FIRST_UNIX_NANO + SPREAD_NANOS / 2n,
    endUnixNano: FIRST_UNIX_NANO + SPREAD_NANOS / 2n + HOUR_NANOS,
  },
  all: undefined,
};

/** In a process of its own, since its memory is measured: `node measure-catalog.ts <dir> <runs>`. */
async function main(): Promise<void> {
  relaxCollector();
  const [dir = "", runs = "1"] = process.argv.slice(2);
  const began = performance.now();
  const catalog = await openCatalogOf(dir);
  const openMs = performance.now() - began;
  const rssBytes = await settledRss();
  const measures: CatalogMeasures = {
    segments: catalog.tenants().reduce((sum, tenant) => sum + catalog.segments(tenant).length, 0),
    openMs,
    rssBytes,
    ...(await measureUse(catalog, Number(runs))),
    usedRssBytes: await settledRss(),
  };
  await catalog[Symbol.asyncDispose]();
  process.stdout.write(JSON.stringify(measures));
}

async function measureUse(catalog: Catalog, runs: number) {
  const prune = async (range: TimeRange | undefined) => {
    let found = 0;
    const ms = await times(runs, async () => {
      found = segmentsOverlapping(catalog.segments(LARGE), range).length;
    });
    return { ms, found };
  };
  const pruned = {
    "newest hour": await prune(RANGES["newest hour"]),
    "middle hour": await prune(RANGES["middle hour"]),
    all: await prune(RANGES.all),
  };
  const fresh = new SyntheticSegments(1000, 77);
  const commitMs = await times(runs, (i) => catalog.commit({ add: [fresh.make(i)] }));
  return { pruned, commitMs, tagNames: await measureTagNames(catalog, runs) };
}

async function measureTagNames(catalog: Catalog, runs: number) {
  const database = await openDatabase({
    memoryLimitBytes: 64 * 1024 * 1024,
    tempDir: "",
    threads: 1,
    maxConcurrent: 1,
  });
  const engine = new QueryEngine({
    catalog,
    database,
    segmentPath: () => "",
    cutHead: async () => {},
    limitsFor: () => ({}) as never,
    settings: { searchTimeoutMs: 60_000, apiTimeoutMs: 0, maxConcurrentQueries: 1 } as never,
    nowMs: Date.now,
  });
  let found = 0;
  const ms = await times(runs, async () => {
    const { names } = await tagNames(engine, {
      tenants: [LARGE],
      scopes: TAG_SCOPES,
      filter: undefined,
      range: RANGES["newest hour"],
      limitPerScope: 0,
      maxBytes: 0,
    });
    found = [...names.values()].reduce((sum, list) => sum + list.length, 0);
  });
  await database[Symbol.asyncDispose]();
  return { ms, found };
}

async function times(runs: number, work: (run: number) => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  for (let run = 0; run < runs; run++) {
    const began = performance.now();
    await work(run);
    all.push(performance.now() - began);
  }
  return all;
}

async function settledRss(): Promise<number> {
  collectGarbage();
  await sleep(200);
  collectGarbage();
  return process.memoryUsage.rss();
}

if (process.argv[1] === import.meta.filename) await main();
