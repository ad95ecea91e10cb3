import type { PartRows } from "./part-rows.ts";
import type { PartSink } from "./read-whole-traces.ts";

/** How many rows of one kind each segment has, by its rank. */
type Copies = Map<number, number>;

/**
 * Finds the traces in which more than two spans have one id, not all of them in one segment. Of a
 * span that lies in several segments the rows of one count (`dropExtraCopies`), here the most.
 */
export class TripleFinder implements PartSink {
  /** Numbers of the traces found. */
  readonly found: number[] = [];
  #ids: bigint[] = [];
  #kinds: number[] = [];
  #ranks: number[] = [];
  #traceNo = 0;

  addPart(rows: PartRows, from: number, to: number, traceNo: number, rank: number): void {
    const ids = rows.spanId.values();
    const kinds = rows.kind.values();
    for (let row = from; row < to; row++) {
      this.#ids.push(ids[row]!);
      this.#kinds.push(kinds[row]!);
      this.#ranks.push(rank);
    }
    this.#traceNo = traceNo;
  }

  endTrace(): void {
    const repeated = this.#repeatedIds();
    if (repeated.size > 0 && this.#hasTriple(repeated)) this.found.push(this.#traceNo);
    this.#ids = [];
    this.#kinds = [];
    this.#ranks = [];
  }

  /** Ids that more than two rows have: hardly ever any. */
  #repeatedIds(): ReadonlySet<bigint> {
    const sorted = BigUint64Array.from(this.#ids).sort();
    return new Set(sorted.filter((id, i) => id === sorted[i - 2]));
  }

  #hasTriple(repeated: ReadonlySet<bigint>): boolean {
    const byId = new Map<bigint, Map<number, Copies>>();
    for (const [i, id] of this.#ids.entries()) {
      if (!repeated.has(id)) continue;
      const kind = this.#kinds[i]!;
      const rank = this.#ranks[i]!;
      const kinds = byId.get(id) ?? new Map<number, Copies>();
      const copies = kinds.get(kind) ?? new Map<number, number>();
      byId.set(id, kinds.set(kind, copies.set(rank, (copies.get(rank) ?? 0) + 1)));
    }
    return [...byId.values()].some((kinds) => isSplitTriple([...kinds.values()]));
  }
}

function isSplitTriple(kinds: readonly Copies[]): boolean {
  const ranks = new Set(kinds.flatMap((copies) => [...copies.keys()]));
  const spans = kinds.reduce((sum, copies) => sum + Math.max(...copies.values()), 0);
  return ranks.size > 1 && spans > 2;
}
