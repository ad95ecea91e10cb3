import fs from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { catalogCommand } from "../../../src/cli/catalog-command.ts";
import { LOCK_FILE } from "../../../src/drivers/files/files.ts";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { KeySharer } from "../../../src/storage/catalog/shared-keys.ts";
import { SegmentWriter } from "../../../src/storage/segments/segment-writer.ts";
import { ulidSource } from "../../../src/util/ulid.ts";
import { aService, aSpan, batchOf } from "../../support/batch-builder.ts";
import { wholeSegments } from "../../support/loaded-segments.ts";
import { temporaryFolder } from "../wal/wal-support.ts";
import { openTestCatalog } from "./catalog-support.ts";

test("the command makes the catalog of real segments again, and refuses one in use", async () => {
  const dataDir = temporaryFolder();
  const segmentDir = path.join(dataDir, "blocks");
  const files = nodeFiles();
  const newId = ulidSource(Date.now);
  const writer = new SegmentWriter({ files, segmentDir, newId, nowMs: Date.now });
  const identity = { tenant: "acme", level: 1, walRange: { from: 0, to: 9 }, replaces: [] };
  const meta = await writer.write(batchOf([aSpan({ resource: aService("shop") })]), identity);
  fs.writeFileSync(path.join(segmentDir, "acme", "broken.parquet"), "PAR1 no PAR1");

  const lines: string[] = [];
  const run = (...args: string[]) => catalogCommand(args, (line) => lines.push(line));
  expect(await run("rebuild", "--data-dir", dataDir)).toBe(0);
  expect(lines.at(-1)).toContain("has 1 segments");
  expect(fs.existsSync(path.join(segmentDir, "acme", "broken.parquet.corrupt"))).toBe(true);
  const catalog = await openTestCatalog(dataDir);
  expect(await wholeSegments(catalog, catalog.segments("acme"))).toEqual([
    { ...meta, keys: new KeySharer().share(meta.keys).keys },
  ]);
  expect(catalog.walPositions()).toEqual({ cutTo: 9, releasedTo: 9 });
  await catalog[Symbol.asyncDispose]();

  const lock = await files.lock(path.join(dataDir, LOCK_FILE));
  expect(await run("rebuild", "--data-dir", dataDir)).toBe(1);
  expect(lines.at(-1)).toContain(`process ${process.pid}`);
  await lock.release();
  expect(await run("rebuild", `--data-dir=${dataDir}`)).toBe(0);
  expect(await run("rebuild")).toBe(2);
  expect(await run("rebuild", "--data-dir", path.join(dataDir, "no"))).toBe(1);
  expect(await run("--help")).toBe(0);
});
