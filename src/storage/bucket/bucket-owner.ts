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
export type OwnerRecord = { readonly catalog: string; readonly sinceUnixMs: number };

type Found = { readonly record: OwnerRecord | undefined; readonly version: string | undefined };

const MAX_RECORD_BYTES = 64 * 1024;
/** Two nodes on one bucket notice each other after this at the latest. */
const CHECK_INTERVAL_MS = 60_000;
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
   * Whether the bucket is ours, asked of it at most once a minute. A bucket without an owner becomes
   * ours. Rejects like the store.
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

  /** Makes the bucket ours, whoever had it. Returns the owner before, if that was another. */
  async take(): Promise<OwnerRecord | undefined> {
    for (let i = 0; i < MAX_CONFLICTS; i++) {
      const { record, version } = await this.#read().catch((e) => {
        if (isPintailError(e, "corrupt")) return { record: undefined, version: undefined };
        throw e;
      });
      const before = record?.catalog === this.#parts.catalogId ? undefined : record;
      if (record !== undefined && before === undefined) return this.#became(before);
      if (await this.#write(version)) return this.#became(before);
    }
    throw new PintailError(
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
    const { catalogId, log, store } = this.#parts;
    const { record, version } = await this.#readOrUnknown();
    if (record === undefined && !(await this.#write(version))) return this.#check();
    const owned = record === undefined || record.catalog === catalogId;
    if (!owned && this.#owned !== false) {
      log.error("the bucket belongs to another catalog: nothing is uploaded or deleted", {
        bucket: store.location,
        owner: record.catalog,
        sinceUnixMs: record.sinceUnixMs,
        catalog: catalogId,
      });
    }
    if (owned && this.#owned === false) log.info("the bucket is ours again");
    this.#set(owned);
    return owned;
  }

  /** An owner that cannot be read is another one. */
  async #readOrUnknown(): Promise<Found> {
    try {
      return await this.#read();
    } catch (e) {
      if (!isPintailError(e, "corrupt")) throw e;
      return { record: { catalog: "unreadable", sinceUnixMs: 0 }, version: undefined };
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
  async #write(version: string | undefined): Promise<boolean> {
    const { store, health, catalogId, nowMs, signal } = this.#parts;
    const record: OwnerRecord = { catalog: catalogId, sinceUnixMs: Math.trunc(nowMs()) };
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
    const { catalog, sinceUnixMs } = value ?? {};
    if (typeof catalog === "string" && catalog !== "" && typeof sinceUnixMs === "number") {
      return { catalog, sinceUnixMs };
    }
  } catch {
    // Said below.
  }
  throw new PintailError("corrupt", `${OWNER_KEY} in the bucket does not name its owner`);
}
