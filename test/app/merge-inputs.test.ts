import { expect, test } from "vitest";
import { mergeInputs } from "../../src/app/merge-inputs.ts";
import type { SegmentFiles, SegmentNeed } from "../../src/storage/segment-cache/segment-files.ts";
import { aSegmentMeta } from "../support/segment-meta.ts";

const signal = new AbortController().signal;

test("inputs that the bucket has are pinned whole until the merge is over, others are read in place", async () => {
  const local = aSegmentMeta({ id: "local" });
  const remote = aSegmentMeta({ id: "remote", object: { version: "1" } });
  const asked: SegmentNeed[] = [];
  let disposed = 0;
  const files: Pick<SegmentFiles, "pin"> = {
    async pin(needs) {
      asked.push(...needs);
      return { pathOf: (id) => `/cache/${id}`, [Symbol.dispose]: () => void disposed++ };
    },
  };
  const inputs = await mergeInputs("/blocks", files as SegmentFiles, [local, remote], signal);
  expect(asked).toEqual([{ meta: remote, columns: "all", rowGroups: "all" }]);
  expect(inputs.pathOf("local")).toBe("/blocks/acme/local.parquet");
  expect(inputs.pathOf("remote")).toBe("/cache/remote");
  expect(() => inputs.pathOf("other")).toThrow("no input");
  inputs[Symbol.dispose]();
  expect(disposed).toBe(1);
  const all = await mergeInputs("/blocks", undefined, [local, remote], signal);
  expect(all.pathOf("remote")).toBe("/blocks/acme/remote.parquet");
  all[Symbol.dispose]();
  expect(asked).toHaveLength(1);
});
