import type { SqlValue, WritableDatabase } from "../../drivers/duckdb/database.ts";
import { sqlLiteral } from "../../drivers/duckdb/sql-literal.ts";
import { type Files, joinPath } from "../../drivers/files/files.ts";
import { PintailError } from "../../errors.ts";
import { reached } from "../../runtime/failpoints.ts";
import type {
  SegmentMeta,
  SegmentSummary,
  SegmentWithFilter,
  SegmentWithKeys,
} from "../../schema/segment-meta.ts";
import type { Catalog, CatalogChange, Loaded, WalPositions } from "./catalog.ts";
import { CatalogSegment } from "./catalog-segment.ts";
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
  SELECT_COLUMN_LISTS,
  SELECT_REDACTIONS,
  SegmentReader,
  scalarsOf,
  selectSegments,
  updateStored,
  updateWalPositions,
} from "./catalog-tables.ts";
import { HiddenTraces } from "./hidden-traces.ts";
import { joinRedactions, parseRedactions, type Redaction, redactionsJson } from "./redaction.ts";
import {
  type DetailKind,
  DetailsCache,
  type DetailsSettings,
  SegmentDetails,
} from "./segment-details.ts";

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
  filterBudgetBytes: 32 * 1024 * 1024,
  keysBudgetBytes: 24 * 1024 * 1024,
  parsedKeysBudgetBytes: 32 * 1024 * 1024,
};

const FILE = "catalog.duckdb";
/** WAL positions that are certain, for a rebuild: merged segments no longer name their WAL range. */
const POSITIONS_FILE = "wal-positions.json";
const MAX_POSITIONS_BYTES = 4096;
/** All redactions, for a rebuild: the segments do not name them. */
const REDACTIONS_FILE = "redactions.json";
const MAX_REDACTIONS_BYTES = 1024 * 1024 * 1024;
const RETRY_MS = 1000;
/** Segments whose large parts one statement reads. */
const DETAILS_BATCH = 500;
/** The same at the start. */
const FIRST_BATCH = 1024;
/** The details of no more segments are read when they leave, for queries that know them still. */
const MAX_LEAVING = 200;
const COLUMN_OF: Readonly<Record<DetailKind, string>> = {
  keys: "keys",
  traceFilter: "trace_filter",
};

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
  await deleteUnfinished(parts);
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

/** What a process that was killed had begun to write in the place of the catalog's own files. */
async function deleteUnfinished({ files, dataDir }: CatalogParts): Promise<void> {
  const begins = [POSITIONS_FILE, REDACTIONS_FILE].map((name) => `${name}.tmp-`);
  for (const name of await files.list(dataDir)) {
    if (begins.some((begin) => name.startsWith(begin))) await files.unlink(joinPath(dataDir, name));
  }
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
  readonly #details: DetailsCache;
  #reader = new SegmentReader();
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
    this.#details = new DetailsCache(settings);
  }

  get segmentCount(): number {
    return this.#state.segmentCount;
  }

  segments(tenant: string): readonly SegmentSummary[] {
    return this.#state.segments(tenant);
  }

  segment(id: string): SegmentSummary | undefined {
    return this.#state.segment(id);
  }

  async loadKeys(
    segments: readonly SegmentSummary[],
    signal?: AbortSignal,
  ): Promise<Loaded<SegmentWithKeys>> {
    const release = await this.#load("keys", segments, signal);
    return { segments: segments as readonly SegmentWithKeys[], [Symbol.dispose]: release };
  }

  async loadFilters(
    segments: readonly SegmentSummary[],
    signal?: AbortSignal,
  ): Promise<Loaded<SegmentWithFilter>> {
    const release = await this.#load("traceFilter", segments, signal);
    return { segments: segments as readonly SegmentWithFilter[], [Symbol.dispose]: release };
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
      await this.#keepForQueries(leaving);
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
      const attached = adding.map(({ meta, details: packed }) => {
        const details = new SegmentDetails(this.#details);
        details.set("keys", packed.keys);
        details.set("traceFilter", packed.traceFilter);
        return new CatalogSegment(scalarsOf(meta, this.#reader), details);
      });
      this.#state.apply({ ...change, add: attached }, nowMs, hidden);
      await this.#savePositions();
    });
  }

  /** What the segments hide after the change: those of the redactions' tenants, and new ones. */
  async #hiddenAfter({ add = [], redactions = [] }: CatalogChange): Promise<HiddenBySegment> {
    const all = new Map([...this.#state.redactions(), ...redactions].map((one) => [one.id, one]));
    const tenants = new Set(redactions.map(({ tenant }) => tenant));
    const staying = [...tenants].flatMap((tenant) => this.#state.segments(tenant));
    const traces = new HiddenTraces(all.values());
    const hidden = await traces.ofAll(staying, (some) => this.loadFilters(some));
    for (const { id, tenant, traceFilter } of add) {
      const ids = traces.of(tenant, traceFilter);
      if (ids !== undefined) hidden.set(id, ids);
    }
    return hidden;
  }

  /** Queries that run may still ask for the details of segments that leave. */
  async #keepForQueries(leaving: readonly CatalogSegment[]): Promise<void> {
    const some = leaving.slice(0, MAX_LEAVING);
    try {
      (await this.#load("keys", some))();
      (await this.#load("traceFilter", some))();
    } catch {
      // Then such a query begins again, with what replaced them.
    }
  }

  /** Holds this kind of details of the segments until the function returned is called. */
  async #load(
    kind: DetailKind,
    segments: readonly SegmentSummary[],
    signal?: AbortSignal,
  ): Promise<() => void> {
    const missing = new Map<string, SegmentDetails>();
    const held: SegmentDetails[] = [];
    for (const segment of segments) {
      // Others hold theirs themselves: segments that are not the catalog's.
      if (!(segment instanceof CatalogSegment)) continue;
      const details = CatalogSegment.detailsOf(segment);
      details.pin(kind);
      held.push(details);
      if (!details.has(kind)) missing.set(segment.id, details);
    }
    const release = () => {
      for (const details of held.splice(0)) details.unpin(kind);
    };
    try {
      await this.#readDetails(kind, missing, signal);
      return release;
    } catch (e) {
      release();
      throw e;
    }
  }

  async #readDetails(
    kind: DetailKind,
    missing: ReadonlyMap<string, SegmentDetails>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const ids = [...missing.keys()];
    for (let at = 0; at < ids.length; at += DETAILS_BATCH) {
      const list = ids.slice(at, at + DETAILS_BATCH).map(sqlLiteral);
      const where = `id IN (${list.join(", ")})`;
      await this.#database.chunks(
        `SELECT id, ${COLUMN_OF[kind]} FROM segments WHERE ${where}`,
        ({ rowCount, columns: [id, bytes] }) => {
          for (let r = 0; r < rowCount; r++) {
            const value = bytes?.[r];
            if (value instanceof Uint8Array) missing.get(String(id?.[r]))?.set(kind, value);
          }
        },
        { signal },
      );
    }
    for (const [id, details] of missing) {
      if (details.has(kind)) continue;
      throw new PintailError("not_found", `the segment ${id} left the catalog`);
    }
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
    for (const [from, statements] of MIGRATIONS.entries()) {
      if (from < version) continue;
      const done = `UPDATE meta SET schema_version = ${from + 1}`;
      await this.#database.transaction([...statements, done]);
    }
  }

  /** Everything from the tables; the details of the newest segments as far as the budgets go. */
  async #read(): Promise<void> {
    const reader = new SegmentReader();
    const add: CatalogSegment[] = [];
    await this.#database.chunks(SELECT_COLUMN_LISTS, (chunk) => reader.readColumnLists(chunk));
    const [last] = await this.#database.rows("SELECT max(rowid) FROM segments");
    const rowIds = Number(last?.[0] ?? -1) + 1;
    // The database holds the whole result of a statement.
    for (let from = 0; from < rowIds; from += FIRST_BATCH) {
      const statements = selectSegments(from, from + FIRST_BATCH);
      const [texts = []] = await this.#database.rows(statements.texts);
      for (const scalars of reader.read(await this.#database.rows(statements.numbers), texts)) {
        add.push(new CatalogSegment(scalars, new SegmentDetails(this.#details)));
      }
    }
    const removed = (await this.#database.rows("SELECT * FROM removed_segments")).map(removedOfRow);
    const [positions] = await this.#database.rows("SELECT cut_to, released_to FROM wal_positions");
    const walPositions = {
      cutTo: Number(positions?.[0] ?? 0),
      releasedTo: Number(positions?.[1] ?? 0),
    };
    const redactions = (await this.#database.rows(SELECT_REDACTIONS)).map(redactionOfRow);
    await this.#readNewestDetails(add);
    const hidden = await new HiddenTraces(redactions).ofAll(add, (some) => this.loadFilters(some));
    const state = new CatalogState();
    state.apply({ add, redactions, ...walPositions }, 0, hidden);
    state.addRemoved(removed);
    this.#reader = reader;
    this.#state = state;
    this.#doubtful = false;
    // All of the file went through its buffers, and little of it is read again.
    await this.#database.releaseBuffers();
  }

  async #readNewestDetails(segments: readonly CatalogSegment[]): Promise<void> {
    const starts = BigInt64Array.from(segments, ({ maxTraceStart }) => maxTraceStart).sort();
    const byId = new Map(segments.map((one) => [one.id, CatalogSegment.detailsOf(one)]));
    const room = new Set<DetailKind>(["keys", "traceFilter"]);
    for (let until = starts.length; until > 0 && room.size > 0; ) {
      const last = starts[until - 1]!;
      const first = starts[Math.max(0, until - FIRST_BATCH)]!;
      const kinds = [...room];
      const sql = `SELECT id, ${kinds.map((kind) => COLUMN_OF[kind]).join(", ")} FROM segments
        WHERE max_trace_start BETWEEN ${first} AND ${last} ORDER BY max_trace_start DESC`;
      await this.#database.chunks(sql, ({ rowCount, columns: [id, ...values] }) => {
        for (let r = 0; r < rowCount; r++) {
          const details = byId.get(String(id?.[r]));
          for (const [i, kind] of kinds.entries()) {
            const bytes = values[i]?.[r];
            if (!(bytes instanceof Uint8Array) || !room.has(kind)) continue;
            if (this.#details.fits(kind, bytes.length)) details?.set(kind, bytes);
            else room.delete(kind);
          }
        }
      });
      // Those that start when the first of these does were read as well.
      while (until > 0 && starts[until - 1]! >= first) until--;
    }
    this.#details.reverse();
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
