import { PintailError } from "../../../errors.ts";
import { type FileStat, type Files, joinPath } from "../../files/files.ts";

export type ListFolderOptions = {
  readonly prefix: string;
  readonly delimiter: "/" | undefined;
  readonly limit: number;
  /** A key or a prefix; what is listed comes after it. */
  readonly after: string | undefined;
  readonly signal: AbortSignal;
};

export type FolderPage = {
  readonly files: readonly { readonly key: string; readonly stat: FileStat }[];
  readonly prefixes: readonly string[];
  readonly next: string | undefined;
};

/** Keys are at most this deep; a link that leads into itself ends here. */
const MAX_DEPTH = 64;

type Page = {
  files: { key: string; stat: FileStat }[];
  prefixes: string[];
  last: string | undefined;
  more: boolean;
};

/**
 * Files below `root` as keys, ascending as a bucket lists them. Skips names that begin with a dot
 * and whole folders that end before `after`, so a page costs the folders it looks into.
 */
export async function listFolder(
  files: Files,
  root: string,
  options: ListFolderOptions,
): Promise<FolderPage> {
  const page: Page = { files: [], prefixes: [], last: undefined, more: false };
  // The folder part of the prefix is gone into directly.
  const folder = options.prefix.slice(0, options.prefix.lastIndexOf("/") + 1);
  await walk(files, root, folder, options, page, 0);
  return {
    files: page.files,
    prefixes: page.prefixes,
    next: page.more ? page.last : undefined,
  };
}

async function walk(
  files: Files,
  root: string,
  folder: string,
  options: ListFolderOptions,
  page: Page,
  depth: number,
): Promise<void> {
  if (depth > MAX_DEPTH) return;
  for (const entry of await entries(files, root, folder, options)) {
    if (options.signal.aborted) throw new PintailError("canceled", "canceled");
    if (entry.stat.isDirectory && options.delimiter === undefined) {
      await walk(files, root, entry.key, options, page, depth + 1);
      if (page.more) return;
      continue;
    }
    if (entry.stat.isDirectory && !(await holdsFile(files, joinPath(root, entry.key), depth))) {
      continue;
    }
    if (page.files.length + page.prefixes.length === options.limit) {
      page.more = true;
      return;
    }
    page.last = entry.key;
    if (entry.stat.isDirectory) page.prefixes.push(entry.key);
    else page.files.push(entry);
  }
}

/** Of one folder, in the order of keys: a folder counts with its slash. */
async function entries(
  files: Files,
  root: string,
  folder: string,
  { prefix, after = "", delimiter }: ListFolderOptions,
): Promise<{ key: string; stat: FileStat }[]> {
  const dir = joinPath(root, folder.slice(0, -1));
  const found: { key: string; stat: FileStat }[] = [];
  for (const name of await files.list(dir)) {
    if (name.startsWith(".")) continue;
    const path = folder + name;
    const candidate = path.startsWith(prefix) || prefix.startsWith(path);
    // Before any look at the file: most of a large folder is behind a page that was listed before.
    if (!candidate || (path < after && !after.startsWith(path))) continue;
    const stat = await files.stat(joinPath(root, path));
    if (stat === undefined) continue;
    const key = stat.isDirectory ? `${path}/` : path;
    if (!key.startsWith(prefix)) continue;
    const inside = stat.isDirectory && delimiter === undefined && after.startsWith(key);
    if (key > after || inside) found.push({ key, stat });
  }
  return found.sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Folders stay when their files go; a bucket has none. */
async function holdsFile(files: Files, dir: string, depth: number): Promise<boolean> {
  if (depth > MAX_DEPTH) return false;
  for (const name of await files.list(dir)) {
    if (name.startsWith(".")) continue;
    const path = joinPath(dir, name);
    const stat = await files.stat(path);
    if (stat === undefined) continue;
    if (!stat.isDirectory || (await holdsFile(files, path, depth + 1))) return true;
  }
  return false;
}
