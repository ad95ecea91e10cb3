import type { Files, ReadFile } from "../../drivers/files/files.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import { corrupt } from "../segments/read/read-error.ts";
import type { SegmentHeader } from "./header.ts";
import { chunkKey } from "./projection.ts";
import type { Copy, SegmentCache } from "./segment-cache.ts";

type Cache = Pick<SegmentCache, "header" | "longerHeader" | "acquire" | "release">;
type Source = { readonly copy: Copy; readonly file: ReadFile };

/**
 * A segment's bytes at their places in the stored file, brought when they are read: its end first,
 * then whole row groups, since whoever reads rows needs all their columns.
 */
export class RemoteFile implements ReadFile {
  readonly sizeBytes: number;
  readonly #meta: SegmentSummary;
  readonly #cache: Cache;
  readonly #files: Pick<Files, "openRead">;
  readonly #signal: AbortSignal;
  readonly #closing = new AbortController();
  /** By row group. Promises, so that reads at the same time share them. */
  readonly #sources = new Map<number, Promise<Source>>();

  constructor(
    meta: SegmentSummary,
    cache: Cache,
    files: Pick<Files, "openRead">,
    signal: AbortSignal,
  ) {
    this.sizeBytes = meta.byteSize;
    this.#meta = meta;
    this.#cache = cache;
    this.#files = files;
    this.#signal = AbortSignal.any([signal, this.#closing.signal]);
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const end = Math.min(position + target.length, this.sizeBytes);
    const { tail, tailFrom } = await this.#tailFrom(position);
    for (let at = position; at < end; ) {
      if (at >= tailFrom) {
        target.set(tail.subarray(at - tailFrom, end - tailFrom), at - position);
        break;
      }
      const part = target.subarray(at - position, Math.min(end, tailFrom) - position);
      at += await this.#readData(part, at);
    }
    return Math.max(0, end - position);
  }

  /** Reads that are under way, as when another one of theirs failed, are given up. */
  async close(): Promise<void> {
    this.#closing.abort();
    const sources = [...this.#sources.values()];
    this.#sources.clear();
    await Promise.all(
      sources.map(async (opened) => {
        const source = await opened.catch(() => undefined);
        await source?.file.close().finally(() => this.#cache.release(source.copy));
      }),
    );
  }

  /** With the filters between the row groups and the footer, when these are asked for. */
  async #tailFrom(position: number): Promise<SegmentHeader> {
    const header = await this.#cache.header(this.#meta, this.#signal);
    if (position >= header.tailFrom || position < dataEnd(header)) return header;
    return this.#cache.longerHeader(this.#meta, position, this.#signal);
  }

  /** As many bytes as the chunk at `position` has of those wanted. */
  async #readData(target: Uint8Array, position: number): Promise<number> {
    const { footer } = await this.#cache.header(this.#meta, this.#signal);
    for (const [group, { chunks }] of footer.groups.entries()) {
      const leaf = chunks.findIndex(({ start, end }) => start <= position && position < end);
      const chunk = chunks[leaf];
      if (chunk === undefined) continue;
      const { copy, file } = await this.#source(group);
      const wanted = target.subarray(0, chunk.end - position);
      const place = copy.kind === "whole" ? chunk.start : placeIn(copy, leaf, group);
      const count = await file.read(wanted, place + position - chunk.start);
      if (count !== wanted.length) throw corrupt("a local copy is cut short");
      return count;
    }
    throw corrupt(`nothing is stored at ${position}`);
  }

  #source(group: number): Promise<Source> {
    const known = this.#sources.get(group);
    if (known !== undefined) return known;
    const source = this.#open(group);
    this.#sources.set(group, source);
    // Another read may have more luck.
    source.catch(() => this.#sources.delete(group));
    return source;
  }

  async #open(group: number): Promise<Source> {
    const need = { meta: this.#meta, columns: "all", rowGroups: [group] } as const;
    const copy = await this.#cache.acquire(need, this.#signal);
    try {
      // A copy that is there is given to whoever asks, and nobody would let it go any more.
      this.#closing.signal.throwIfAborted();
      return { copy, file: await this.#files.openRead(copy.file.path) };
    } catch (error) {
      this.#cache.release(copy);
      throw error;
    }
  }
}

function dataEnd({ footer }: SegmentHeader): number {
  return Math.max(0, ...(footer.groups.at(-1)?.chunks.map(({ end }) => end) ?? []));
}

function placeIn(copy: Extract<Copy, { kind: "projection" }>, leaf: number, group: number): number {
  const place = copy.projection.places.get(chunkKey(leaf, group));
  if (place === undefined) throw corrupt("a local copy lacks a column");
  return place;
}
