import type { Budget } from "../budget.ts";
import type { Edge } from "./edge.ts";

/** Times are cut to this, so that edges of one second go together. */
const SECOND_MS = 1000;

export type EdgeStoreSettings = { readonly maxItems: number; readonly waitMs: number };

/** Edges that wait for their other side, in the order in which they came. */
export class EdgeStore {
  readonly #settings: EdgeStoreSettings;
  /** Of both maps below. */
  readonly #budget: Budget;
  readonly #edges = new Map<string, Edge>();
  /** Keys of sides that were left out, and how long that is remembered. */
  readonly #leftOut = new Map<string, number>();

  constructor(settings: EdgeStoreSettings, budget: Budget) {
    this.#settings = settings;
    this.#budget = budget;
  }

  get(key: string): Edge | undefined {
    return this.#edges.get(key);
  }

  /** False when there is no room for it. */
  add(edge: Edge): boolean {
    if (this.#edges.size >= this.#settings.maxItems || !this.#budget.take(1)) return false;
    this.#edges.set(edge.key, edge);
    return true;
  }

  /** Whether it was there. */
  delete(key: string): boolean {
    const isGone = this.#edges.delete(key);
    if (isGone) this.#budget.giveBack(1);
    return isGone;
  }

  /** Until when an edge that begins now waits. */
  expiryOf(nowMs: number): number {
    return nowMs - (nowMs % SECOND_MS) + this.#settings.waitMs;
  }

  /** Those that have waited for too long, once. */
  takeExpired(nowMs: number): Edge[] {
    const expired: Edge[] = [];
    for (const edge of this.#edges.values()) {
      if (edge.expiresMs > nowMs) break;
      this.delete(edge.key);
      expired.push(edge);
    }
    for (const [key, expiresMs] of this.#leftOut) {
      if (expiresMs > nowMs) break;
      this.takeLeftOut(key);
    }
    return expired;
  }

  /** False when there is no room to remember it. */
  leaveOut(key: string, nowMs: number): boolean {
    if (this.#leftOut.has(key)) return true;
    if (this.#leftOut.size >= this.#settings.maxItems || !this.#budget.take(1)) return false;
    this.#leftOut.set(key, this.expiryOf(nowMs));
    return true;
  }

  /** Whether the other side of that key was left out; asked once. */
  takeLeftOut(key: string): boolean {
    const isGone = this.#leftOut.delete(key);
    if (isGone) this.#budget.giveBack(1);
    return isGone;
  }

  clear(): void {
    this.#budget.giveBack(this.#edges.size + this.#leftOut.size);
    this.#edges.clear();
    this.#leftOut.clear();
  }
}
