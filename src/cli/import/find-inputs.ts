import type { Stats } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

export type ImportInput = {
  /** "-" = standard input. */
  readonly path: string;
  /** `undefined` where that is not known before. */
  readonly bytes: number | undefined;
};

/**
 * The files that were named, and all in the folders that were, in the order of their paths. Hidden
 * ones and links to folders are passed over. Throws for a path that is not there.
 */
export async function findInputs(paths: readonly string[]): Promise<ImportInput[]> {
  const inputs: ImportInput[] = [];
  for (const path of paths) {
    if (path === "-") inputs.push({ path, bytes: undefined });
    else {
      const stats = await stat(path);
      if (stats.isDirectory()) await addFolder(path, inputs);
      else inputs.push(inputOf(path, stats));
    }
  }
  return inputs;
}

async function addFolder(folder: string, inputs: ImportInput[]): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await addFolder(path, inputs);
    else {
      const stats = await stat(path).catch(() => undefined);
      if (stats?.isFile()) inputs.push(inputOf(path, stats));
    }
  }
}

function inputOf(path: string, stats: Stats): ImportInput {
  return { path, bytes: stats.isFile() ? stats.size : undefined };
}
