import { PintailError } from "../errors.ts";
import { compileSearch } from "../query/compile-search.ts";
import { matchingPages } from "../query/matching-traces.ts";
import type { QueryEngine } from "../query/query-context.ts";
import type { MatchTraces } from "../storage/retention/class-traces.ts";
import { bytesToHex, hexToBytes } from "../util/hex.ts";

/** Of one call: 16 bytes each are held. */
const MAX_MATCHES = 2_000_000;
const ID_BYTES = 16;

/** The traces of a TraceQL query as background work. Throws `limited` when they are too many. */
export function matchTracesWith(engine: QueryEngine): MatchTraces {
  return async (tenant, query, { startUnixNano, endUnixNano }, signal) => {
    const search = compileSearch(query, engine.context.settings.maxQueryBytes);
    const ids = new TraceIdList();
    if (search === undefined || endUnixNano <= startUnixNano) return ids;
    // A search's range has both of its ends.
    const range = { startUnixNano, endUnixNano: endUnixNano - 1n };
    const pages = matchingPages(engine, { tenant, search, range, signal, background: true });
    for await (const page of pages) {
      for (const { traceId } of page) ids.add(traceId);
      if (ids.length <= MAX_MATCHES) continue;
      throw new PintailError("limited", `more than ${MAX_MATCHES} traces match`);
    }
    return ids;
  };
}

class TraceIdList implements Iterable<string> {
  #bytes = new Uint8Array(1024 * ID_BYTES);
  length = 0;

  add(traceId: string): void {
    const at = this.length * ID_BYTES;
    if (at === this.#bytes.length) {
      const larger = new Uint8Array(2 * at);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(hexToBytes(traceId), at);
    this.length++;
  }

  *[Symbol.iterator](): Iterator<string> {
    for (let at = 0; at < this.length * ID_BYTES; at += ID_BYTES) {
      yield bytesToHex(this.#bytes.subarray(at, at + ID_BYTES));
    }
  }
}
