import type { SqlValue, WritableDatabase } from "../../drivers/duckdb/database.ts";
import { sqlLiteral } from "../../drivers/duckdb/sql-literal.ts";
import { type Files, joinPath } from "../../drivers/files/files.ts";
import { PintailError } from "../../errors.ts";
import { reached } from "../../runtime/failpoints.ts";
import type { SegmentMeta } from "../../schema/segment-meta.ts";
import type { Catalog, CatalogChange, WalPositions } from "./catalog.ts";
import { CatalogState, type HiddenBySegment, type RemovedSegment } from "./catalog-state.ts";
import {
  deleteRemoved,
  deleteSegments,
  insertRemoved,
  insertSegments,
  MIGRATIONS,
  type PackedSegment,
  packDetails,
  redactionOfRow,
  replaceRedactions,
  SELECT_REDACTIONS,
  SELECT_SEGMENTS,
  segmentOfRow,
  updateStored,
  updateWalPositions,
} from "./catalog-tables.ts";
import { HiddenTraces } from "./hidden-traces.ts";
import { joinRedactions, parseRedactions, type Redaction, redactionsJson } from "./redaction.ts";
import { type DetailsSettings, SegmentDetails } from "./segment-details.ts";

export type CatalogParts = {
  readonly files: Files;
  /** Folder of the catalog's files. */
  readonly dataDir: string;
  /** Opens the database file; rejects with `corrupt` when it is none. */
  readonly openDatabase: (path: string) => Promise<WritableDatabase>;
  /** Called when there is no usable catalog: what the segments themselves say. */
  readonly rebuild: (hint: WalPositions) => Promise<RebuiltCatalog>;
  readonly nowMs: () => number;
  /** Told what happened to a catalog that had to be rebuilt. */
  readonly onRebuilt?: (event: RebuildEvent) => void;
};

export type RebuiltCatalog = {
  /** Batches of segments, so that not all are in memory. */
  readonly segments: AsyncIterable<readonly SegmentMeta[]>;
  /** Whose files are to be deleted after the grace period. */
  readonly removed: readonly { readonly id: string; readonly tenant: string }[];
  readonly walPositions: WalPositions;
  /** Known elsewhere than in the data folder. */
  readonly redactions?: readonly Redaction[];
};

export type RebuildEvent = {
  /** Why the catalog was rebuilt; the broken file was moved to `movedTo`. */
  readonly reason: "missing" | "broken";
  readonly movedTo: string | undefined;
  readonly cause: unknown;
  readonly segments: number;
};

const DEFAULTS: DetailsSettings = {
  filterBudgetBytes: 128 * 1024 * 1024,
  parsedKeysBudgetBytes: 64 * 1024 * 1024,
};

const FILE = "catalog.duckdb";
/** WAL positions that are certain, for a rebuild: merged segments no longer name their WAL range. */
const POSITIONS_FILE = "wal-positions.json";
const MAX_POSITIONS_BYTES = 4096;
/** All redactions, for a rebuild: the segments do not name them. */
const REDACTIONS_FILE = "redactions.json";
const MAX_REDACTIONS_BYTES = 1024 * 1024 * 1024;
const RETRY_MS = 1000;
/** Segments whose large parts are read at a time. */
const DETAILS_BATCH = 500;

/**
 * Opens the catalog of a data folder, which the caller has locked. One that is missing or broken is
 * rebuilt from the segments; the broken file is kept beside it.
 */
export async function openCatalog(
  parts: CatalogParts,
  settings: Partial<DetailsSettings> = {},
): Promise<Catalog> {
  const all = { ...DEFAULTS, ...settings };
  await parts.files.mkdir(parts.dataDir);
  const path = joinPath(parts.dataDir, FILE);
  let broken: unknown;
  if ((await parts.files.stat(path)) !== undefined) {
    try {
      return await DuckdbCatalog.load(parts, await parts.openDatabase(path), all);
    } catch (e) {
      // Busy, or a full disk: that passes, and the file may be fine.
      if (e instanceof PintailError && (e.kind === "unavailable" || e.kind === "limited")) throw e;
      if (!(e instanceof UnfinishedCatalog)) broken = e;
    }
  }
  const movedTo = await moveAside(parts, path, broken === undefined ? "unfinished" : "broken");
  const catalog = await DuckdbCatalog.rebuild(parts, await parts.openDatabase(path), all);
  parts.onRebuilt?.({
    reason: broken === undefined ? "missing" : "broken",
    movedTo,
    cause: broken,
    segments: catalog.segmentCount,
  });
  return catalog;
}

/** Moves the catalog of a folder aside and builds it again. Returns how many segments it has. */
export async function rebuildCatalogFile(parts: CatalogParts): Promise<number> {
  await parts.files.mkdir(parts.dataDir);
  const path = joinPath(parts.dataDir, FILE);
  await moveAside(parts, path, "replaced");
  const catalog = await DuckdbCatalog.rebuild(parts, await parts.openDatabase(path), DEFAULTS);
  await catalog[Symbol.asyncDispose]();
  return catalog.segmentCount;
}

/** A rebuild that did not come to its end: its tables may lack segments. */
class UnfinishedCatalog extends Error {}

async function moveAside(parts: CatalogParts, path: string, why: string) {
  const target = `${path}.${why}-${parts.nowMs()}`;
  let moved: string | undefined;
  for (const suffix of ["", ".wal"]) {
    if ((await parts.files.stat(path + suffix)) === undefined) continue;
    await parts.files.rename(path + suffix, target + suffix);
    moved = target;
  }
  if (moved !== undefined) await parts.files.syncDir(parts.dataDir);
  return moved;
}

class DuckdbCatalog implements Catalog {
  readonly #parts: CatalogParts;
  readonly #database: WritableDatabase;
  readonly #details: SegmentDetails;
  readonly #filterBudgetBytes: number;
  #state = new CatalogState();
  /** The commits' order; never rejects. */
  #last: Promise<void> = Promise.resolve();
  /** After a failed commit the disk may hold either state. */
  #doubtful = false;
  #savedReleasedTo = -1;
  #closed = false;

  static async load(
    parts: CatalogParts,
    database: WritableDatabase,
    settings: DetailsSettings,
  ): Promise<DuckdbCatalog> {
    try {
      const catalog = new DuckdbCatalog(parts, database, settings);
      await catalog.#migrate();
      await catalog.#read();
      return catalog;
    } catch (e) {
      await database[Symbol.asyncDispose]();
      throw e;
    }
  }

  static async rebuild(
    parts: CatalogParts,
    database: WritableDatabase,
    settings: DetailsSettings,
  ): Promise<DuckdbCatalog> {
    try {
      const hint = await readPositions(parts);
      await database.transaction([
        "CREATE TABLE meta (schema_version INTEGER NOT NULL)",
        ...MIGRATIONS.flat(),
      ]);
      const { segments, removed, walPositions, redactions = [] } = await parts.rebuild(hint);
      const redacted = joinRedactions(await readRedactions(parts), redactions);
      if (redacted.length > 0) await writeRedactions(parts, redacted);
      for await (const batch of segments) {
        await database.transaction(insertSegments(batch.map(packed)));
        reached("rebuild:half-written");
      }
      await database.transaction([
        ...insertRemoved(removed, parts.nowMs()),
        ...replaceRedactions(redacted),
        updateWalPositions(walPositions),
        // Last: a catalog without it is unfinished.
        `INSERT INTO meta VALUES (${MIGRATIONS.length})`,
      ]);
    } catch (e) {
      await database[Symbol.asyncDispose]();
      throw e;
    }
    return DuckdbCatalog.load(parts, database, settings);
  }

  private constructor(parts: CatalogParts, database: WritableDatabase, settings: DetailsSettings) {
    this.#parts = parts;
    this.#database = database;
    this.#filterBudgetBytes = settings.filterBudgetBytes;
    this.#details = new SegmentDetails((id) => this.#readFilter(id), settings);
  }

  get segmentCount(): number {
    return this.#state.segmentCount;
  }

  segments(tenant: string): readonly SegmentMeta[] {
    return this.#state.segments(tenant);
  }

  segment(id: string): SegmentMeta | undefined {
    return this.#state.segment(id);
  }

  tenants(): readonly string[] {
    return this.#state.tenants();
  }

  walPositions(): WalPositions {
    return this.#state.walPositions;
  }

  redactions(): readonly Redaction[] {
    return this.#state.redactions();
  }

  commit(change: CatalogChange): Promise<void> {
    return this.#serialised(async () => {
      const nowMs = this.#parts.nowMs();
      const add = [...new Map((change.add ?? []).map((meta) => [meta.id, meta])).values()];
      const adding = add.map(packed);
      const leaving = (change.remove ?? []).flatMap((id) => this.#state.segment(id) ?? []);
      // Adding again what is there is no error: a commit whose outcome was unknown is repeated.
      const replaced = add.map(({ id }) => id).filter((id) => this.#isKnown(id));
      const positions = { ...this.#state.walPositions, ...positionsOf(change) };
      const hidden = await this.#hiddenAfter({ ...change, add });
      // First, so that a catalog that has to be rebuilt hides them as well.
      await this.#saveRedactions(change.redactions ?? []);
      await this.#write([
        ...deleteSegments([...leaving.map(({ id }) => id), ...replaced]),
        ...deleteRemoved(replaced),
        ...insertRemoved(leaving, nowMs),
        ...insertSegments(adding),
        ...updateStored((change.stored ?? []).filter(({ id }) => this.#state.segment(id))),
        ...replaceRedactions(change.redactions ?? []),
        ...(Object.keys(positionsOf(change)).length > 0 ? [updateWalPositions(positions)] : []),
      ]);
      const attached = adding.map(({ meta, details }) => {
        this.#details.set(meta.id, details.keys, details.traceFilter);
        const { keys: _, traceFilter: __, ...scalars } = meta;
        return this.#details.attach(scalars);
      });
      this.#state.apply({ ...change, add: attached }, nowMs, hidden);
      await this.#savePositions();
    });
  }

  /** What the segments hide after the change: those of the redactions' tenants, and new ones. */
  #hiddenAfter({ add = [], redactions = [] }: CatalogChange): Promise<HiddenBySegment> {
    const all = new Map([...this.#state.redactions(), ...redactions].map((one) => [one.id, one]));
    const tenants = new Set(redactions.map(({ tenant }) => tenant));
    const staying = [...tenants].flatMap((tenant) => this.#state.segments(tenant));
    return new HiddenTraces(all.values()).ofAll([...staying, ...add], (segment) =>
      this.#filterOf(segment),
    );
  }

  /** Also when memory does not hold it. */
  async #filterOf(segment: SegmentMeta): Promise<Uint8Array> {
    const held = segment.traceFilter;
    return held.length > 0 ? held : ((await this.#readFilter(segment.id)) ?? held);
  }

  deletable(graceMs: number): readonly { id: string; tenant: string }[] {
    const before = this.#parts.nowMs() - graceMs;
    return this.#state
      .removed()
      .filter(({ removedUnixMs }) => removedUnixMs <= before)
      .map(({ id, tenant }) => ({ id, tenant }));
  }

  forget(ids: readonly string[]): Promise<void> {
    return this.#serialised(async () => {
      const known = ids.filter((id) => this.#state.isRemoved(id));
      if (known.length === 0) return;
      await this.#write(deleteRemoved(known));
      this.#state.forget(known);
      for (const id of known) this.#details.delete(id);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#last;
    await this.#database[Symbol.asyncDispose]();
  }

  #isKnown(id: string): boolean {
    return this.#state.segment(id) !== undefined || this.#state.isRemoved(id);
  }

  #serialised(run: () => Promise<void>): Promise<void> {
    if (this.#closed) {
      return Promise.reject(
        new PintailError("unavailable", "the catalog is closed", { retryAfterMs: RETRY_MS }),
      );
    }
    const done = this.#last.then(async () => {
      if (this.#doubtful) await this.#read();
      await run();
    });
    this.#last = done.catch(() => {});
    return done;
  }

  async #write(statements: readonly string[]): Promise<void> {
    if (statements.length === 0) return;
    try {
      await this.#database.transaction(statements);
      reached("catalog:written");
    } catch (cause) {
      this.#doubtful = true;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new PintailError("unavailable", `cannot write the catalog: ${reason}`, {
        cause,
        retryAfterMs: RETRY_MS,
      });
    }
  }

  async #migrate(): Promise<void> {
    const tables = await this.#database.rows(
      "SELECT table_name FROM duckdb_tables() WHERE table_name = 'meta'",
    );
    if (tables.length === 0) throw new UnfinishedCatalog("the catalog has no version");
    const [row] = await this.#database.rows("SELECT max(schema_version) FROM meta");
    if (row?.[0] === null || row?.[0] === undefined) throw new UnfinishedCatalog("no version yet");
    const version = Number(row[0]);
    if (version > MIGRATIONS.length) {
      throw new PintailError(
        "unavailable",
        `the catalog has version ${version}, this Pintail knows ${MIGRATIONS.length}: run a newer one, or 'pintail catalog rebuild'`,
      );
    }
    if (version === MIGRATIONS.length) return;
    await this.#database.transaction([
      ...MIGRATIONS.slice(version).flat(),
      `UPDATE meta SET schema_version = ${MIGRATIONS.length}`,
    ]);
  }

  /** Everything from the tables; the filters of the newest segments as far as the budget goes. */
  async #read(): Promise<void> {
    const scalars = (await this.#database.rows(SELECT_SEGMENTS)).map(segmentOfRow);
    await this.#readDetails();
    const removed = (await this.#database.rows("SELECT * FROM removed_segments")).map(removedOfRow);
    const [positions] = await this.#database.rows("SELECT cut_to, released_to FROM wal_positions");
    const walPositions = {
      cutTo: Number(positions?.[0] ?? 0),
      releasedTo: Number(positions?.[1] ?? 0),
    };
    const add = scalars.map((one) => this.#details.attach(one));
    const state = new CatalogState();
    const redactions = (await this.#database.rows(SELECT_REDACTIONS)).map(redactionOfRow);
    const hidden = await new HiddenTraces(redactions).ofAll(add, (one) => this.#filterOf(one));
    state.apply({ add, redactions, ...walPositions }, 0, hidden);
    state.addRemoved(removed);
    this.#state = state;
    this.#doubtful = false;
  }

  /** In ranges of row ids, so that neither DuckDB nor the caller holds all of them at once. */
  async #readDetails(): Promise<void> {
    const rows = await this.#database.rows(
      `SELECT rowid, octet_length(trace_filter) FROM segments
       ORDER BY max_trace_start DESC, id DESC`,
    );
    let filterBytes = 0;
    const withFilter = new Set<number>();
    for (const [rowid, bytes] of rows) {
      filterBytes += Number(bytes);
      if (filterBytes > this.#filterBudgetBytes) break;
      withFilter.add(Number(rowid));
    }
    const rowids = rows.map(([rowid]) => Number(rowid)).sort((a, b) => a - b);
    for (let at = 0; at < rowids.length; at += DETAILS_BATCH) {
      const batch = rowids.slice(at, at + DETAILS_BATCH);
      await this.#readDetailsOf(
        batch[0] ?? 0,
        batch.at(-1) ?? 0,
        batch.some((rowid) => withFilter.has(rowid)),
      );
    }
  }

  async #readDetailsOf(from: number, to: number, withFilters: boolean): Promise<void> {
    const filter = withFilters ? "trace_filter" : "NULL";
    const sql = `SELECT id, keys, ${filter} FROM segments WHERE rowid BETWEEN ${from} AND ${to}`;
    await this.#database.chunks(sql, ({ rowCount, columns: [id, keys, filters] }) => {
      for (let r = 0; r < rowCount; r++) {
        const packedKeys = keys?.[r];
        const traceFilter = filters?.[r];
        if (!(packedKeys instanceof Uint8Array)) continue;
        this.#details.set(
          String(id?.[r]),
          packedKeys,
          traceFilter instanceof Uint8Array ? traceFilter : undefined,
        );
      }
    });
  }

  async #readFilter(id: string): Promise<Uint8Array | undefined> {
    const sql = `SELECT trace_filter FROM segments WHERE id = ${sqlLiteral(id)}`;
    const [row] = await this.#database.rows(sql);
    return row?.[0] instanceof Uint8Array ? row[0] : undefined;
  }

  /** Kept out of the database on purpose: all of them, with the changed ones. */
  async #saveRedactions(changed: readonly Redaction[]): Promise<void> {
    if (changed.length === 0) return;
    const all = new Map([...this.#state.redactions(), ...changed].map((one) => [one.id, one]));
    await writeRedactions(this.#parts, [...all.values()]);
    reached("catalog:redactions-saved");
  }

  /** Kept out of the database on purpose. A failure is tried again with the next commit. */
  async #savePositions(): Promise<void> {
    const { releasedTo } = this.#state.walPositions;
    if (releasedTo === this.#savedReleasedTo) return;
    try {
      const json = JSON.stringify(this.#state.walPositions);
      const path = joinPath(this.#parts.dataDir, POSITIONS_FILE);
      await this.#parts.files.writeFileAtomic(path, new TextEncoder().encode(`${json}\n`));
      this.#savedReleasedTo = releasedTo;
    } catch {
      this.#savedReleasedTo = -1;
    }
  }
}

function packed(meta: SegmentMeta): PackedSegment {
  return { meta, details: packDetails(meta) };
}

function positionsOf({ cutTo, releasedTo }: CatalogChange): Partial<WalPositions> {
  return {
    ...(cutTo === undefined ? {} : { cutTo }),
    ...(releasedTo === undefined ? {} : { releasedTo }),
  };
}

function removedOfRow(row: readonly SqlValue[]): RemovedSegment {
  return { id: String(row[0]), tenant: String(row[1]), removedUnixMs: Number(row[2]) };
}

async function readPositions({ files, dataDir }: CatalogParts): Promise<WalPositions> {
  try {
    const bytes = await files.readFile(joinPath(dataDir, POSITIONS_FILE), MAX_POSITIONS_BYTES);
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<WalPositions> | null;
    const cutTo = Number(value?.cutTo);
    const releasedTo = Number(value?.releasedTo);
    if (Number.isSafeInteger(cutTo) && Number.isSafeInteger(releasedTo))
      return { cutTo, releasedTo };
  } catch {
    // Missing or unreadable: the segments alone have to tell.
  }
  return { cutTo: 0, releasedTo: 0 };
}

/** Throws when there are some and they cannot be read: what they hide must not come back. */
async function readRedactions({ files, dataDir }: CatalogParts): Promise<Redaction[]> {
  const path = joinPath(dataDir, REDACTIONS_FILE);
  if ((await files.stat(path)) === undefined) return [];
  return parseRedactions(await files.readFile(path, MAX_REDACTIONS_BYTES), path);
}

async function writeRedactions(
  { files, dataDir }: CatalogParts,
  redactions: readonly Redaction[],
): Promise<void> {
  const bytes = new TextEncoder().encode(redactionsJson(redactions));
  await files.writeFileAtomic(joinPath(dataDir, REDACTIONS_FILE), bytes);
}
