import {
  type FetchedPartition,
  type GroupMember,
  KafkaError,
  keyOf,
  type TopicPartition,
} from "../../drivers/kafka/group-member.ts";
import { type Logger, rateLimited } from "../../telemetry/logger.ts";
import { orAborted } from "../../util/or-aborted.ts";
import { sleep } from "../../util/sleep.ts";
import { PartitionProgress } from "./partition-progress.ts";
import type { PushQueue } from "./push-queue.ts";
import { readRecordBatches } from "./record-batches.ts";
import type { KafkaReceiverSettings } from "./settings.ts";

export type SessionParts = {
  readonly member: GroupMember;
  readonly queue: PushQueue;
  /** A batch could not be read and was left out. */
  readonly onUnreadable: (error: unknown, where: TopicPartition & { offset: bigint }) => void;
  readonly log: Logger;
  readonly monotonicMs: () => number;
  /** Ends the session; its reason is an error when it failed. */
  readonly end: AbortController;
};

/** Between two tries of a broker, and of a partition that has no leader. */
const RETRY_MS = { first: 100, max: 5000 };
/** So many failures of one broker in a row, and a session is begun anew. */
const MAX_FAILURES = 8;
/** A batch is read so often before it is left out: its bytes may have been hurt on the way. */
const MAX_READS = 3;
/** Partitions without a leader get one. */
const LEADERS_EVERY_MS = 5000;
const WARNING_INTERVAL_MS = 10_000;

/**
 * The time of one member in its group: reads the partitions that the group gives it, and commits the
 * offsets of what is stored. One request is open for each broker that leads some of them.
 */
export class KafkaSession {
  readonly #parts: SessionParts;
  readonly #settings: KafkaReceiverSettings;
  readonly #owned = new Map<string, PartitionProgress>();
  readonly #signal: AbortSignal;
  readonly #warn: Logger["warn"];
  #topics: readonly string[] = [];
  #leaders: ReadonlyMap<string, number> = new Map();
  /** Brokers that are being read. */
  readonly #reading = new Map<number, Promise<void>>();
  #rounds = 0;
  #assignment: Promise<void> = Promise.resolve();
  #commit: Promise<void> | undefined;
  #commitAgain = false;
  /** Partition and offset whose batch was unreadable, and how often. */
  readonly #unreadable = new Map<string, { readonly at: bigint; times: number }>();

  constructor(parts: SessionParts, settings: KafkaReceiverSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#signal = parts.end.signal;
    this.#warn = rateLimited(parts.log.warn, WARNING_INTERVAL_MS, parts.monotonicMs);
  }

  /** How many records the owned partitions have that were not read yet. */
  get lag(): number {
    let lag = 0;
    for (const progress of this.#owned.values()) lag += progress.lag;
    return lag;
  }

  /** Joins with these topics and reads until the end. Rejects with what made the session fail. */
  async run(topics: readonly string[]): Promise<void> {
    this.#topics = topics;
    const { commitIntervalMs } = this.#settings;
    const timer =
      commitIntervalMs > 0 ? setInterval(() => this.commitSoon(), commitIntervalMs) : undefined;
    const leaders = setInterval(() => this.#findLeaders(), LEADERS_EVERY_MS);
    try {
      await orAborted(this.#parts.member.join(topics), this.#signal);
      await new Promise<void>((resolve) => {
        if (this.#signal.aborted) resolve();
        this.#signal.addEventListener("abort", () => resolve());
      });
    } finally {
      clearInterval(timer);
      clearInterval(leaders);
      this.#parts.end.abort();
      await Promise.allSettled([this.#assignment, ...this.#reading.values()]);
    }
    const { reason } = this.#signal;
    if (reason instanceof Error && reason.name !== "AbortError") throw reason;
  }

  /** Takes over what the group assigned; what stays goes on where it is. */
  assigned(partitions: readonly TopicPartition[]): void {
    const keys = new Set(partitions.map(keyOf));
    for (const [key, progress] of this.#owned) {
      if (keys.has(key)) continue;
      progress.lost = true;
      this.#owned.delete(key);
    }
    this.#parts.log.info("partitions of Kafka assigned", {
      receiver: this.#settings.name,
      partitions: partitions.length,
    });
    this.#assignment = this.#assignment
      .then(() => this.#begin(partitions))
      .catch((error) => this.#fail(error));
  }

  /** Drops what is read and not stored: another session reads it again. */
  abandon(): void {
    for (const progress of this.#owned.values()) progress.lost = true;
  }

  /** Commits what is stored now, after a commit that is under way. */
  commitSoon(): void {
    if (this.#commit !== undefined) {
      this.#commitAgain = true;
      return;
    }
    this.#commit = this.commit()
      .catch((error) => {
        this.#warn("offsets of Kafka not committed", { receiver: this.#settings.name, error });
      })
      .finally(() => {
        this.#commit = undefined;
        if (!this.#commitAgain || this.#signal.aborted) return;
        this.#commitAgain = false;
        this.commitSoon();
      });
  }

  /** Commits once more, after `run`; rejects when the group does not take it. */
  async finish(): Promise<void> {
    await this.#commit;
    await this.commit();
  }

  /** Commits the offsets of what is stored; rejects when the group does not take them. */
  async commit(): Promise<void> {
    const due = [...this.#owned.values()].flatMap((progress) => {
      const offset = progress.toCommit;
      return offset === undefined ? [] : [{ progress, offset }];
    });
    if (due.length === 0) return;
    await this.#parts.member.commit(
      due.map(({ progress: { topic, partition }, offset }) => ({ topic, partition, offset })),
    );
    for (const { progress, offset } of due) progress.committed(offset);
  }

  #fail(error: unknown): void {
    this.#parts.end.abort(error instanceof Error ? error : new Error(String(error)));
  }

  async #begin(partitions: readonly TopicPartition[]): Promise<void> {
    const added = partitions.filter((each) => !this.#owned.has(keyOf(each)));
    if (added.length > 0) {
      const { member } = this.#parts;
      const committed = await member.committed(added);
      const without = added.filter((each) => !committed.has(keyOf(each)));
      const edges =
        without.length > 0
          ? await member.edges(without, this.#settings.initialOffset)
          : new Map<string, bigint>();
      for (const each of added) {
        const offset = committed.get(keyOf(each)) ?? edges.get(keyOf(each));
        if (offset === undefined) throw new Error(`no offset for partition ${keyOf(each)}`);
        const start = { ...each, offset };
        this.#owned.set(keyOf(each), new PartitionProgress(start, committed.get(keyOf(each))));
      }
      // Where "latest" was must be known after a crash, or what came since would be left out.
      if (without.length > 0) await this.commit();
    }
    await this.#read(false);
  }

  /** Sees to it that every broker that leads an owned partition is read. */
  async #read(fresh: boolean): Promise<void> {
    this.#leaders = await this.#parts.member.leaders(this.#topics, fresh);
    for (const node of new Set(this.#leaders.values())) this.#startReading(node);
  }

  #startReading(node: number): void {
    if (this.#reading.has(node) || this.#signal.aborted || this.#ledBy(node).length === 0) return;
    const reading = this.#readBroker(node)
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#reading.delete(node);
        // A partition may have come while the loop was at its end.
        this.#startReading(node);
      });
    this.#reading.set(node, reading);
  }

  #ledBy(node: number): readonly PartitionProgress[] {
    return [...this.#owned.values()].filter((each) => this.#leaders.get(keyOf(each)) === node);
  }

  #findLeaders(): void {
    if ([...this.#owned.keys()].every((key) => this.#leaders.has(key))) return;
    this.#read(true).catch((error) => this.#warn("no leaders from Kafka", { error }));
  }

  async #readBroker(node: number): Promise<void> {
    const { member } = this.#parts;
    let failures = 0;
    while (!this.#signal.aborted) {
      const led = this.#ledBy(node);
      if (led.length === 0) return;
      // The first one may fill the answer, so each is the first in its turn.
      const first = this.#rounds++ % led.length;
      const from = [...led.slice(first), ...led.slice(0, first)].map((progress) => ({
        topic: progress.topic,
        partition: progress.partition,
        offset: progress.position,
      }));
      let failed = true;
      try {
        const answer = member.fetch(node, from, {
          minBytes: this.#settings.minFetchBytes,
          maxBytes: this.#settings.maxFetchBytes,
          maxWaitMs: this.#settings.maxFetchWaitMs,
        });
        const fetched = await orAborted(answer, this.#signal);
        if (fetched === undefined) return;
        failed = !(await this.#takeAll(fetched));
      } catch (error) {
        if (this.#signal.aborted) return;
        if (failures >= MAX_FAILURES) throw error;
        this.#parts.log.debug("fetch from Kafka failed", { node, error });
      }
      failures = failed ? failures + 1 : 0;
      if (!failed || this.#signal.aborted) continue;
      await sleep(Math.min(RETRY_MS.max, RETRY_MS.first * 2 ** failures), this.#signal);
      // The leader may be another one now; with its broker gone the bootstrap brokers are asked.
      await this.#read(true).catch((error) => {
        if (failures >= MAX_FAILURES) throw error;
      });
    }
  }

  /** False when a partition was answered with an error that calls for a look at the cluster. */
  async #takeAll(fetched: readonly FetchedPartition[]): Promise<boolean> {
    let whole = true;
    for (const each of fetched) {
      const progress = this.#owned.get(keyOf(each));
      if (progress === undefined) continue;
      switch (each.errorCode) {
        case KafkaError.none:
          whole = (await this.#take(each, progress)) && whole;
          progress.lag = Number(each.highWatermark - progress.position);
          break;
        case KafkaError.offsetOutOfRange:
          await this.#reset(progress);
          break;
        default:
          whole = false;
      }
    }
    return whole;
  }

  async #take(fetched: FetchedPartition, progress: PartitionProgress): Promise<boolean> {
    const { queue, onUnreadable } = this.#parts;
    for (const item of readRecordBatches(fetched.records, progress.position)) {
      if (progress.lost || this.#signal.aborted) return true;
      switch (item.type) {
        case "record": {
          const { value, tenants, offset } = item;
          // A record without a value deletes its key, which means nothing here.
          if (value === undefined || value.length === 0) break;
          const pending = progress.begin(offset);
          await queue.add({ value, tenants, partition: progress, pending });
          break;
        }
        case "end":
          progress.position = item.next;
          break;
        case "unreadable":
          if (!this.#readOften(progress)) return false;
          onUnreadable(item.error, this.#place(progress));
          progress.position = item.next;
          break;
        default:
          item satisfies never;
      }
    }
    return true;
  }

  #place({ topic, partition, position }: PartitionProgress): TopicPartition & { offset: bigint } {
    return { topic, partition, offset: position };
  }

  /** Whether the batch at the position was read in vain often enough. */
  #readOften(progress: PartitionProgress): boolean {
    const key = keyOf(progress);
    const before = this.#unreadable.get(key);
    const times = before?.at === progress.position ? before.times + 1 : 1;
    this.#unreadable.set(key, { at: progress.position, times });
    return times >= MAX_READS;
  }

  /** What the group has not read was deleted, or the topic is a new one. */
  async #reset(progress: PartitionProgress): Promise<void> {
    const edges = await this.#parts.member.edges([progress], this.#settings.initialOffset);
    const offset = edges.get(keyOf(progress));
    if (offset === undefined) return;
    const { topic, partition, position } = progress;
    this.#parts.log.warn("offset of Kafka is out of range", {
      receiver: this.#settings.name,
      topic,
      partition,
      from: String(position),
      to: String(offset),
    });
    progress.position = offset;
  }
}
