import type { SpanBatch } from "../../model/span-batch.ts";
import { freeArrays } from "../../util/free-buffer.ts";
import type { SpanOrder } from "./span-order.ts";

/** Tree columns by row. Roots have parent -1; spans not connected to a root have 0, 0, 0. */
export type NestedSets = {
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly parent: Int32Array;
  readonly childCount: Int32Array;
};

/** What tells how spans hang together. */
export type SpanLinks = Pick<SpanBatch, "spanId" | "parentSpanId" | "kind">;

const KIND_SERVER = 2;
const KIND_CLIENT = 3;
/** Up to this size looking through the trace is quicker than a sorted index of its ids. */
const SMALL_TRACE = 48;
const NONE = -1;

/**
 * Numbers every trace's tree. A root is a span without parent id; roots and children are visited in
 * row order (start, then span id). A parent is found by id within the trace; of two spans that
 * share an id a server span's parent is the client one, any other span's parent the server one. A
 * trace in which an id occurs more than twice, or that has no root, stays 0. No recursion and no
 * hashing: chains, cycles and chosen ids cost at most n log n.
 */
export function nestedSets(batch: SpanLinks, order: SpanOrder): NestedSets {
  const { rowCount, traceCount, traceRows } = order;
  const sets: NestedSets = {
    left: new Int32Array(rowCount),
    right: new Int32Array(rowCount),
    parent: new Int32Array(rowCount),
    childCount: new Int32Array(rowCount),
  };
  const tree = new TraceTree(batch, order, sets);
  for (let t = 0; t < traceCount; t++) tree.number(traceRows[t]!, traceRows[t + 1]!);
  tree.free();
  return sets;
}

class TraceTree {
  readonly #spans: Uint32Array;
  readonly #idLo: Uint32Array;
  readonly #idHi: Uint32Array;
  readonly #batch: SpanLinks;
  readonly #sets: NestedSets;
  /** By row: the parent's row, or NONE. */
  readonly #parentRow: Int32Array;
  readonly #firstChild: Int32Array;
  readonly #nextSibling: Int32Array;
  /** Rows of the current trace ordered by span id; only for large traces. */
  #byId = new Uint32Array(0);
  /** The two rows that `#find` found. */
  #found = NONE;
  #foundToo = NONE;

  constructor(batch: SpanLinks, order: SpanOrder, sets: NestedSets) {
    const { spans, rowCount } = order;
    this.#batch = batch;
    this.#spans = spans;
    this.#sets = sets;
    this.#idLo = new Uint32Array(rowCount);
    this.#idHi = new Uint32Array(rowCount);
    for (let row = 0; row < rowCount; row++) {
      this.#idLo[row] = batch.spanId[2 * spans[row]!]!;
      this.#idHi[row] = batch.spanId[2 * spans[row]! + 1]!;
    }
    this.#parentRow = new Int32Array(rowCount);
    this.#firstChild = new Int32Array(rowCount).fill(NONE);
    this.#nextSibling = new Int32Array(rowCount);
  }

  /** Gives the memory of all traces back; nothing may be numbered afterwards. */
  free(): void {
    freeArrays(
      this.#idLo,
      this.#idHi,
      this.#parentRow,
      this.#firstChild,
      this.#nextSibling,
      this.#byId,
    );
  }

  number(from: number, to: number): void {
    let hasRoot = false;
    for (let row = from; row < to; row++) hasRoot ||= this.#isRoot(row);
    if (!hasRoot) return;
    const large = to - from > SMALL_TRACE;
    if (large) this.#indexIds(from, to);
    if (this.#hasTriple(from, to, large)) return;
    for (let row = from; row < to; row++)
      this.#parentRow[row] = this.#parentOf(row, from, to, large);
    // Backwards, so that each list of children ends up in row order.
    for (let row = to - 1; row >= from; row--) {
      const parent = this.#parentRow[row]!;
      if (parent === NONE) continue;
      this.#sets.childCount[parent]!++;
      this.#nextSibling[row] = this.#firstChild[parent]!;
      this.#firstChild[parent] = row;
    }
    let counter = 1;
    for (let row = from; row < to; row++)
      if (this.#isRoot(row)) counter = this.#visit(row, counter);
  }

  /** Depth first from a root. Every row has one parent and a root none, so none is met twice. */
  #visit(root: number, first: number): number {
    const { left, right, parent } = this.#sets;
    let counter = first;
    let row = root;
    left[row] = counter++;
    parent[row] = -1;
    for (;;) {
      const child = this.#firstChild[row]!;
      if (child !== NONE) {
        left[child] = counter++;
        parent[child] = left[row]!;
        row = child;
        continue;
      }
      for (;;) {
        right[row] = counter++;
        if (row === root) return counter;
        const sibling = this.#nextSibling[row]!;
        const up = this.#parentRow[row]!;
        if (sibling !== NONE) {
          left[sibling] = counter++;
          parent[sibling] = left[up]!;
          row = sibling;
          break;
        }
        row = up;
      }
    }
  }

  #isRoot(row: number): boolean {
    const span = this.#spans[row]!;
    const { parentSpanId } = this.#batch;
    return parentSpanId[2 * span] === 0 && parentSpanId[2 * span + 1] === 0;
  }

  #parentOf(row: number, from: number, to: number, large: boolean): number {
    if (this.#isRoot(row)) return NONE;
    const span = this.#spans[row]!;
    const { parentSpanId, kind } = this.#batch;
    this.#find(parentSpanId[2 * span]!, parentSpanId[2 * span + 1]!, from, to, large);
    let parent = this.#found;
    if (this.#foundToo !== NONE) {
      const wanted = kind[span] === KIND_SERVER ? KIND_CLIENT : KIND_SERVER;
      if (kind[this.#spans[parent]!] !== wanted) parent = this.#foundToo;
      if (kind[this.#spans[parent]!] !== wanted) parent = NONE;
    }
    // A span is never its own child.
    return parent === row ? NONE : parent;
  }

  #indexIds(from: number, to: number): void {
    const byId = new Uint32Array(to - from);
    for (let i = 0; i < byId.length; i++) byId[i] = from + i;
    const lo = this.#idLo;
    const hi = this.#idHi;
    this.#byId = byId.sort((a, b) => hi[a]! - hi[b]! || lo[a]! - lo[b]! || a - b);
  }

  #hasTriple(from: number, to: number, large: boolean): boolean {
    const lo = this.#idLo;
    const hi = this.#idHi;
    if (large) {
      const ids = this.#byId;
      for (let i = 2; i < ids.length; i++) {
        const a = ids[i]!;
        const b = ids[i - 2]!;
        if (lo[a] === lo[b] && hi[a] === hi[b]) return true;
      }
      return false;
    }
    for (let row = from; row < to; row++) {
      let twins = 0;
      for (let other = row + 1; other < to; other++) {
        if (lo[other] === lo[row] && hi[other] === hi[row]) twins++;
      }
      if (twins > 1) return true;
    }
    return false;
  }

  /** Looks for the first two rows with the id. */
  #find(lo: number, hi: number, from: number, to: number, large: boolean): void {
    this.#found = NONE;
    this.#foundToo = NONE;
    if (large) {
      this.#findSorted(lo, hi);
      return;
    }
    for (let row = from; row < to; row++) {
      if (this.#idLo[row] !== lo || this.#idHi[row] !== hi) continue;
      if (this.#found !== NONE) {
        this.#foundToo = row;
        return;
      }
      this.#found = row;
    }
  }

  #findSorted(lo: number, hi: number): void {
    const ids = this.#byId;
    let low = 0;
    let high = ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = ids[middle]!;
      const order = this.#idHi[row]! - hi || this.#idLo[row]! - lo;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    if (low < ids.length && this.#is(ids[low]!, lo, hi)) {
      this.#found = ids[low]!;
      if (low + 1 < ids.length && this.#is(ids[low + 1]!, lo, hi)) this.#foundToo = ids[low + 1]!;
    }
  }

  #is(row: number, lo: number, hi: number): boolean {
    return this.#idLo[row] === lo && this.#idHi[row] === hi;
  }
}
