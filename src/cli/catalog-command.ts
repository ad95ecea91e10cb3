/** `pintail catalog rebuild`: makes the catalog again from the segments' own descriptions. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { Bucket } from "../app/bucket.ts";
import { ConfigError } from "../config/config-error.ts";
import { loadSettings } from "../config/load.ts";
import { openDatabase } from "../drivers/duckdb/node-database.ts";
import { type FileLock, joinPath, LOCK_FILE } from "../drivers/files/files.ts";
import { nodeFiles } from "../drivers/files/node-files.ts";
import { rebuildCatalogFile } from "../storage/catalog/duckdb-catalog.ts";
import { type RebuildBucket, rebuildCatalog } from "../storage/catalog/rebuild.ts";
import { readSegmentMeta } from "../storage/segments/segment-footer.ts";
import type { BucketSettings } from "../storage/settings.ts";
import { walExtent } from "../storage/wal/wal-extent.ts";
import { createLogger } from "../telemetry/logger.ts";
import { MetricRegistry } from "../telemetry/metrics.ts";
import { ProgressLine, type ProgressTerminal, progressBar } from "./progress.ts";

const HELP = `pintail catalog rebuild -config.file=<tempo.yaml>
pintail catalog rebuild --data-dir <dir> [--segment-dir <dir>] [--wal-dir <dir>]

Makes the catalog again from the segments, while Pintail is stopped: from those on the local disk and,
when the file names a bucket, from those that are there. The old one is kept beside it. An empty data
folder takes over a bucket that belonged to another catalog, also when that one still runs: make sure
that it is gone.

  -config.file   take folders and bucket from this file, as the server does
  --data-dir     folder of the catalog
  --segment-dir  folder of the segments (<data-dir>/blocks)
  --wal-dir      folder of the write-ahead log (<data-dir>/wal)
`;

const MEMORY_LIMIT_BYTES = 512 * 1024 * 1024;
/** Where there is no terminal, a line each time that so many more objects were read. */
const OBJECTS_PER_LINE = 10_000;

type Options = {
  readonly dataDir: string;
  readonly segmentDir: string;
  readonly walDir: string;
  readonly bucket: BucketSettings | undefined;
};

/** Runs the command with the arguments after `catalog`. Returns the exit code. */
export async function catalogCommand(
  args: readonly string[],
  print: (line: string) => void = (line) => console.log(line),
  terminal: ProgressTerminal = process.stderr,
): Promise<number> {
  let options: Options | undefined;
  try {
    options = parseArguments(args);
  } catch (e) {
    if (!(e instanceof ConfigError)) throw e;
    print(`pintail catalog: ${e.message}`);
    return 1;
  }
  if (options === undefined) {
    print(HELP);
    return args.includes("--help") || args.includes("-h") ? 0 : 2;
  }
  const { dataDir, segmentDir, walDir } = options;
  const files = nodeFiles();
  if (options.bucket === undefined && (await files.stat(segmentDir))?.isDirectory !== true) {
    print(`pintail catalog: there is no folder ${segmentDir}`);
    return 1;
  }
  let lock: FileLock | undefined;
  let bucket: Bucket | undefined;
  const progress = new ProgressLine(terminal, Date.now);
  try {
    await files.mkdir(dataDir);
    lock = await files.lock(joinPath(dataDir, LOCK_FILE));
    const walRange = await walExtent(files, walDir);
    bucket = options.bucket && (await openBucket(options, options.bucket, print));
    await bucket?.takeForRebuild({ evenIfAlive: true });
    const count = await rebuildCatalogFile({
      files,
      dataDir,
      openDatabase: (path) =>
        openDatabase({
          path,
          memoryLimitBytes: MEMORY_LIMIT_BYTES,
          tempDir: joinPath(dataDir, "tmp"),
          threads: 1,
          maxConcurrent: 2,
        }),
      rebuild: (hint) =>
        rebuildCatalog(
          {
            files,
            segmentDir,
            readMeta: readSegmentMeta,
            walRange,
            onQuarantined: (path, reason) => print(`put aside ${path}: ${reason}`),
            bucket: bucket && readsOf(bucket, progress, terminal, print),
          },
          hint,
        ),
      nowMs: Date.now,
    });
    progress.clear();
    print(`the catalog of ${dataDir} has ${count} segments`);
    return 0;
  } catch (e) {
    progress.clear();
    print(`pintail catalog: ${e instanceof Error ? e.message : String(e)}`);
    return 1;
  } finally {
    await bucket?.close();
    await lock?.release();
  }
}

function openBucket(
  folders: Options,
  settings: BucketSettings,
  print: (line: string) => void,
): Promise<Bucket> {
  const log = createLogger({ level: "warn", format: "logfmt" }, Date.now, print);
  return Bucket.open({ files: nodeFiles(), log, metrics: new MetricRegistry() }, settings, folders);
}

function readsOf(
  { store, signal, redactions }: Bucket,
  progress: ProgressLine,
  terminal: ProgressTerminal,
  print: (line: string) => void,
): RebuildBucket {
  return {
    store,
    signal,
    readRedactions: () => redactions.read(),
    onBadObject(key, reason) {
      progress.clear();
      print(`no segment, left alone: ${store.location}${key}: ${reason}`);
    },
    onProgress(listed, read) {
      progress.show(() => `${progressBar(read / listed)}  ${read} of ${listed} objects read`);
      if (terminal.isTTY === true || read === 0 || read % OBJECTS_PER_LINE !== 0) return;
      print(`${read} of ${listed} objects read`);
    },
  };
}

function parseArguments(args: readonly string[]): Options | undefined {
  const [command, ...rest] = args;
  const values = new Map<string, string>();
  for (let i = 0; i < rest.length; i++) {
    const [name, inline] = (rest[i] ?? "").split(/=(.*)/s);
    const value = inline ?? rest[++i];
    if (!/^(--(data|segment|wal)-dir|--?config\.file)$/.test(name ?? "")) return undefined;
    if (value === undefined) return undefined;
    values.set(name ?? "", value);
  }
  if (command !== "rebuild") return undefined;
  const configFile = values.get("-config.file") ?? values.get("--config.file");
  if (configFile !== undefined && configFile !== "") return foldersOf(configFile);
  const dataDir = values.get("--data-dir");
  if (dataDir === undefined || dataDir === "") return undefined;
  return {
    dataDir,
    segmentDir: values.get("--segment-dir") ?? joinPath(dataDir, "blocks"),
    walDir: values.get("--wal-dir") ?? joinPath(dataDir, "wal"),
    bucket: undefined,
  };
}

/** Where a server with this file keeps its data. Throws `ConfigError`. */
function foldersOf(configFile: string): Options {
  const readFile = (path: string): string => readFileSync(path, "utf8");
  const loaded = loadSettings({ args: [`-config.file=${configFile}`], env: process.env, readFile });
  if (loaded.action !== "run") throw new Error("a settings file names no action");
  const { dataDir, ingest, bucket } = loaded.settings;
  return { dataDir, segmentDir: ingest.segmentDir, walDir: ingest.walDir, bucket };
}
