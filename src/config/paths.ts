/**
 * Where data lies. `wal` and `segments` are what senders' spans are written to; `data` holds the
 * catalog, its lock and the queries' spill files.
 */
export type DataPaths = {
  readonly walDir: string;
  readonly segmentDir: string;
  readonly dataDir: string;
};

export const DEFAULT_DATA_DIR = "./pintail-data";

/**
 * The catalog lies inside the segments' folder: Pintail can always write there, and two Pintails
 * that share it would be a mistake in any case, which the lock finds. `@` cannot occur in a tenant's
 * name, so no tenant's folder has this name.
 */
const CATALOG_IN_SEGMENTS = "@pintail";

/**
 * Paths from what is given, empty strings for what is not. When the file names one of the two
 * folders, the other one is its neighbour, as in Tempo's own defaults (`/var/tempo/wal`,
 * `/var/tempo/traces`), so that both lie on the same volume. When it names none, everything lies
 * under `base`.
 */
export function dataPaths(given: {
  readonly wal: string;
  readonly segments: string;
  readonly base: string;
}): DataPaths {
  if (given.wal === "" && given.segments === "") {
    const base = trimEnd(given.base);
    return { walDir: join(base, "wal"), segmentDir: join(base, "blocks"), dataDir: base };
  }
  const walDir = given.wal === "" ? neighbour(given.segments, "wal") : trimEnd(given.wal);
  const segmentDir =
    given.segments === "" ? neighbour(given.wal, "traces") : trimEnd(given.segments);
  return { walDir, segmentDir, dataDir: join(segmentDir, CATALOG_IN_SEGMENTS) };
}

export function join(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

function neighbour(path: string, name: string): string {
  const trimmed = trimEnd(path);
  const slash = Math.max(trimmed.lastIndexOf("/"), trimmed.lastIndexOf("\\"));
  return slash < 0 ? name : trimmed.slice(0, slash + 1) + name;
}

function trimEnd(path: string): string {
  return path.length > 1 ? path.replace(/(?<=.)[/\\]+$/, "") : path;
}
