import { AttributeType } from "../../model/attribute-columns.ts";
import type { SpanBatch } from "../../model/span-batch.ts";
import { RowCache } from "../shared/row-cache.ts";

/**
 * Resources and scopes of a batch, found by their contents. Attributes are strings all, given as
 * pairs of string ids: key, value, key, value …
 */
export class ResourceRows {
  readonly #batch: SpanBatch;
  readonly #resources: RowCache;
  readonly #scopes: RowCache;
  readonly #serviceNameKey: number;
  #ids = new Uint32Array(64);
  readonly #range = [0, 0];
  /** The resource asked for last: the next span nearly always has the same. */
  readonly #lastPairs: number[] = [];
  #lastRow = -1;
  #lastScopeName = 0;
  #lastScopeVersion = 0;
  #lastScopeRow = -1;

  constructor(batch: SpanBatch) {
    this.#batch = batch;
    this.#resources = new RowCache(batch.strings.seed);
    this.#scopes = new RowCache(batch.strings.seed);
    this.#serviceNameKey = batch.strings.internText("service.name");
  }

  begin(): void {
    this.#resources.begin();
    this.#scopes.begin();
  }

  /** Forgets the rows added since `begin`. */
  rollback(): void {
    this.#resources.rollback();
    this.#scopes.rollback();
    this.#lastRow = -1;
    this.#lastScopeRow = -1;
  }

  /** Its row, which is new when the batch has none like it. */
  resource(pairs: readonly number[]): number {
    if (this.#lastRow >= 0 && sameNumbers(pairs, this.#lastPairs)) return this.#lastRow;
    const key = this.#key(this.#resources, pairs);
    let row = this.#resources.row(key);
    if (row < 0) {
      const { resourceAttributes } = this.#batch;
      let serviceName = 0;
      for (let i = 0; i < pairs.length; i += 2) {
        resourceAttributes.push(pairs[i]!, AttributeType.string, pairs[i + 1]!, 0);
        if (pairs[i] === this.#serviceNameKey) serviceName = pairs[i + 1]!;
      }
      row = this.#batch.closeResource(0, 0, serviceName);
      this.#resources.add(key, row);
    }
    this.#lastPairs.length = 0;
    for (const id of pairs) this.#lastPairs.push(id);
    this.#lastRow = row;
    return row;
  }

  scope(name: number, version: number): number {
    const isLast = name === this.#lastScopeName && version === this.#lastScopeVersion;
    if (isLast && this.#lastScopeRow >= 0) return this.#lastScopeRow;
    const key = this.#key(this.#scopes, [name, version]);
    let row = this.#scopes.row(key);
    if (row < 0) {
      row = this.#batch.closeScope(name, version, 0, 0);
      this.#scopes.add(key, row);
    }
    this.#lastScopeName = name;
    this.#lastScopeVersion = version;
    this.#lastScopeRow = row;
    return row;
  }

  #key(cache: RowCache, ids: readonly number[]): number {
    if (ids.length > this.#ids.length) this.#ids = new Uint32Array(2 * ids.length);
    this.#ids.set(ids);
    this.#range[1] = 4 * ids.length;
    return cache.key(new Uint8Array(this.#ids.buffer), this.#range, 0);
  }
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
