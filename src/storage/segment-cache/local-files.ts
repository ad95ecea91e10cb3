import type { Files } from "../../drivers/files/files.ts";
import { PintailError } from "../../errors.ts";

/** A file of the cache. It is deleted when it is the least recently used one, and nobody has it pinned. */
export type LocalFile = {
  readonly path: string;
  readonly bytes: number;
  pins: number;
  /** Told when the file is no longer to be used. */
  readonly onDrop: () => void;
  dropped: boolean;
};

/** Room for a file that is not there yet. */
export interface Reservation extends Disposable {
  readonly bytes: number;
}

/** The cache's files: their sizes, the order of their use, and a cap that holds at any time. */
export class LocalFiles {
  readonly #files: Pick<Files, "unlink">;
  readonly #capBytes: number;
  readonly #onEvicted: (bytes: number) => void;
  /** Least recently used first. */
  readonly #order = new Set<LocalFile>();
  /** Whose the file of a path is: one fetched again takes the place of one that is still read. */
  readonly #byPath = new Map<string, LocalFile>();
  /** Dropped files that could not be deleted: they take their room until that works. */
  readonly #undeleted = new Map<string, LocalFile>();
  #bytes = 0;
  #reservedBytes = 0;

  constructor(
    files: Pick<Files, "unlink">,
    capBytes: number,
    onEvicted: (bytes: number) => void = () => {},
  ) {
    this.#files = files;
    this.#capBytes = capBytes;
    this.#onEvicted = onEvicted;
  }

  /** Of all files, those that are dropped and still pinned, or could not be deleted, included. */
  get bytes(): number {
    return this.#bytes;
  }

  add(path: string, bytes: number, onDrop: () => void): LocalFile {
    const file: LocalFile = { path, bytes, pins: 0, onDrop, dropped: false };
    this.#order.add(file);
    this.#byPath.set(path, file);
    this.#isGone(path);
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
    if (file.pins > 0) return;
    if (file.dropped) await this.#delete(file);
    else await this.makeRoom();
  }

  /** From now on the file is in nobody's way; it is deleted once nobody reads it. */
  async drop(file: LocalFile): Promise<void> {
    if (file.dropped) return;
    file.dropped = true;
    this.#order.delete(file);
    file.onDrop();
    if (file.pins === 0) await this.#delete(file);
  }

  /** Rejects with `limited` when what is read right now leaves too little room. */
  async reserve(bytes: number): Promise<Reservation> {
    this.#reservedBytes += bytes;
    let held = true;
    const release = (): void => {
      if (held) this.#reservedBytes -= bytes;
      held = false;
    };
    try {
      // Others may reserve, and pin what could have gone, while room is made.
      do {
        if (this.#heldBytes() + this.#reservedBytes > this.#capBytes) {
          throw new PintailError(
            "limited",
            `no room for ${bytes} bytes in the segment cache of ${this.#capBytes} bytes`,
            { retryAfterMs: 1000 },
          );
        }
        await this.makeRoom();
      } while (this.#bytes + this.#reservedBytes > this.#capBytes);
    } catch (error) {
      release();
      throw error;
    }
    return { bytes, [Symbol.dispose]: release };
  }

  /** Deletes what nobody reads until the rest, and what is reserved, is within the cap. */
  async makeRoom(): Promise<void> {
    await this.#deleteAgain();
    for (const file of [...this.#order]) {
      if (this.#bytes + this.#reservedBytes <= this.#capBytes) return;
      await this.#evict(file);
    }
  }

  /** The disk is full: half of what nobody uses goes, whatever the cap says. */
  async halve(): Promise<void> {
    const free = [...this.#order].filter(({ pins }) => pins === 0);
    for (const file of free.slice(0, Math.ceil(free.length / 2))) await this.#evict(file);
  }

  /** Of files that somebody reads. */
  #heldBytes(): number {
    let held = this.#bytes;
    for (const { pins, bytes } of this.#order) if (pins === 0) held -= bytes;
    return held;
  }

  async #evict(file: LocalFile): Promise<void> {
    if (file.pins > 0 || file.dropped) return;
    this.#onEvicted(file.bytes);
    await this.drop(file);
  }

  async #delete(file: LocalFile): Promise<void> {
    this.#bytes -= file.bytes;
    if (this.#byPath.get(file.path) !== file) return;
    this.#byPath.delete(file.path);
    try {
      await this.#files.unlink(file.path);
    } catch (error) {
      // Unless another file has taken its place meanwhile.
      if (!this.#byPath.has(file.path)) {
        this.#undeleted.set(file.path, file);
        this.#bytes += file.bytes;
      }
      throw error;
    }
  }

  async #deleteAgain(): Promise<void> {
    for (const path of [...this.#undeleted.keys()]) {
      try {
        await this.#files.unlink(path);
        this.#isGone(path);
      } catch {
        // Said when it was dropped; another time then.
      }
    }
  }

  /** Nothing is left of the file that could not be deleted. */
  #isGone(path: string): void {
    const file = this.#undeleted.get(path);
    if (file === undefined) return;
    this.#undeleted.delete(path);
    this.#bytes -= file.bytes;
  }
}
