import type { SegmentSummary } from "../schema/segment-meta.ts";
import type { SegmentFiles } from "../storage/segment-cache/segment-files.ts";
import { segmentPath } from "../storage/segments/segment-writer.ts";

/**
 * The inputs of a merge as whole local files: those that the bucket has are fetched where that is
 * needed, and stay until it is disposed of; the others stay for the grace period anyway. Rejects
 * like `SegmentFiles.pin`. Without `remote` all are on the local disk.
 */
export async function mergeInputs(
  segmentDir: string,
  remote: SegmentFiles | undefined,
  inputs: readonly SegmentSummary[],
  signal: AbortSignal,
): Promise<Disposable & { pathOf(id: string): string }> {
  const stored = remote === undefined ? [] : inputs.filter((meta) => meta.object !== undefined);
  const needs = stored.map((meta) => ({ meta, columns: "all", rowGroups: "all" }) as const);
  const pinned = needs.length === 0 ? undefined : await remote?.pin(needs, signal);
  const fetched = new Set(pinned === undefined ? [] : stored.map(({ id }) => id));
  const local = new Map(inputs.map((meta) => [meta.id, segmentPath(segmentDir, meta)]));
  return {
    pathOf(id) {
      if (pinned !== undefined && fetched.has(id)) return pinned.pathOf(id);
      const path = local.get(id);
      if (path === undefined) throw new Error(`segment ${id} is no input`);
      return path;
    },
    [Symbol.dispose]() {
      pinned?.[Symbol.dispose]();
    },
  };
}
