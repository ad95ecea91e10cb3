import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

const PREFIX = "sql-";

export type QueryFoldersParts = {
  /** Told of a folder that could not be removed: it may hold as much as a query may spill. */
  readonly onLeft: (folder: string, error: unknown) => void;
  /** Removes a folder with all in it, if it is there. */
  readonly remove?: (folder: string) => Promise<void>;
};

/** Folders for what queries spill, each for one query while it runs. */
export class QueryFolders {
  readonly #parts: QueryFoldersParts;
  readonly #dir: string;

  constructor(parts: QueryFoldersParts, dir: string) {
    this.#parts = parts;
    this.#dir = dir;
  }

  async create(): Promise<string> {
    const folder = join(this.#dir, `${PREFIX}${crypto.randomUUID()}`);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  /** Never rejects: the result of the query does not depend on it. */
  async remove(folder: string): Promise<void> {
    const { onLeft, remove = removeFolder } = this.#parts;
    try {
      await remove(folder);
    } catch (error) {
      onLeft(folder, error);
    }
  }

  /**
   * Removes what queries left of which the server did not see the end, or whose folder could not be
   * removed. To be called before the first query, by who alone uses the folder. Never rejects.
   */
  async removeLeft(): Promise<void> {
    let names: string[];
    try {
      names = await readdir(this.#dir);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#parts.onLeft(this.#dir, error);
      return;
    }
    for (const name of names) {
      if (name.startsWith(PREFIX)) await this.remove(join(this.#dir, name));
    }
  }
}

async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
