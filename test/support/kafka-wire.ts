/** Kafka's primitive types as its protocol had them before "flexible versions". */
export class KafkaReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int8(): number {
    this.#at += 1;
    return this.#bytes.readInt8(this.#at - 1);
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  /** "" for null. */
  string(): string {
    const length = Math.max(0, this.int16());
    this.#at += length;
    return this.#bytes.toString("utf8", this.#at - length, this.#at);
  }

  bytes(): Buffer {
    const length = Math.max(0, this.int32());
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Undefined for null. */
  array<T>(item: () => T): T[] | undefined {
    const count = this.int32();
    return count < 0 ? undefined : Array.from({ length: count }, item);
  }
}

export class KafkaWriter {
  readonly #parts: Buffer[] = [];

  int8(value: number): this {
    return this.#add(1, (b) => b.writeInt8(value));
  }

  int16(value: number): this {
    return this.#add(2, (b) => b.writeInt16BE(value));
  }

  int32(value: number): this {
    return this.#add(4, (b) => b.writeInt32BE(value));
  }

  int64(value: bigint): this {
    return this.#add(8, (b) => b.writeBigInt64BE(value));
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const text = Buffer.from(value);
    this.int16(text.length);
    this.#parts.push(text);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.int32(value.length);
    this.#parts.push(Buffer.from(value));
    return this;
  }

  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length);
    for (const item of items) write(item);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.#parts);
  }

  #add(size: number, write: (buffer: Buffer) => void): this {
    const buffer = Buffer.alloc(size);
    write(buffer);
    this.#parts.push(buffer);
    return this;
  }
}
