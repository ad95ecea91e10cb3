import type { ErrorKind } from "../../errors.ts";
import type { SegmentMeta, WalRange } from "../../schema/segment-meta.ts";
import type { PackedTraceIds } from "./trace-set.ts";

/** A segment to be read, as a complete local file. */
export type MergeInput = {
  readonly meta: Pick<SegmentMeta, "id" | "level" | "rowCount" | "optionalColumns">;
  readonly path: string;
};

export type ToCompactionWorker =
  | {
      readonly type: "l1";
      readonly id: number;
      readonly walRange: WalRange;
      /** Records of the range that were refused after they were written. */
      readonly voids: readonly WalRange[];
      /** L0 segments of the range, by tenant: what the new ones replace. */
      readonly replaces: readonly { readonly tenant: string; readonly ids: readonly string[] }[];
      readonly maxAttributeBytes: readonly { readonly tenant: string; readonly bytes: number }[];
      readonly defaultMaxAttributeBytes: number;
      /** See `SegmentIdentity`. */
      readonly usedKeys: readonly string[];
    }
  | {
      readonly type: "merge";
      readonly id: number;
      readonly tenant: string;
      readonly inputs: readonly MergeInput[];
      /** Of the result. */
      readonly retentionClass?: string | undefined;
      /** Spans of other traces are left out. */
      readonly keepTraces?: PackedTraceIds | undefined;
      /** Spans of these traces are left out. */
      readonly hiddenTraces?: PackedTraceIds | undefined;
      /** Nothing is written when no span is left out. */
      readonly onlyIfLess?: boolean | undefined;
      readonly usedKeys: readonly string[];
    };

export type FromCompactionWorker =
  | {
      readonly type: "done";
      readonly id: number;
      readonly metas: readonly SegmentMeta[];
      /** Records that did not decode although they were acknowledged. */
      readonly undecodable: number;
      /** Spans of the inputs that are not in `metas`, each one counted. */
      readonly leftOut: number;
      /** `onlyIfLess` was asked for, and there was nothing to leave out: `metas` is empty. */
      readonly unchanged: boolean;
      /** CPU time of the thread, as far as the runtime can tell; its database's is not in it on Node. */
      readonly cpuMs: number;
    }
  | {
      readonly type: "failed";
      readonly id: number;
      readonly kind: ErrorKind;
      readonly message: string;
      /** The input that is damaged, if that is why. */
      readonly damagedId?: string | undefined;
    };
