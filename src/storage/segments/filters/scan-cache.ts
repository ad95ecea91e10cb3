import { type InUseOrder, UseOrder } from "../../../util/use-order.ts";

interface Held<V> extends InUseOrder<Held<V>> {
  readonly list: string;
  readonly key: string;
  readonly value: V;
  readonly bytes: number;
  /** Number of the scan that used it last. */
  scan: number;
  /** The scan by which it has its place in the order. */
  placedBy: number;
}

/**
 * What was used last, up to a number of bytes. Whoever goes through many keys once, a scan, says so
 * by a number: what a scan has used makes no room for what the same scan uses later, so that of more
 * than there is room for some is still here when the next scan goes the same way.
 *
 * A value is found by the name of a list and a key in it, so that for no value a text is put together.
 */
export class ScanCache<V> {
  readonly #maxBytes: number;
  readonly #lists = new Map<string, Map<string, Held<V>>>();
  /** Another whenever a list came or went. */
  #listsVersion = 0;
  readonly #order = new UseOrder<Held<V>>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(list: string, key: string, scan: number): V | undefined {
    return used(this.#lists.get(list)?.get(key), scan);
  }

  /** `get` of one list, for many keys. */
  getterOf(list: string): (key: string, scan: number) => V | undefined {
    let values: ReadonlyMap<string, Held<V>> | undefined;
    let version = -1;
    return (key, scan) => {
      if (version !== this.#listsVersion) {
        values = this.#lists.get(list);
        version = this.#listsVersion;
      }
      return used(values?.get(key), scan);
    };
  }

  put(list: string, key: string, value: V, bytes: number, scan: number): void {
    const before = this.#lists.get(list)?.get(key);
    if (before !== undefined) this.#drop(before);
    while (this.#bytes + bytes > this.#maxBytes) {
      const oldest = this.#oldest();
      if (oldest === undefined || oldest.scan === scan) return;
      this.#drop(oldest);
    }
    const links = { earlier: undefined, later: undefined };
    const held: Held<V> = { list, key, value, bytes, scan, placedBy: scan, ...links };
    this.#valuesOf(list).set(key, held);
    this.#order.add(held);
    this.#bytes += bytes;
  }

  #valuesOf(list: string): Map<string, Held<V>> {
    let values = this.#lists.get(list);
    if (values === undefined) {
      values = new Map();
      this.#lists.set(list, values);
      this.#listsVersion++;
    }
    return values;
  }

  #oldest(): Held<V> | undefined {
    for (;;) {
      const first = this.#order.first;
      if (first === undefined || first.placedBy === first.scan) return first;
      first.placedBy = first.scan;
      this.#order.use(first);
    }
  }

  #drop(held: Held<V>): void {
    const values = this.#lists.get(held.list);
    values?.delete(held.key);
    if (values?.size === 0) {
      this.#lists.delete(held.list);
      this.#listsVersion++;
    }
    this.#order.delete(held);
    this.#bytes -= held.bytes;
  }
}

/** Its place is seen to when room is needed, so that a scan that finds everything moves nothing. */
function used<V>(held: Held<V> | undefined, scan: number): V | undefined {
  if (held === undefined) return undefined;
  held.scan = scan;
  return held.value;
}
