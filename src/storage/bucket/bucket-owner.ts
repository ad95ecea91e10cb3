import type { ObjectStore } from "../../drivers/objects/object-store.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { BucketHealth } from "./bucket-health.ts";
import { OWNER_KEY } from "./object-keys.ts";

export type OwnerParts = {
  readonly store: ObjectStore;
  readonly health: BucketHealth;
  /** Of this data folder's catalog. */
  readonly catalogId: string;
  readonly log: Logger;
  readonly nowMs: () => number;
  readonly monotonicMs: () => number;
  /** Ends requests under way. */
  readonly signal: AbortSignal;
};

/** What `owner.json` says. */
export type OwnerRecord = {
  readonly catalog: string;
  readonly sinceUnixMs: number;
  /** When the owner last said that it is alive, by its clock. */
  readonly renewedUnixMs: number;
};

type Found = { readonly record: OwnerRecord | undefined; readonly version: string | undefined };

const MAX_RECORD_BYTES = 64 * 1024;
/** Two nodes on one bucket notice each other after this at the latest. */
const CHECK_INTERVAL_MS = 60_000;
/** After a restart its own record is not written again at once. */
const FRESH_MS = CHECK_INTERVAL_MS / 2;
/** An owner that runs and reaches the bucket renews its record some times in this. */
export const SILENT_AFTER_MS = 5 * 60_000;
const MAX_CONFLICTS = 5;

/**
 * Which catalog may write into the bucket: two that do not know each other's segments would delete
 * them as redundant. One asks before it uploads, deletes or sweeps.
 */
export class BucketOwner {
  readonly #parts: OwnerParts;
  #owned: boolean | undefined;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #checking: Promise<boolean> | undefined;

  constructor(parts: OwnerParts) {
    this.#parts = parts;
  }

  /** As the last check saw it; undefined before the first. */
  get owned(): boolean | undefined {
    return this.#owned;
  }

  /**
   * Whether the bucket is ours, asked of it at most once a minute, and if so said to others. A bucket
   * without an owner becomes ours. Rejects like the store.
   */
  check(): Promise<boolean> {
    const { monotonicMs } = this.#parts;
    if (this.#owned !== undefined && monotonicMs() - this.#checkedMs < CHECK_INTERVAL_MS) {
      return Promise.resolve(this.#owned);
    }
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** Who the owner is; undefined for none. Throws `corrupt` when that cannot be read. */
  async read(): Promise<OwnerRecord | undefined> {
    return (await this.#read()).record;
  }

  /**
   * Makes the bucket ours. Returns the owner before, if that was another. Rejects with `unavailable`
   * while that one is alive, unless it is to go `evenIfAlive`.
   */
  async take({ evenIfAlive = false } = {}): Promise<OwnerRecord | undefined> {
    for (let i = 0; i < MAX_CONFLICTS; i++) {
      const { record, version } = await this.#read().catch((e) => {
        if (isPintailError(e, "corrupt")) return { record: undefined, version: undefined };
        throw e;
      });
      const before = record?.catalog === this.#parts.catalogId ? undefined : record;
      if (record !== undefined && before === undefined) return this.#became(before);
      if (before !== undefined && !evenIfAlive) this.#mustBeSilent(before);
      if (await this.#write(version)) return this.#became(before);
    }
    throw this.#contended();
  }

  #mustBeSilent({ catalog, renewedUnixMs }: OwnerRecord): void {
    const silentMs = this.#parts.nowMs() - renewedUnixMs;
    if (silentMs >= SILENT_AFTER_MS) return;
    const seconds = Math.round(Math.abs(silentMs) / 1000);
    throw new PintailError(
      "unavailable",
      `${this.#parts.store.location} belongs to another Pintail (catalog ${catalog}), which was alive ` +
        (silentMs < 0 ? `${seconds} s ahead of the clock here` : `${seconds} s ago`) +
        "; give each Pintail a bucket or a prefix of its own, or, when the other one is gone for " +
        `good, start again when it has been silent for ${SILENT_AFTER_MS / 60_000} minutes, or run ` +
        "'pintail catalog rebuild' with this settings file to take the bucket over now",
      { retryAfterMs: Math.min(SILENT_AFTER_MS - silentMs, SILENT_AFTER_MS) },
    );
  }

  #contended(): PintailError {
    return new PintailError(
      "unavailable",
      `cannot become the owner of ${this.#parts.store.location}: others write ${OWNER_KEY} too`,
      { retryAfterMs: CHECK_INTERVAL_MS },
    );
  }

  #became(before: OwnerRecord | undefined): OwnerRecord | undefined {
    this.#set(true);
    return before;
  }

  async #check(): Promise<boolean> {
    const { catalogId, log, nowMs } = this.#parts;
    for (let i = 0; i < MAX_CONFLICTS; i++) {
      const { record, version } = await this.#readOrUnknown();
      if (record !== undefined && record.catalog !== catalogId) {
        this.#isForeign(record);
        return false;
      }
      const isFresh = record !== undefined && Math.abs(nowMs() - record.renewedUnixMs) < FRESH_MS;
      if (!isFresh && !(await this.#write(version, record))) continue;
      if (this.#owned === false) log.info("the bucket is ours again");
      this.#set(true);
      return true;
    }
    throw this.#contended();
  }

  #isForeign({ catalog: owner, sinceUnixMs }: OwnerRecord): void {
    const { catalogId: catalog, log, store } = this.#parts;
    if (this.#owned !== false) {
      log.error("the bucket belongs to another catalog: nothing is uploaded or deleted", {
        ...{ bucket: store.location, owner, sinceUnixMs, catalog },
      });
    }
    this.#set(false);
  }

  /** An owner that cannot be read is another one. */
  async #readOrUnknown(): Promise<Found> {
    try {
      return await this.#read();
    } catch (e) {
      if (!isPintailError(e, "corrupt")) throw e;
      return {
        record: { catalog: "unreadable", sinceUnixMs: 0, renewedUnixMs: 0 },
        version: undefined,
      };
    }
  }

  #set(owned: boolean): void {
    this.#owned = owned;
    this.#checkedMs = this.#parts.monotonicMs();
  }

  async #read(): Promise<Found> {
    const { store, health, signal } = this.#parts;
    try {
      const options = { maxBytes: MAX_RECORD_BYTES, signal };
      const { bytes, info } = await health.watch(() => store.get(OWNER_KEY, options));
      return { record: parseRecord(bytes), version: info.version };
    } catch (e) {
      if (!isPintailError(e, "not_found")) throw e;
      health.worked();
      return { record: undefined, version: undefined };
    }
  }

  /** False when somebody else wrote meanwhile. */
  async #write(version: string | undefined, ours?: OwnerRecord): Promise<boolean> {
    const { store, health, catalogId, nowMs, signal } = this.#parts;
    const renewedUnixMs = Math.trunc(nowMs());
    const sinceUnixMs = ours?.sinceUnixMs ?? renewedUnixMs;
    const record: OwnerRecord = { catalog: catalogId, sinceUnixMs, renewedUnixMs };
    const bytes = new TextEncoder().encode(`${JSON.stringify(record)}\n`);
    try {
      const result = await health.watch(() =>
        store.replace(OWNER_KEY, bytes, { ifVersion: version, signal }),
      );
      return result.outcome === "replaced";
    } catch (e) {
      // Without conditional writes the last of two at the same moment wins, and the next check tells.
      if (!isPintailError(e, "unsupported")) throw e;
      await health.watch(() => store.put(OWNER_KEY, bytes, { ifAbsent: false, signal }));
      return true;
    }
  }
}

function parseRecord(bytes: Uint8Array): OwnerRecord {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<OwnerRecord> | null;
    // Records of before it was renewed say only since when.
    const { catalog, sinceUnixMs, renewedUnixMs = sinceUnixMs } = value ?? {};
    if (
      typeof catalog === "string" &&
      catalog !== "" &&
      typeof sinceUnixMs === "number" &&
      typeof renewedUnixMs === "number"
    ) {
      return { catalog, sinceUnixMs, renewedUnixMs };
    }
  } catch {
    // Said below.
  }
  throw new PintailError("corrupt", `${OWNER_KEY} in the bucket does not name its owner`);
}
