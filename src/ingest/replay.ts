import { isPintailError } from "../errors.ts";
import type { Wal } from "../storage/wal/wal.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Cutter } from "./cutter.ts";
import { type BodyEncoding, type BodyFormat, RefusedError } from "./ingest.ts";
import type { IngestChannel } from "./ingest-channel.ts";

export type ReplayParts = {
  readonly wal: Wal;
  readonly channel: IngestChannel;
  readonly cutter: Cutter;
  readonly maxAttributeBytesOf: (tenant: string) => number;
  readonly log: Logger;
};

/** A head of this many spans is cut before the replay goes on: it bounds the memory. */
const CUT_SPANS = 100_000;
/** Bodies read from the WAL and not yet decoded may add up to this. */
const MAX_WINDOW_BYTES = 16 * 1024 * 1024;

export type ReplayResult = {
  readonly records: number;
  readonly spans: number;
  /** Records put into quarantine because they do not decode. */
  readonly quarantined: number;
};

/**
 * Brings what was acknowledged and is in no segment yet back into the head and cuts it. A record
 * that does not decode is kept aside in the WAL's quarantine and voided.
 */
export async function replay(parts: ReplayParts, fromLsn: number): Promise<ReplayResult> {
  const { wal, channel, cutter } = parts;
  let records = 0;
  let spans = 0;
  let spansSinceCut = 0;
  let quarantined = 0;
  let windowBytes = 0;
  let window: Promise<void>[] = [];
  const drain = async (): Promise<void> => {
    await Promise.all(window);
    window = [];
    windowBytes = 0;
  };
  for await (const record of wal.replay(fromLsn)) {
    records++;
    windowBytes += record.body.length;
    const decoded = channel.record(
      {
        tenant: record.tenant,
        format: record.format as BodyFormat,
        encoding: record.encoding as BodyEncoding,
        maxDecodedBytes: record.maxDecodedBytes,
        maxAttributeBytes: parts.maxAttributeBytesOf(record.tenant),
        rate: undefined,
        body: new Uint8Array(record.body).buffer,
      },
      undefined,
    );
    cutter.handed(record.endLsn);
    window.push(
      decoded.then(
        ({ spanCount }) => {
          spans += spanCount;
          spansSinceCut += spanCount;
        },
        async (e) => {
          if (!(e instanceof RefusedError)) throw e;
          quarantined++;
          parts.log.warn("record of the write-ahead log does not decode", {
            lsn: record.lsn,
            error: e.message,
          });
          await wal.quarantine(record, e.message).catch(() => {});
          wal.appendVoid([record.lsn]);
        },
      ),
    );
    if (windowBytes >= MAX_WINDOW_BYTES) await drain();
    if (spansSinceCut >= CUT_SPANS) {
      await drain();
      await cutter.cutNow();
      spansSinceCut = 0;
    }
  }
  await drain();
  await cutter.cutNow().catch((e) => {
    // A full disk must not keep Pintail from answering queries; the cutter tries again.
    if (!isPintailError(e, "unavailable")) throw e;
  });
  return { records, spans, quarantined };
}
