import { PintailError } from "../../errors.ts";
import type { RowGroupMeta } from "../../schema/segment-meta.ts";

/** Of each group, big-endian: 4 bytes of row count, 8 of first and 8 of last trace start. */
const GROUP_BYTES = 20;

export function packRowGroups(groups: readonly RowGroupMeta[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(groups.length * GROUP_BYTES);
  const view = new DataView(packed.buffer);
  for (const [i, { rowCount, minTraceStart, maxTraceStart }] of groups.entries()) {
    view.setUint32(i * GROUP_BYTES, rowCount);
    view.setBigInt64(i * GROUP_BYTES + 4, minTraceStart);
    view.setBigInt64(i * GROUP_BYTES + 12, maxTraceStart);
  }
  return packed;
}

/** Of what `checkRowGroups` lets pass. */
export function unpackRowGroups(packed: Uint8Array): RowGroupMeta[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  // Made at its length: most have one, and a list that grows begins with room for many.
  const groups = new Array<RowGroupMeta>(packed.length / GROUP_BYTES);
  for (let i = 0; i < groups.length; i++) {
    const at = i * GROUP_BYTES;
    groups[i] = {
      rowCount: view.getUint32(at),
      minTraceStart: view.getBigInt64(at + 4),
      maxTraceStart: view.getBigInt64(at + 12),
    };
  }
  return groups;
}

/** Throws `corrupt` when these are not packed row groups. */
export function checkRowGroups(packed: Uint8Array, segmentId: string): void {
  if (packed.length % GROUP_BYTES === 0) {
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    let at = 0;
    while (at < packed.length && isInOrder(view, at)) at += GROUP_BYTES;
    if (at === packed.length) return;
  }
  throw new PintailError("corrupt", `the catalog's row groups of segment ${segmentId} are damaged`);
}

/** Whether the group has rows, and none starts before the first; by halves, as 64 bits cost more. */
function isInOrder(view: DataView, at: number): boolean {
  const [first, last] = [view.getInt32(at + 4), view.getInt32(at + 12)];
  const inOrder = first === last ? view.getUint32(at + 8) <= view.getUint32(at + 16) : first < last;
  return inOrder && view.getUint32(at) > 0;
}
