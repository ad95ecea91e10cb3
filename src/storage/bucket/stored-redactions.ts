import type { ObjectStore } from "../../drivers/objects/object-store.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import {
  joinRedactions,
  parseRedactions,
  type Redaction,
  redactionsJson,
} from "../catalog/redaction.ts";
import type { BucketHealth } from "./bucket-health.ts";
import { REDACTIONS_KEY } from "./object-keys.ts";

export type StoredRedactionsParts = {
  readonly store: ObjectStore;
  readonly health: BucketHealth;
  readonly isOwner: () => Promise<boolean>;
  /** Ends requests under way. */
  readonly signal: AbortSignal;
};

const MAX_BYTES = 64 * 1024 * 1024;
const RETRY_AFTER_MS = 30_000;
const MAX_CONFLICTS = 5;

/**
 * All redactions as an object of the bucket: whoever builds a catalog from its segments must not show
 * again what was redacted and is still in them.
 */
export class StoredRedactions {
  readonly #parts: StoredRedactionsParts;

  constructor(parts: StoredRedactionsParts) {
    this.#parts = parts;
  }

  /**
   * Adds what these say to what is there, which another owner may have written. Rejects like the
   * store, and with `unavailable` when the bucket is another's.
   */
  async write(redactions: readonly Redaction[]): Promise<void> {
    const { store, isOwner } = this.#parts;
    if (!(await isOwner())) {
      throw this.#unavailable("belongs to another catalog: redactions cannot be kept in it");
    }
    for (let i = 0; i < MAX_CONFLICTS; i++) {
      const { redactions: stored, version } = await this.#read();
      const json = redactionsJson(joinRedactions(redactions, stored));
      const bytes = new TextEncoder().encode(json);
      if (bytes.length > MAX_BYTES) {
        throw new PintailError(
          "limited",
          `${store.location}${REDACTIONS_KEY} would have ${bytes.length} bytes of ${MAX_BYTES}: ` +
            "wait until redactions under way are done",
          { retryAfterMs: RETRY_AFTER_MS },
        );
      }
      if (await this.#replace(bytes, version)) return;
    }
    throw this.#unavailable(`others write ${REDACTIONS_KEY} too`);
  }

  /** None when there is no such object. Rejects like the store, and with `corrupt`. */
  async read(): Promise<readonly Redaction[]> {
    return (await this.#read()).redactions;
  }

  async #read(): Promise<{ redactions: readonly Redaction[]; version: string | undefined }> {
    const { store, health, signal } = this.#parts;
    try {
      const options = { maxBytes: MAX_BYTES, signal };
      const { bytes, info } = await health.watch(() => store.get(REDACTIONS_KEY, options));
      const redactions = parseRedactions(bytes, store.location + REDACTIONS_KEY);
      return { redactions, version: info.version };
    } catch (e) {
      if (!isPintailError(e, "not_found")) throw e;
      health.worked();
      return { redactions: [], version: undefined };
    }
  }

  /** False when somebody else wrote meanwhile. */
  async #replace(bytes: Uint8Array, version: string | undefined): Promise<boolean> {
    const { store, health, signal } = this.#parts;
    try {
      const options = { ifVersion: version, signal };
      const result = await health.watch(() => store.replace(REDACTIONS_KEY, bytes, options));
      return result.outcome === "replaced";
    } catch (e) {
      // A store without conditional writes: the owner's lease has to do.
      if (!isPintailError(e, "unsupported")) throw e;
      await health.watch(() => store.put(REDACTIONS_KEY, bytes, { ifAbsent: false, signal }));
      return true;
    }
  }

  #unavailable(why: string): PintailError {
    const message = `${this.#parts.store.location}: ${why}`;
    return new PintailError("unavailable", message, { retryAfterMs: RETRY_AFTER_MS });
  }
}
