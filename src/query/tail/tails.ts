import { PintailError } from "../../errors.ts";
import type { SegmentSummary } from "../../schema/segment-meta.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { asItIsNow } from "../hidden-traces.ts";
import type { QueryEngine } from "../query-context.ts";
import type { TailFilter } from "./compile-tail.ts";
import type { TailSettings } from "./settings.ts";
import { TailInbox, type TailNews } from "./tail-inbox.ts";
import { tailSpans } from "./tail-spans.ts";

export type TailParts = {
  readonly engine: QueryEngine;
  readonly log: Logger;
  /** Told how many matching spans did not reach a client. */
  readonly onDropped?: (spans: number) => void;
};

export type TailRequest = {
  /** At least one. */
  readonly tenants: readonly string[];
  readonly filter: TailFilter;
  /** Ends the tail. */
  readonly signal: AbortSignal;
};

/** Tails of one tenant with the same query, which one run serves. */
type Group = {
  readonly tenant: string;
  readonly filter: TailFilter;
  readonly inboxes: Set<TailInbox>;
  /** Oldest first. */
  waiting: SegmentSummary[];
  /** Aborts when no tail is left. */
  readonly over: AbortController;
};

/** The open live tails, and the queries that feed them: one at a time. */
export class Tails {
  readonly #parts: TailParts;
  readonly #settings: TailSettings;
  readonly #groups = new Map<string, Group>();
  readonly #open = new Map<TailInbox, readonly string[]>();
  #running = false;
  #closed = false;

  constructor(parts: TailParts, settings: TailSettings) {
    this.#parts = parts;
    this.#settings = settings;
  }

  get count(): number {
    return this.#open.size;
  }

  /**
   * Opens a tail at once: it sees what is committed from now on. Its news end with the signal and
   * when Pintail stops. Throws `limited` when there are too many.
   */
  open({ tenants, filter, signal }: TailRequest): AsyncGenerator<TailNews, void, void> {
    this.#checkRoom(tenants);
    const inbox = new TailInbox(this.#settings);
    this.#open.set(inbox, tenants);
    for (const tenant of tenants) this.#group(tenant, filter).inboxes.add(inbox);
    const end = (): void => this.#end(inbox);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
    return newsOf(inbox, end);
  }

  /** These segments are in the catalog now. */
  onCommit(segments: readonly SegmentSummary[]): void {
    for (const meta of segments) {
      // What is merged was shown before.
      if (meta.level !== 0) continue;
      for (const group of this.#groups.values()) {
        if (group.tenant === meta.tenant) this.#queue(group, meta);
      }
    }
    void this.#work();
  }

  /** Ends all tails, after what they still have to tell. */
  close(): void {
    this.#closed = true;
    for (const inbox of [...this.#open.keys()]) this.#end(inbox);
  }

  #checkRoom(tenants: readonly string[]): void {
    if (this.#closed) {
      throw new PintailError("unavailable", "pintail is stopping", { retryAfterMs: 1000 });
    }
    const { maxTails, maxTailsPerTenant } = this.#settings;
    const refuse = (whose: string, limit: number): PintailError =>
      new PintailError("limited", `too many live tails ${whose}, the limit is ${limit}`, {
        retryAfterMs: 5000,
      });
    if (this.#open.size >= maxTails) throw refuse("are open", maxTails);
    for (const tenant of tenants) {
      const open = [...this.#open.values()].filter((others) => others.includes(tenant));
      if (open.length >= maxTailsPerTenant)
        throw refuse(`of tenant ${tenant} are open`, maxTailsPerTenant);
    }
  }

  #group(tenant: string, filter: TailFilter): Group {
    const key = JSON.stringify([tenant, filter.text]);
    let group = this.#groups.get(key);
    if (group === undefined) {
      const over = new AbortController();
      group = { tenant, filter, inboxes: new Set(), waiting: [], over };
      this.#groups.set(key, group);
    }
    return group;
  }

  #end(inbox: TailInbox): void {
    if (!this.#open.delete(inbox)) return;
    inbox.close();
    for (const [key, group] of this.#groups) {
      if (!group.inboxes.delete(inbox) || group.inboxes.size > 0) continue;
      this.#groups.delete(key);
      group.over.abort();
    }
  }

  #queue(group: Group, meta: SegmentSummary): void {
    if (group.filter.search === undefined) return;
    group.waiting.push(meta);
    if (group.waiting.length <= this.#settings.maxWaitingSegments) return;
    group.waiting.shift();
    for (const inbox of group.inboxes) inbox.skipped(1);
  }

  async #work(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let group = this.#nextGroup(); group !== undefined; group = this.#nextGroup()) {
        await this.#look(group);
      }
    } finally {
      this.#running = false;
    }
  }

  /** Groups take turns: the one that was served goes to the end. */
  #nextGroup(): Group | undefined {
    for (const [key, group] of this.#groups) {
      if (group.waiting.length === 0) continue;
      this.#groups.delete(key);
      this.#groups.set(key, group);
      return group;
    }
    return undefined;
  }

  async #look(group: Group): Promise<void> {
    const meta = group.waiting.shift();
    const { search } = group.filter;
    if (meta === undefined || search === undefined) return;
    const { engine, log, onDropped } = this.#parts;
    const { maxSpansPerSegment, maxBytesPerSegment, queryTimeoutMs } = this.#settings;
    // Who comes while the query runs sees only later segments.
    const inboxes = [...group.inboxes];
    try {
      const batch = await engine.run(
        {
          tenants: [group.tenant],
          timeoutMs: queryTimeoutMs,
          signal: group.over.signal,
          background: true,
        },
        async (run) => {
          const now = asItIsNow(engine.context.catalog, run.segments(group.tenant), meta);
          const bounds = { maxSpans: maxSpansPerSegment, maxBytes: maxBytesPerSegment };
          return now && (await tailSpans(run, now, search, bounds));
        },
      );
      for (const inbox of inboxes) {
        if (batch === undefined) {
          inbox.skipped(1);
          continue;
        }
        const lost = inbox.add(batch.spans, batch.dropped);
        if (lost > 0) onDropped?.(lost);
      }
    } catch (error) {
      if (group.over.signal.aborted) return;
      log.warn("a live tail skipped a segment", { tenant: group.tenant, segment: meta.id, error });
      for (const inbox of inboxes) inbox.skipped(1);
    }
  }
}

async function* newsOf(inbox: TailInbox, end: () => void): AsyncGenerator<TailNews, void, void> {
  try {
    for (let news = await inbox.next(); news !== undefined; news = await inbox.next()) yield news;
  } finally {
    end();
  }
}
