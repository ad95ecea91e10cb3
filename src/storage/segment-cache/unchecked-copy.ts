import type { ReadFile } from "../../drivers/files/files.ts";
import { PintailError } from "../../errors.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { checkBlooms, checkChunks } from "../segments/read/check-segment.ts";
import { readAtOf } from "./fetcher.ts";
import { fetchHeader, type SegmentHeader } from "./header.ts";
import { type ChunkName, chunksOf, type Rectangle } from "./projection.ts";
import { Turns } from "./turns.ts";

export type CopyCheck = {
  /** The segment's header if it is at hand; and who keeps one that was read. */
  readonly known: SegmentHeader | undefined;
  readonly keep: (header: SegmentHeader) => void;
  readonly wanted: (header: SegmentHeader) => Rectangle;
  readonly signal: AbortSignal;
};

/**
 * A whole copy that was on the disk before this process started. What is read of it is checked
 * before that, and only once: so a start needs not read all, and nobody is given damaged bytes.
 */
export class UncheckedCopy {
  /** For `check`. */
  readonly turns = new Turns(1);
  readonly #meta: SegmentSummary;
  /** By row group and leaf 1 when it was checked; undefined before the footer was. */
  #checked: Uint8Array | undefined;

  constructor(meta: SegmentSummary) {
    this.#meta = meta;
  }

  /**
   * Rejects with `corrupt` unless the footer and the part that is wanted are as written, and with
   * `canceled`. Reads what was not checked before, 4 MiB at a time.
   */
  async check(file: ReadFile, { known, keep, wanted, signal }: CopyCheck): Promise<void> {
    const read = readAtOf(file);
    const readAt = async (offset: number, length: number) => {
      if (signal.aborted) throw new PintailError("canceled", "query canceled");
      return read(offset, length);
    };
    let header = this.#checked && known;
    if (header === undefined) {
      header = await fetchHeader(this.#meta, ({ start, end }) => readAt(start, end - start));
      keep(header);
    }
    const { groups, leaves } = header.footer;
    this.#checked ??= new Uint8Array(groups.length * leaves.length);
    const done = this.#checked;
    const at = ({ leaf, group }: ChunkName) => group * leaves.length + leaf;
    const names = chunksOf(header, wanted(header)).filter((name) => done[at(name)] !== 1);
    const places = names.map(({ leaf, group }) => groups[group]!.chunks[leaf]!);
    await checkChunks(readAt, places);
    await checkBlooms(readAt, places);
    for (const name of names) done[at(name)] = 1;
  }
}
