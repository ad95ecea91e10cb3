import type { ErrorKind } from "../../errors.ts";
import type { SegmentMeta, WalRange } from "../../schema/segment-meta.ts";

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
    }
  | {
      readonly type: "merge";
      readonly id: number;
      readonly tenant: string;
      readonly segments: readonly SegmentMeta[];
    };

export type FromCompactionWorker =
  | {
      readonly type: "done";
      readonly id: number;
      readonly metas: readonly SegmentMeta[];
      /** Records that did not decode although they were acknowledged. */
      readonly undecodable: number;
    }
  | {
      readonly type: "failed";
      readonly id: number;
      readonly kind: ErrorKind;
      readonly message: string;
    };
