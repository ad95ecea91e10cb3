import { isPintailError } from "../errors.ts";
import type { Wal } from "../storage/wal/wal.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Cutter } from "./cutter.ts";
import { type BodyEncoding, type BodyFormat, RefusedError } from "./ingest.ts";
import type { IngestChannel } from "./ingest-channel.ts";
import { DERIVE_NOTHING } from "./messages.ts";

export type ReplayParts = {
  readonly wal: Wal;
  readonly channel: IngestChannel;
  readonly cutter: Cutter;
  readonly maxAttributeBytesOf: (tenant: string) => number;
  readonly log: Logger;
};

/** A head of this size is cut before the replay goes on: it bounds the memory. */
const CUT_BYTES = 64 * 1024 * 1024;
/** Bodies read from the WAL and not yet decoded may add up to this … */
const MAX_WINDOW_BYTES = 16 * 1024 * 1024;
/** … and be this many: a small one may decompress to very much. */
const MAX_WINDOW_RECORDS = 64;

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
export async function replay(
  parts: ReplayParts,
  fromLsn: number,
  settings: {
    /** While the disk is full, spans may pile up to this; beyond it `unavailable`. */
    readonly maxHeldBytes: number;
  },
): Promise<ReplayResult> {
  const { wal, channel, cutter } = parts;
  let records = 0;
  let spans = 0;
  let quarantined = 0;
  let windowBytes = 0;
  let window: Promise<void>[] = [];
  const drain = async (): Promise<void> => {
    await Promise.all(window);
    window = [];
    windowBytes = 0;
  };
  const cut = (mayWait: boolean): Promise<void> =>
    cutter.cutNow().catch((e) => {
      // A full disk must not keep Pintail from answering queries; the cutter tries again.
      if (!mayWait || !isPintailError(e, "unavailable")) throw e;
    });
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
        receivedUnixMs: record.receivedUnixMs,
        // Most of them were counted before.
        derive: DERIVE_NOTHING,
        body: new Uint8Array(record.body).buffer,
      },
      undefined,
    );
    cutter.handed(record.endLsn);
    window.push(
      decoded.then(
        ({ spanCount }) => {
          spans += spanCount;
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
    if (windowBytes < MAX_WINDOW_BYTES && window.length < MAX_WINDOW_RECORDS) continue;
    await drain();
    if (channel.heldBytes >= CUT_BYTES) await cut(channel.heldBytes < settings.maxHeldBytes);
  }
  await drain();
  // With what follows the last record, of those that were refused: nothing is appended meanwhile.
  cutter.handed(Math.max(fromLsn, wal.nextLsn));
  await cut(true);
  return { records, spans, quarantined };
}
