import type { ByteSource } from "./byte-source.ts";
import type { GroupPlace } from "./read-footer.ts";
import type { Leaf } from "./read-schema.ts";

/** A read of this size costs about as much as two smaller ones. */
export const MAX_WINDOW_BYTES = 4 << 20;
/** Chunks stand one behind the other; a gap is not ours, so it is not read. */
const MAX_GAP_BYTES = 4096;

export type ReadWindow = { readonly start: number; end: number; readonly leaves: Leaf[] };

/** Runs of chunks that are read at once, in the order of the leaves. */
export function windowsOf(leaves: readonly Leaf[], group: GroupPlace): ReadWindow[] {
  const windows: ReadWindow[] = [];
  let last: ReadWindow | undefined;
  for (const leaf of leaves) {
    const { start, end } = group.chunks[leaf.index]!;
    const near =
      last !== undefined &&
      start >= last.end &&
      start - last.end <= MAX_GAP_BYTES &&
      end - last.start <= MAX_WINDOW_BYTES;
    if (last !== undefined && near) {
      last.end = end;
      last.leaves.push(leaf);
    } else {
      last = { start, end, leaves: [leaf] };
      windows.push(last);
    }
  }
  return windows;
}

/** Larger than this it is one large chunk: of that only the pages needed are read. */
export async function prefetchWindow(source: ByteSource, window: ReadWindow): Promise<void> {
  const length = window.end - window.start;
  if (length <= MAX_WINDOW_BYTES) await source.prefetch(window.start, length);
}
