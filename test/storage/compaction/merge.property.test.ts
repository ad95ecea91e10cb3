import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { nodeFiles } from "../../../src/drivers/files/node-files.ts";
import { SpanBatch } from "../../../src/model/span-batch.ts";
import type { SegmentMeta } from "../../../src/schema/segment-meta.ts";
import { DamagedSegmentError } from "../../../src/storage/segments/read/read-error.ts";
import { SegmentWriter, segmentPath } from "../../../src/storage/segments/segment-writer.ts";
import { appendSegments } from "../../../src/threads/append-segments.ts";
import { ulidSource } from "../../../src/util/ulid.ts";
import { aService, aSpan, batchOf } from "../../support/batch-builder.ts";
import type { PlainSpan } from "../../support/read-batch.ts";
import { someSpans } from "../../support/some-spans.ts";
import { expectedRows } from "../segments/stored-rows.ts";
import { temporaryFolder } from "../wal/wal-support.ts";

/** What a segment of the spans holds, but for what follows from the order of equal spans. */
function rowsOf(batch: SpanBatch): string[] {
  return expectedRows(batch)
    .map((row) => {
      const { fixed, ...rest } = JSON.parse(row) as { fixed: string[] };
      const plain = fixed.filter((text) => !/^(nested_|child_count|root_)/.test(text));
      return JSON.stringify({ fixed: plain, ...rest });
    })
    .sort();
}

async function merge(
  groups: readonly PlainSpan[][],
  change: (paths: readonly string[]) => void = () => {},
): Promise<SpanBatch> {
  const dir = temporaryFolder();
  const nowMs = () => 1_700_000_000_000;
  const newId = ulidSource(nowMs);
  const writer = new SegmentWriter({ files: nodeFiles(), segmentDir: dir, newId, nowMs });
  const metas: SegmentMeta[] = [];
  for (const spans of groups) {
    const identity = { tenant: "t", level: 1, walRange: undefined, replaces: [] };
    metas.push(await writer.write(batchOf(spans), identity));
  }
  const merged = new SpanBatch(9);
  const inputs = metas.map((meta) => ({ meta, path: segmentPath(dir, meta) }));
  change(inputs.map(({ path }) => path));
  await appendSegments({ tempDir: dir }, inputs, merged);
  return merged;
}

test("a merge of segments with different columns holds every span once and unaltered", async () => {
  const inputs = fc.array(someSpans, { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(inputs, async (groups) => {
      expect(rowsOf(await merge(groups))).toEqual(rowsOf(batchOf(groups.flat())));
    }),
    { numRuns: 25 },
  );
}, 120_000);

test("a changed bit of an input is noticed, and the input named", async () => {
  const spans = [
    aSpan({ name: "a name of some length, which the database would read as another" }),
  ];
  let name = "";
  const merging = merge([spans, spans], (paths) => {
    const bytes = readFileSync(paths[1]!);
    bytes[bytes.indexOf("another")]! ^= 1;
    writeFileSync(paths[1]!, bytes);
    name = basename(paths[1]!, ".parquet");
  });
  await expect(merging).rejects.toBeInstanceOf(DamagedSegmentError);
  await expect(merging).rejects.toMatchObject({ kind: "corrupt", segmentId: name });
});

test("a byte order mark at the start of a value stays", async () => {
  const text = (rest: string) => `\ufeff${rest}`;
  const attributes = [
    { key: text("short"), value: text("x") },
    { key: text("a key that is too long to be inline"), value: text("and a value, likewise") },
    { key: "json", value: { json: text("{}") } },
  ];
  const span = aSpan({
    name: text("op"),
    statusMessage: text("status message of some length"),
    attributes,
    events: [{ timeUnixNano: 1n, name: text("e"), attributes, droppedAttributes: 0 }],
    resource: aService(text("shop"), attributes),
  });
  expect(rowsOf(await merge([[span], [span]]))).toEqual(rowsOf(batchOf([span, span])));
});
