import type { Edge } from "./edge.ts";

/** Times are cut to this, so that edges of one second go together. */
const SECOND_MS = 1000;

/** Edges that wait for their other side, in the order in which they came. */
export class EdgeStore {
  readonly #maxItems: number;
  readonly #waitMs: number;
  readonly #edges = new Map<string, Edge>();
  /** Keys of sides that were left out, and how long that is remembered. */
  readonly #leftOut = new Map<string, number>();

  constructor(maxItems: number, waitMs: number) {
    this.#maxItems = maxItems;
    this.#waitMs = waitMs;
  }

  get(key: string): Edge | undefined {
    return this.#edges.get(key);
  }

  get isFull(): boolean {
    return this.#edges.size >= this.#maxItems;
  }

  add(edge: Edge): void {
    this.#edges.set(edge.key, edge);
  }

  delete(key: string): boolean {
    return this.#edges.delete(key);
  }

  /** Until when an edge that begins now waits. */
  expiryOf(nowMs: number): number {
    return nowMs - (nowMs % SECOND_MS) + this.#waitMs;
  }

  /** Those that have waited for too long, once. */
  takeExpired(nowMs: number): Edge[] {
    const expired: Edge[] = [];
    for (const edge of this.#edges.values()) {
      if (edge.expiresMs > nowMs) break;
      this.#edges.delete(edge.key);
      expired.push(edge);
    }
    for (const [key, expiresMs] of this.#leftOut) {
      if (expiresMs > nowMs) break;
      this.#leftOut.delete(key);
    }
    return expired;
  }

  /** False when there is no room to remember it. */
  leaveOut(key: string, nowMs: number): boolean {
    if (this.#leftOut.size >= this.#maxItems) return false;
    this.#leftOut.set(key, this.expiryOf(nowMs));
    return true;
  }

  /** Whether the other side of that key was left out; asked once. */
  takeLeftOut(key: string): boolean {
    return this.#leftOut.delete(key);
  }
}
