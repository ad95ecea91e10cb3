import type { ObjectStore } from "../../drivers/objects/object-store.ts";
import { isPintailError, PintailError } from "../../errors.ts";
import { parseRedactions, type Redaction, redactionsJson } from "../catalog/redaction.ts";
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

/**
 * All redactions as an object of the bucket: whoever builds a catalog from its segments must not show
 * again what was redacted and is still in them.
 */
export class StoredRedactions {
  readonly #parts: StoredRedactionsParts;

  constructor(parts: StoredRedactionsParts) {
    this.#parts = parts;
  }

  /** Rejects like the store, and with `unavailable` when the bucket is another's. */
  async write(redactions: readonly Redaction[]): Promise<void> {
    const { store, health, isOwner, signal } = this.#parts;
    if (!(await isOwner())) {
      throw new PintailError(
        "unavailable",
        `${store.location} belongs to another catalog: redactions cannot be kept in it`,
        { retryAfterMs: RETRY_AFTER_MS },
      );
    }
    const bytes = new TextEncoder().encode(redactionsJson(redactions));
    await health.watch(() => store.put(REDACTIONS_KEY, bytes, { ifAbsent: false, signal }));
  }

  /** None when there is no such object. Rejects like the store, and with `corrupt`. */
  async read(): Promise<readonly Redaction[]> {
    const { store, health, signal } = this.#parts;
    let bytes: Uint8Array;
    try {
      const options = { maxBytes: MAX_BYTES, signal };
      bytes = (await health.watch(() => store.get(REDACTIONS_KEY, options))).bytes;
    } catch (e) {
      if (!isPintailError(e, "not_found")) throw e;
      health.worked();
      return [];
    }
    return parseRedactions(bytes, store.location + REDACTIONS_KEY);
  }
}
