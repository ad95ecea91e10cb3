import type { FetchedPartition } from "./group-member.ts";

/**
 * Takes apart the body of a Fetch response, version 11. Records are views of `bytes`, not yet looked
 * into. Throws `RangeError` when the bytes end early, or an `Error` for an error of the whole request.
 */
export function parseFetchResponse(bytes: Uint8Array): readonly FetchedPartition[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Behind the time that the broker asks to wait.
  let at = 4;
  const take = (size: number): number => {
    at += size;
    return at - size;
  };
  const int16 = () => view.getInt16(take(2));
  const int32 = () => view.getInt32(take(4));
  const int64 = () => view.getBigInt64(take(8));
  const errorCode = int16();
  if (errorCode !== 0) throw new Error(`fetch failed with Kafka's error ${errorCode}`);
  // The session: none is asked for.
  take(4);
  const found: FetchedPartition[] = [];
  for (let topics = int32(); topics > 0; topics--) {
    const nameLength = int16();
    if (nameLength < 0) throw new RangeError("topic without a name");
    const topic = decoder.decode(bytes.subarray(at, at + nameLength));
    at += nameLength;
    for (let partitions = int32(); partitions > 0; partitions--) {
      const partition = int32();
      const partitionError = int16();
      const highWatermark = int64();
      // The last stable offset, the start of the log, and the aborted transactions of 16 bytes each.
      take(16);
      const aborted = int32();
      take(16 * Math.max(0, aborted));
      // The preferred replica.
      take(4);
      const length = Math.max(0, int32());
      if (at + length > bytes.length)
        throw new RangeError("records beyond the end of the response");
      const records = bytes.subarray(at, at + length);
      at += length;
      found.push({ topic, partition, errorCode: partitionError, highWatermark, records });
    }
  }
  return found;
}

const decoder = new TextDecoder();
