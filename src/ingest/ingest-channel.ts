import { PintailError } from "../errors.ts";
import type { SegmentMeta, WalRange } from "../schema/segment-meta.ts";
import { CutError } from "./cut-error.ts";
import { RefusedError } from "./ingest.ts";
import type { FromIngestWorker, ToIngestWorker } from "./messages.ts";

/** The thread as this channel sees it. */
export interface WorkerPort<Out, In> {
  post(message: Out, transfer?: ArrayBuffer[]): void;
  onMessage(listener: (message: In) => void): void;
  /** The thread died; it will answer nothing more. */
  onExit(listener: (cause: unknown) => void): void;
}

type Omitted<T> = Omit<T, "type" | "id">;
export type RecordMessage = Omitted<Extract<ToIngestWorker, { type: "record" }>>;
export type DecodedReply = Omitted<Extract<FromIngestWorker, { type: "decoded" }>>;

type Waiting = { resolve: (reply: FromIngestWorker) => void; reject: (cause: unknown) => void };

/** Request and reply over the worker's messages; requests are taken in the order posted. */
export class IngestChannel {
  readonly #port: WorkerPort<ToIngestWorker, FromIngestWorker>;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #dead: unknown;
  #heldBytes = 0;

  constructor(port: WorkerPort<ToIngestWorker, FromIngestWorker>) {
    this.#port = port;
    port.onMessage((reply) => {
      this.#heldBytes = reply.heldBytes;
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      waiting?.resolve(reply);
    });
    port.onExit((cause) => {
      this.#dead = new PintailError("unavailable", "the ingest worker has stopped", { cause });
      for (const { reject } of this.#waiting.values()) reject(this.#dead);
      this.#waiting.clear();
    });
  }

  /** Memory that the spans take which are in no segment yet, by the worker's latest reply. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Rejects with `RefusedError` when the worker would not have it. */
  async record(record: RecordMessage, retryAfterMs: number | undefined): Promise<DecodedReply> {
    const reply = await this.#ask((id) => ({ ...record, type: "record", id }), [record.body]);
    if (reply.type === "decoded") return reply;
    if (reply.type !== "refused") throw new Error(`unexpected reply ${reply.type} to a record`);
    const { kind, message, protobufBytes } = reply;
    const limited = kind === "limited";
    const neverFits = limited && protobufBytes > (record.rate?.burstBytes ?? Number.MAX_VALUE);
    const refused = { ...reply, neverFits };
    throw new RefusedError(kind, message, refused, limited ? retryAfterMs : undefined);
  }

  /**
   * Segments with all records of `walRange`, and those of earlier cuts that failed. Rejects with a
   * `CutError` when they cannot be written.
   */
  async cut(walRange: WalRange): Promise<readonly SegmentMeta[]> {
    const reply = await this.#ask((id) => ({ type: "cut", id, walRange }), []);
    if (reply.type === "cut") return reply.metas;
    if (reply.type !== "failed") throw new Error(`unexpected reply ${reply.type} to a cut`);
    throw new CutError(reply.kind, reply.message, reply);
  }

  #ask(
    message: (id: number) => ToIngestWorker,
    transfer: ArrayBuffer[],
  ): Promise<FromIngestWorker> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#port.post(message(id), transfer);
    });
  }
}
