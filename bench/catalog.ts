import { execFile } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import type { CatalogMeasures } from "./catalog/measure-catalog.ts";
import { SyntheticSegments } from "./catalog/synthetic-segments.ts";
import { LAUNCHER_ENV, LAUNCHER_FLAGS } from "./support/as-launched.ts";
import { openCatalogOf } from "./support/data-folder.ts";
import { type BenchResult, expectTrue, mebibytesFigure, summaryFigure } from "./support/figures.ts";
import type { BenchOptions } from "./support/options.ts";
import { progress } from "./support/progress.ts";
import { summarize } from "./support/stats.ts";

const DATA_DIR = resolve(import.meta.dirname, "data");
const MEASURE = resolve(import.meta.dirname, "catalog/measure-catalog.ts");
const SEGMENTS = 100_000;
const SMOKE_SEGMENTS = 400;
const BATCH = 500;
const RUNS = 15;
const SEED = 5;

/** A catalog of many segments: opened, held in memory, asked and written to. */
export async function benchCatalog(options: BenchOptions): Promise<BenchResult> {
  const count = options.segments ?? (options.smoke ? SMOKE_SEGMENTS : SEGMENTS);
  const runs = options.runs ?? (options.smoke ? 2 : RUNS);
  const dir = await prepare(`catalog-${count}`, count, options.rebuild || options.smoke);
  const empty = await measure(await prepare("catalog-0", 0, true), 1);
  const measured = await measure(dir, runs);
  const { segments, pruned, tagNames } = measured;
  expectTrue(segments >= count, `${segments} segments in the catalog, ${count} were committed`);
  expectTrue(pruned["newest hour"].found > 0, "no segments in the newest hour");
  expectTrue(pruned["middle hour"].found > 0, "no segments in the middle hour");
  expectTrue(tagNames.found > 0, "no tag names");
  const ranges = (["newest hour", "middle hour", "all"] as const).map((name) =>
    summaryFigure(
      `catalog.prune.${name.replace(" ", "-")}`,
      `segments of the largest tenant, ${name}`,
      "ms",
      summarize(pruned[name].ms),
      `${pruned[name].found} found`,
    ),
  );
  return {
    name: "catalog",
    parameters: { segments: count },
    figures: [
      { id: "catalog.open", label: "open", unit: "ms", value: measured.openMs },
      mebibytesFigure(
        "catalog.rss",
        "resident size after the start, beyond that with an empty catalog",
        measured.rssBytes - empty.rssBytes,
      ),
      mebibytesFigure(
        "catalog.rss.used",
        "the same after the questions and commits below",
        measured.usedRssBytes - empty.usedRssBytes,
      ),
      ...ranges,
      summaryFigure("catalog.commit", "commit one segment", "ms", summarize(measured.commitMs)),
      summaryFigure(
        "catalog.tag-names",
        "tag names of the newest hour",
        "ms",
        summarize(tagNames.ms),
        `${tagNames.found} names`,
      ),
    ],
    skipped: [],
  };
}

/** A folder with so many segments in its catalog; kept, since writing them takes minutes. */
async function prepare(name: string, count: number, anew: boolean): Promise<string> {
  const dir = join(DATA_DIR, name);
  const done = join(dir, "complete");
  if (!anew && existsSync(done)) return dir;
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(join(dir, "tmp"), { recursive: true });
  const catalog = await openCatalogOf(dir);
  const segments = new SyntheticSegments(Math.max(count, 1), SEED);
  for (let at = 0; at < count; at += BATCH) {
    const length = Math.min(BATCH, count - at);
    await catalog.commit({ add: Array.from({ length }, (_, i) => segments.make(at + i)) });
    if (at % 10_000 === 0) progress(`catalog: ${at} of ${count} segments written`);
  }
  await catalog[Symbol.asyncDispose]();
  writeFileSync(done, "");
  return dir;
}

async function measure(dir: string, runs: number): Promise<CatalogMeasures> {
  const env = { ...LAUNCHER_ENV, ...process.env };
  const args = [...LAUNCHER_FLAGS, MEASURE, dir, String(runs)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  return JSON.parse(stdout) as CatalogMeasures;
}
