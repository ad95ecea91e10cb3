import type { Files } from "../../drivers/files/files.ts";

/** A file of the cache. It is deleted when it is the least recently used one, and nobody has it pinned. */
export type LocalFile = {
  readonly path: string;
  readonly bytes: number;
  pins: number;
  /** Told when the file is no longer to be used. */
  readonly onDrop: () => void;
  dropped: boolean;
};

/** The cache's files: their sizes, the order of their use, and a cap. */
export class LocalFiles {
  readonly #files: Pick<Files, "unlink">;
  readonly #capBytes: number;
  readonly #onEvicted: (bytes: number) => void;
  /** Least recently used first. */
  readonly #order = new Set<LocalFile>();
  #bytes = 0;

  constructor(
    files: Pick<Files, "unlink">,
    capBytes: number,
    onEvicted: (bytes: number) => void = () => {},
  ) {
    this.#files = files;
    this.#capBytes = capBytes;
    this.#onEvicted = onEvicted;
  }

  /** Of all files, those that are dropped and still pinned included. */
  get bytes(): number {
    return this.#bytes;
  }

  add(path: string, bytes: number, onDrop: () => void): LocalFile {
    const file: LocalFile = { path, bytes, pins: 0, onDrop, dropped: false };
    this.#order.add(file);
    this.#bytes += bytes;
    return file;
  }

  pin(file: LocalFile): void {
    file.pins++;
    if (file.dropped) return;
    this.#order.delete(file);
    this.#order.add(file);
  }

  /** The file of a dropped one goes with its last pin. */
  async unpin(file: LocalFile): Promise<void> {
    file.pins--;
    if (file.pins === 0 && file.dropped) await this.#delete(file);
  }

  /** From now on the file is in nobody's way; it is deleted once nobody reads it. */
  async drop(file: LocalFile): Promise<void> {
    if (file.dropped) return;
    file.dropped = true;
    this.#order.delete(file);
    file.onDrop();
    if (file.pins === 0) await this.#delete(file);
  }

  /** Makes room for `bytes` more, as far as nobody has the rest pinned. */
  async makeRoom(bytes: number): Promise<void> {
    for (const file of this.#order) {
      if (this.#bytes + bytes <= this.#capBytes) return;
      if (file.pins > 0) continue;
      this.#onEvicted(file.bytes);
      await this.drop(file);
    }
  }

  /** The disk is full: half of what nobody uses goes, whatever the cap says. */
  async halve(): Promise<void> {
    const free = [...this.#order].filter(({ pins }) => pins === 0);
    for (const file of free.slice(0, Math.ceil(free.length / 2))) {
      this.#onEvicted(file.bytes);
      await this.drop(file);
    }
  }

  async #delete(file: LocalFile): Promise<void> {
    this.#bytes -= file.bytes;
    await this.#files.unlink(file.path);
  }
}
