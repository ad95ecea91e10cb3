import type { PartitionOffset } from "../../drivers/kafka/group-member.ts";

/** A record that was read and is not stored yet. */
export type PendingRecord = { readonly offset: bigint; done: boolean };

/**
 * How far one partition is read and how far it is stored. Records may be stored in any order; the
 * offset to commit never passes one that is not.
 */
export class PartitionProgress {
  readonly topic: string;
  readonly partition: number;
  /** Offset of the next record to read. */
  position: bigint;
  /** How many records the partition has from `position` on, by the last answer. */
  lag = 0;
  /** The partition belongs to another member now, or will be read again: do not store what waits. */
  lost = false;
  readonly #pending: PendingRecord[] = [];
  #committed: bigint | undefined;

  /** `committed` is what the group has, undefined when it has nothing. */
  constructor(start: PartitionOffset, committed: bigint | undefined) {
    this.topic = start.topic;
    this.partition = start.partition;
    this.position = start.offset;
    this.#committed = committed;
  }

  /** Takes the record at `offset`; hand it to `finish` when it is stored or given up. */
  begin(offset: bigint): PendingRecord {
    const record = { offset, done: false };
    this.#pending.push(record);
    this.position = offset + 1n;
    return record;
  }

  finish(record: PendingRecord): void {
    record.done = true;
    while (this.#pending[0]?.done) this.#pending.shift();
  }

  /** The offset before which all is stored, when the group does not have it yet. */
  get toCommit(): bigint | undefined {
    const offset = this.#pending[0]?.offset ?? this.position;
    return offset === this.#committed ? undefined : offset;
  }

  committed(offset: bigint): void {
    this.#committed = offset;
  }
}
