import process from "node:process";
import { benchCatalog } from "./catalog.ts";
import { benchCompaction } from "./compaction.ts";
import { benchDecode } from "./decode.ts";
import { benchGenerator } from "./generator.ts";
import { benchSegment } from "./segment.ts";
import { benchAbuse } from "./server/bench-abuse.ts";
import { benchServer } from "./server/bench-server.ts";
import { benchQuery } from "./stored/bench-query.ts";
import { benchSql } from "./stored/bench-sql.ts";
import { type BenchResult, markdownTable } from "./support/figures.ts";
import {
  type BenchName,
  type BenchOptions,
  parseOptions,
  USAGE,
  UsageError,
} from "./support/options.ts";
import { progress } from "./support/progress.ts";
import { writeResult } from "./support/write-result.ts";

const BENCHES: Readonly<
  Record<BenchName, (options: BenchOptions) => Promise<BenchResult> | BenchResult>
> = {
  decode: benchDecode,
  segment: benchSegment,
  generator: benchGenerator,
  compaction: benchCompaction,
  catalog: benchCatalog,
  server: benchServer,
  abuse: benchAbuse,
  query: benchQuery,
  sql: benchSql,
};

/** Runs the chosen benches, one after the other; the exit code is 1 when one of them failed. */
async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(USAGE);
    return;
  }
  let failed = 0;
  for (const name of options.names) {
    progress(`${name}: begins`);
    try {
      show(await BENCHES[name](options), options);
    } catch (e) {
      failed++;
      process.stderr.write(`${name}: ${e instanceof Error ? e.stack : e}\n`);
    }
  }
  process.stdout.write(`benches: ${options.names.length - failed} passed, ${failed} failed\n`);
  process.exit(failed === 0 ? 0 : 1);
}

function show(result: BenchResult, options: BenchOptions): void {
  const path = writeResult(result, options, new Date());
  const parameters = Object.entries(result.parameters).map(([key, value]) => `${key}=${value}`);
  process.stdout.write(`\n## ${result.name}\n\n${parameters.join(", ")}\n\n`);
  process.stdout.write(`${markdownTable(result)}\n\n`);
  if (options.smoke) process.stdout.write("A smoke run: the times mean nothing.\n");
  for (const line of result.skipped) process.stdout.write(`not measured: ${line}\n`);
  progress(`${result.name}: ends, ${path}`);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

try {
  await main();
} catch (e) {
  if (!(e instanceof UsageError)) throw e;
  process.stderr.write(`${e.message}\n\n${USAGE}`);
  process.exit(2);
}
