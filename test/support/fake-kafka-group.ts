import { randomUUID } from "node:crypto";
import { KafkaWriter } from "./kafka-wire.ts";

type Member = {
  readonly id: string;
  metadata: Buffer;
  protocol: string;
  sessionMs: number;
  /** Its JoinGroup of the round that is under way waits. */
  joining: ((answer: Buffer) => void) | undefined;
  syncing: ((answer: Buffer) => void) | undefined;
  assignment: Buffer;
  seenMs: number;
};

const Code = { none: 0, illegalGeneration: 22, unknownMember: 25, rebalance: 27, idRequired: 79 };

/** One consumer group at the fake's coordinator: join, sync, heartbeat, leave, expiry. */
export class FakeGroup {
  readonly offsets = new Map<string, bigint>();
  #members = new Map<string, Member>();
  #generation = 0;
  #state: "empty" | "joining" | "syncing" | "stable" = "empty";
  #leader = "";

  get memberCount(): number {
    return this.#members.size;
  }

  /** Ids were given out before members came with them. */
  join(
    id: string,
    sessionMs: number,
    protocol: string,
    metadata: Buffer,
    answer: (body: Buffer) => void,
  ): void {
    if (id === "") {
      answer(joined(Code.idRequired, -1, "", "", `member-${randomUUID()}`, []));
      return;
    }
    const seenMs = Date.now();
    const known = this.#members.get(id);
    const member: Member = known ?? {
      id,
      metadata,
      protocol,
      sessionMs,
      joining: undefined,
      syncing: undefined,
      assignment: Buffer.alloc(0),
      seenMs,
    };
    Object.assign(member, { metadata, protocol, sessionMs, seenMs, joining: answer });
    this.#members.set(id, member);
    this.#state = "joining";
    this.#completeJoin();
  }

  sync(
    id: string,
    generation: number,
    assignments: readonly { member: string; assignment: Buffer }[],
    answer: (body: Buffer) => void,
  ): void {
    const member = this.#members.get(id);
    const code = this.check(id, generation, false);
    if (member === undefined || code !== Code.none || this.#state === "joining") {
      answer(synced(code === Code.none ? Code.rebalance : code, Buffer.alloc(0)));
      return;
    }
    member.syncing = answer;
    if (id === this.#leader) {
      for (const { member: other, assignment } of assignments) {
        const found = this.#members.get(other);
        if (found !== undefined) found.assignment = assignment;
      }
      this.#state = "stable";
    }
    if (this.#state !== "stable") return;
    for (const each of this.#members.values()) {
      each.syncing?.(synced(Code.none, each.assignment));
      each.syncing = undefined;
    }
  }

  /** The error code of a heartbeat or a commit. */
  check(id: string, generation: number, whileJoining = true): number {
    const member = this.#members.get(id);
    if (member === undefined) return Code.unknownMember;
    member.seenMs = Date.now();
    if (generation !== this.#generation) return Code.illegalGeneration;
    return whileJoining && this.#state === "joining" ? Code.rebalance : Code.none;
  }

  leave(id: string): void {
    if (!this.#members.delete(id)) return;
    this.#state = this.#members.size === 0 ? "empty" : "joining";
    this.#completeJoin();
  }

  /** Call it now and then. */
  expire(): void {
    for (const { id, seenMs, sessionMs, joining } of this.#members.values()) {
      if (joining === undefined && Date.now() - seenMs > sessionMs) this.leave(id);
    }
  }

  #completeJoin(): void {
    const members = [...this.#members.values()];
    if (this.#state !== "joining" || members.some((each) => each.joining === undefined)) return;
    this.#generation++;
    this.#state = "syncing";
    this.#leader = members[0]!.id;
    for (const member of members) {
      const others = member.id === this.#leader ? members : [];
      const { protocol, joining } = member;
      member.joining = undefined;
      joining?.(joined(Code.none, this.#generation, protocol, this.#leader, member.id, others));
    }
  }
}

function joined(
  code: number,
  generation: number,
  protocol: string,
  leader: string,
  id: string,
  members: readonly Member[],
): Buffer {
  const out = new KafkaWriter().int32(0).int16(code).int32(generation);
  out.string(protocol).string(leader).string(id);
  return out
    .array(members, (each) => out.string(each.id).string(null).bytes(each.metadata))
    .finish();
}

function synced(code: number, assignment: Buffer): Buffer {
  return new KafkaWriter().int32(0).int16(code).bytes(assignment).finish();
}
